"""What a docker engine says while it builds, pulls and pushes: lines for a person, results, failures (pure).

Leaves to others: the engine itself (engine).

An engine answers "200 OK" before it begins, and everything else is an event in the stream, a failure too: the docker
SDK's low-level calls raise nothing for it, and an image that was never pushed looks like a success to who doesn't
read the events. A stream that breaks off without its result is a failure as well.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from grapeshot_launcher.errors import ImageFailed

Event = Mapping[str, Any]
Say = Callable[[str], None]

LAST_LINES = 8  # of what a build printed, quoted when it fails
STEP_WIDTH = 100  # characters of a step that are shown
ERROR_WIDTH = 400  # the engine quotes the whole command that failed
QUARTERS = 4  # how often a large layer reports
LARGE = 20_000_000  # bytes from which a layer reports on its way

# Signs in what was said → what to do; the first that fits holds.
REMEDIES = (
    (
        ("no such host", "dial tcp", "Temporary failure in name resolution", "timed out", "TLS handshake"),
        "Check this machine's way to the registry of the base image and to the package index, then repeat.",
    ),
    (
        ("toomanyrequests", "rate limit"),
        "The registry wants a pause, or a login (`docker login`); or name another base with --base-image.",
    ),
    (
        (
            "manifest unknown",
            "not found",
            "pull access denied",
            "does not match",
            "invalid reference",
            "no matching manifest",
        ),
        "Check the base image's name (--base-image), and that it exists for this architecture.",
    ),
    (
        ("exec format error",),
        "The base image is not for the engine's own architecture: name another with --base-image.",
    ),
    (
        ("libstdc++", "No module named", "GLIBC"),
        "The base image lacks something that a worker needs: a glibc of 2.28, a C++ library, Python 3.11 with pip.",
    ),
    (("no space left",), "Make room for the docker engine, for example with `docker system prune`."),
)

STEP = re.compile(r"Step (\d+)/(\d+) : (.*)", re.DOTALL)
NOISE = re.compile(r"━|--->|Removing intermediate container|Downloading|Collecting")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
ON_THE_WAY = {"Downloading", "Pushing"}
ARRIVED = {"Pull complete": "pulled", "Pushed": "pushed", "Layer already exists": "is there already"}
DENIED_ACTION = re.compile(r"not authorized to perform: (\S+)")


def image_id(events: Iterable[Event], say: Say) -> str:
    """Follow a build to its end and give the image's id; ImageFailed with the last lines when it fails."""
    layers = Layers(say)
    printed: deque[str] = deque(maxlen=LAST_LINES)
    built = ""
    for event in events:
        if "error" in event:
            raise _build_failed(str(event["error"]), printed)
        built = (event.get("aux") or {}).get("ID", built)  # of several stages the last
        layers.note(event)
        text = COLOURS.sub("", str(event.get("stream", ""))).strip()
        if step := STEP.match(text):
            say(f"  step {step[1]} of {step[2]}: {_one_line(step[3], STEP_WIDTH)}")
        elif text and not NOISE.search(text):
            printed.append(text)
    if not built:
        raise _build_failed("The engine stopped answering before the image was ready.", printed)
    return built


def pulled(events: Iterable[Event], say: Say) -> None:
    """Follow a pull to its end; ImageFailed when it fails."""
    layers = Layers(say)
    for event in events:
        if "error" in event:
            raise base_failed(str(event["error"]))
        layers.note(event)


def pushed_digest(events: Iterable[Event], say: Say) -> str:
    """Follow a push to its end and give the digest; ImageFailed when the registry refuses it."""
    layers = Layers(say)
    digest = ""
    for event in events:
        if "error" in event:
            raise _push_failed(str(event["error"]))
        digest = (event.get("aux") or {}).get("Digest", digest)
        layers.note(event)
    if not digest:
        raise _push_failed("The engine stopped answering before the image was stored.")
    return digest


class Layers:
    """Turns the many events of layers on their way into few lines."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._told: dict[str, int] = {}  # layer → quarters told

    def note(self, event: Event) -> None:
        """Say what is new in an event; most have nothing."""
        layer, status = str(event.get("id", "")), str(event.get("status", ""))
        if status in ARRIVED:
            self._say(f"  layer {layer}: {ARRIVED[status]}")
        elif status in ON_THE_WAY:
            detail = event.get("progressDetail") or {}
            self._on_the_way(layer, detail.get("current", 0), detail.get("total", 0))

    def _on_the_way(self, layer: str, current: int, total: int) -> None:
        if total < LARGE:
            return
        quarter = min(current * QUARTERS // total, QUARTERS - 1)  # sizes are the engine's estimates
        if quarter > self._told.get(layer, 0):
            self._told[layer] = quarter
            self._say(f"  layer {layer}: {quarter * 100 // QUARTERS} % of {total / 1e6:.0f} MB")


def _one_line(text: str, width: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"


def _build_failed(error: str, printed: Iterable[str]) -> ImageFailed:
    said = "\n        ".join([*printed, _one_line(error, ERROR_WIDTH)])
    remedy = _remedy(said, otherwise="The lines above say what went wrong in the build; mend it and repeat.")
    return ImageFailed("The worker image could not be built.", cause=said, remedy=remedy)


def base_failed(error: str) -> ImageFailed:
    """Make the error of a base image that can't be had."""
    remedy = _remedy(error, otherwise="Check the base image's name (--base-image), then repeat.")
    return ImageFailed("The base image can't be pulled.", cause=_one_line(error, ERROR_WIDTH), remedy=remedy)


def _remedy(said: str, *, otherwise: str) -> str:
    for signs, remedy in REMEDIES:
        if any(sign in said for sign in signs):
            return remedy
    return otherwise


def _push_failed(error: str) -> ImageFailed:
    denied = DENIED_ACTION.search(error)
    if denied:
        remedy = (
            f"Allow {denied[1]}: `grapeshot iam policy --publish` prints the policy that publishing needs."
        )
    elif any(
        word in error
        for word in ("unauthorized", "no basic auth", "denied", "expired", "authentication required")
    ):
        remedy = (
            "The registry did not accept the login. Repeat; if it stays, check the credentials' permissions: "
            "`grapeshot iam policy --publish` prints the policy that publishing needs."
        )
    else:
        remedy = "Repeat: what has arrived is kept. If it stays, check this machine's way to the registry."
    return ImageFailed(
        "The worker image could not be pushed.", cause=_one_line(error, ERROR_WIDTH), remedy=remedy
    )
