"""The whole conversation of a worker with the launcher, as typed JSON (pure).

Leaves to others: carrying it (processes by pipes, the workers' queue) and acting on it (the launcher's
results, the engine).

One JSON object per message, key "type" first. Engine processes write one message per line to their message
pipe; control records come the other way, one per line, on standard input. The codec is driven by the types
below: each field's annotation names its reader in `_READERS`, so a new field needs no code, and a field with
a default may be missing from a line (an older worker still speaks to a newer launcher). Lossless but for what
JSON has no word for: in `variables`, NaN becomes null and a key that is no text becomes text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Final, Literal, get_type_hints

import orjson

from grapeshot_worker.metrics.period import Period


@dataclass(frozen=True, kw_only=True, slots=True)
class Tally:
    """A worker's part of the books, in users. planned = started + skipped + unstarted at the end."""

    planned: int = 0
    started: int = 0
    skipped: int = 0  # dropped by maxVusers
    unstarted: int = 0  # dropped because the run was stopped before their moment
    completed: int = 0
    failed: int = 0
    cut: int = 0  # started, but ended by the stop
    active: int = 0

    def __add__(self, other: Tally) -> Tally:
        """Add up the books of two workers."""
        return Tally(
            **{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)}
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """How a worker fared: what the verdict `invalid` is judged on."""

    pid: int = 0
    cpu: float = 0.0  # share of one core used while load was made, 0..1
    busiest_cpu: float = 0.0  # the highest share of one core over any full 5 s, 0..1
    lag_p99: float = 0.0  # ms, of every arrival against its plan
    lag_max: float = 0.0  # ms
    peak_memory: int = 0  # bytes
    open_files_limit: int = 0
    out_of_files: int = 0  # connections that failed with EMFILE/ENFILE
    billed_ms: float = 0.0  # that AWS Lambda charges for, up to the last message; 0 elsewhere
    python: str = ""
    version: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ready:
    """The script is compiled, hooks are imported, the worker waits for its start."""

    run_id: str
    generation: int
    index: int
    sequence: int
    planned: int
    sent_at: float = 0.0  # epoch seconds by the worker's clock, when it was given to a queue; 0: it was not


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """What was measured since the last message: one Period per window touched (deltas; merge them)."""

    run_id: str
    generation: int
    index: int
    sequence: int
    periods: tuple[Period, ...]
    tally: Tally
    at: float  # wall-clock epoch seconds: nothing before it will come later
    sent_at: float = 0.0  # as in Ready


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """The last message: the remaining periods, the books, the facts; of a `before` part, the variables."""

    run_id: str
    generation: int
    index: int
    sequence: int
    periods: tuple[Period, ...]
    tally: Tally
    facts: Facts
    variables: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """A worker that can't go on, in words for a person."""

    run_id: str
    generation: int
    index: int
    sequence: int
    message: str
    cause: str = ""
    remedy: str = ""
    exit_code: int = 11


Message = Ready | Progress | Finished | Failed


@dataclass(frozen=True, kw_only=True, slots=True)
class Go:
    """Start at this wall-clock moment (epoch seconds)."""

    start_at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Stop:
    """End the load: no new request; users under way get `drain` seconds."""

    reason: Literal["interrupted", "terminated", "asked"] = "asked"
    drain: float = 0.0


Control = Go | Stop


def encode(message: Message | Control) -> bytes:
    """Give one line of JSON, newline included; ValueError when `variables` holds what JSON can't."""
    record = {"type": _NAMES[type(message)]} | _plain(message)
    try:
        return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        # Half a surrogate pair in a text (a broken URL in a metric's name), or an integer past 64 bits, which
        # `decode` reads as a float.
        try:
            return json.dumps(record).encode("ascii") + b"\n"
        except (TypeError, ValueError) as fault:
            raise ValueError(f"a message can't be sent as JSON: {fault}") from None


def decode(line: bytes) -> Message | Control:
    """Read one line back; ValueError for anything else."""
    record = _parsed(line)
    if type(record) is not dict:
        raise ValueError(f"not a message: {_shown(line)}")
    name = record.get("type")
    kind = _KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ValueError(f"unknown type of message {name!r}; known: {', '.join(_KINDS)}")
    message: Message | Control = _built(kind, record, str(name))
    return message


_KINDS: Final[dict[str, type[Message | Control]]] = {
    "ready": Ready,
    "progress": Progress,
    "finished": Finished,
    "failed": Failed,
    "go": Go,
    "stop": Stop,
}
_NAMES: Final = {kind: name for name, kind in _KINDS.items()}


def _plain(record: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for each in fields(record):
        value = getattr(record, each.name)
        if isinstance(value, (Tally, Facts)):
            value = _plain(value)
        elif each.name == "periods":
            value = [period.to_json() for period in value]
        plain[each.name] = value
    return plain


def _parsed(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except ValueError:
        try:
            return json.loads(line)  # reads half a surrogate pair, which orjson refuses
        except ValueError:
            raise ValueError(f"not a message, not even JSON: {_shown(line)}") from None


def _shown(line: bytes) -> str:
    return repr(line[:80]) + ("…" if len(line) > 80 else "")


def _built(kind: type[Any], record: Any, name: str) -> Any:
    if type(record) is not dict:
        raise ValueError(f"message '{name}' must be an object, not {record!r:.80}")
    values: dict[str, Any] = {}
    for key, read, required in _SHAPES[kind]:
        if key in record:
            values[key] = read(record[key], f"{name}.{key}")
        elif required:
            raise ValueError(f"message '{name}' lacks '{key}'")
    unknown = [key for key in record if key not in values and key != "type"]
    if unknown:
        raise ValueError(f"message '{name}' has unknown keys: {', '.join(map(repr, unknown))}")
    return kind(**values)


def _text(value: Any, name: str) -> str:
    if type(value) is not str:
        raise ValueError(f"'{name}' must be text, not {value!r:.80}")
    return value


def _integer(value: Any, name: str) -> int:
    if type(value) is not int:
        raise ValueError(f"'{name}' must be a whole number, not {value!r:.80}")
    return value


def _number(value: Any, name: str) -> float:
    if type(value) is not float and type(value) is not int:
        raise ValueError(f"'{name}' must be a number, not {value!r:.80}")
    return float(value)


def _periods(value: Any, name: str) -> tuple[Period, ...]:
    if type(value) is not list:
        raise ValueError(f"'{name}' must be a list, not {value!r:.80}")
    return tuple(Period.from_json(each) for each in value)


def _variables(value: Any, name: str) -> dict[str, Any]:
    if type(value) is not dict:
        raise ValueError(f"'{name}' must be an object, not {value!r:.80}")
    return value


def _reason(value: Any, name: str) -> str:
    if value not in ("interrupted", "terminated", "asked"):
        raise ValueError(f"'{name}' must be interrupted, terminated or asked, not {value!r:.80}")
    return str(value)


_READERS: Final[Mapping[Any, Callable[[Any, str], Any]]] = {
    str: _text,
    int: _integer,
    float: _number,
    tuple[Period, ...]: _periods,
    dict[str, Any]: _variables,
    Literal["interrupted", "terminated", "asked"]: _reason,
    Tally: lambda value, name: _built(Tally, value, name),
    Facts: lambda value, name: _built(Facts, value, name),
}


def _shape(kind: type[Any]) -> tuple[tuple[str, Callable[[Any, str], Any], bool], ...]:
    types = get_type_hints(kind)
    return tuple(
        (each.name, _READERS[types[each.name]], each.default is MISSING and each.default_factory is MISSING)
        for each in fields(kind)
    )


_SHAPES: Final = {kind: _shape(kind) for kind in (Tally, Facts, *_KINDS.values())}
