"""The inputs of the Action: read from the environment, held against each other, made into a command line of ours.

Leaves to others: what the flags of the command mean (options), and doing it (action).

`action.yml` hands every input over as `INPUT_NAME`; one that was not given is empty. An input that shapes the run
becomes the flag of the same name, so that there is one place that says what is valid. `command` is the line of the
action people use today: it says everything about the run itself, so those inputs can't stand beside it.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from grapeshot_launcher.cloud.oidc import AUDIENCE, DEFAULT, LONGEST, SHORTEST, Login
from grapeshot_launcher.errors import SettingsRefused
from grapeshot_launcher.options import Asked, LambdaOptions, RunOptions

# Inputs that become the flag of the same name, with its value.
VALUED: Final = (
    "region", "workers", "count", "environment", "target", "variables", "overrides", "dotenv", "memory-size",
    "architecture", "image", "repository", "subnet-ids", "security-group-ids", "aws-tags", "max-cost",
)  # fmt: skip
OTHERS: Final = (
    "script", "command", "working-directory", "role-to-assume", "role-session-name", "role-duration", "audience",
    "mask-aws-account-id", "insecure", "thresholds", "baseline", "fail-on", "report-dir", "summary", "comment-pr",
    "emulate",
)  # fmt: skip
NAMES: Final = (*VALUED, *OTHERS)
FAILURES: Final = ("fail", "invalid", "regression")
TRUTHS: Final = {"true": True, "false": False}


@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    """What the step asks for. `arguments` are those of `grapeshot`; the region of `login` is the run's."""

    arguments: tuple[str, ...]
    working_directory: str | None
    login: Login | None  # without one, the credentials that an earlier step left are used
    thresholds: tuple[str, ...]
    baseline: str | None
    fail_on: frozenset[str]
    report_dir: str | None
    summary: bool
    comment: bool


def read_inputs(environ: Mapping[str, str]) -> Inputs:
    """Read the inputs; SettingsRefused names everything that is wrong with them."""
    reading = _Reading(environ)
    inputs = Inputs(
        arguments=tuple(reading.arguments()),
        working_directory=reading.text("working-directory"),
        login=reading.login(),
        thresholds=reading.lines("thresholds"),
        baseline=reading.text("baseline"),
        fail_on=reading.words("fail-on", FAILURES),
        report_dir=reading.text("report-dir"),
        summary=reading.switch("summary", default=True),
        comment=reading.switch("comment-pr"),
    )
    if reading.problems:
        raise SettingsRefused(
            "\n".join(reading.problems), remedy="Change the `with:` of the step; the README lists all inputs."
        )
    return inputs


def variable(name: str) -> str:
    """Give the environment variable that brings an input.

    >>> variable("role-to-assume")
    'INPUT_ROLE_TO_ASSUME'
    """
    return "INPUT_" + name.upper().replace("-", "_")


def settled(asked: Asked | None, inputs: Inputs) -> RunOptions | LambdaOptions:
    """Refuse a `command` that runs no test: SettingsRefused."""
    if isinstance(asked, LambdaOptions | RunOptions):
        return asked
    raise SettingsRefused(
        f"`command: {shlex.join(inputs.arguments)}` runs no test.",
        remedy="Use `run`, `run-lambda` or `check`; for anything else call `grapeshot` in a step of its own.",
    )


class _Reading:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def text(self, name: str) -> str | None:
        """Give an input, None where it was not given."""
        return self._environ.get(variable(name), "").strip() or None

    def lines(self, name: str) -> tuple[str, ...]:
        return tuple(line.strip() for line in (self.text(name) or "").splitlines() if line.strip())

    def switch(self, name: str, *, default: bool = False) -> bool:
        written = self.text(name)
        if written is None:
            return default
        return self._one_of(name, written.lower(), TRUTHS, default)

    def seconds(self, name: str, least: int, most: int, *, default: int) -> int:
        written = self.text(name)
        if written is None:
            return default
        if not written.isascii() or not written.isdigit() or not least <= int(written) <= most:
            self.problems.append(f"{name}: {written} is not a number of seconds from {least} to {most}.")
            return default
        return int(written)

    def login(self) -> Login | None:
        """Read how to log in; whatever is given is checked, with or without a role."""
        login = Login(
            role=self.text("role-to-assume") or "",
            region="",
            audience=self.text("audience") or AUDIENCE,
            session_name=self.text("role-session-name") or "",
            duration=self.seconds("role-duration", SHORTEST, LONGEST, default=DEFAULT),
            mask_account=self.switch("mask-aws-account-id"),
        )
        return login if login.role else None

    def words(self, name: str, known: tuple[str, ...]) -> frozenset[str]:
        """Read a comma-separated choice of known words; all of them where none is given, none for `never`."""
        written = self.text(name)
        if written is None:
            return frozenset(known)
        words = {word.strip().lower() for word in written.split(",") if word.strip()}
        if words == {"never"}:
            return frozenset()
        for word in sorted(words - {*known}):
            self.problems.append(f"{name}: {word} is none of {', '.join(known)}; or it is `never`, alone.")
        return frozenset(words)

    def arguments(self) -> list[str]:
        """Make the command line: of `command`, or of the inputs that shape a run."""
        script, command = self.text("script"), self.text("command")
        if script and command:
            self.problems.append("script and command exclude each other: the command names its own script.")
        elif command:
            return self._of_command(command)
        elif script:
            return self._of_script(script)
        else:
            self.problems.append("script is missing: the path of the test script in the repository.")
        return []

    def _of_command(self, command: str) -> list[str]:
        for name in (*VALUED, "insecure", "emulate"):
            if self.text(name) not in (None, "false"):
                self.problems.append(f"{name} can't stand beside command: write --{name} into the command.")
        try:
            words = shlex.split(command.replace("\\\n", " "))  # a line continued, as in a shell
        except ValueError as error:
            self.problems.append(f"command: {command} can't be split into words: {error}.")
            return []
        if words[:1] in (["artillery"], ["grapeshot"]):
            words = words[1:]
        return words

    def _of_script(self, script: str) -> list[str]:
        words = ["run-lambda"]
        emulated = self.switch("emulate")
        for name in VALUED:
            value = self.text(name)
            if name == "region" and value is None and not emulated:
                value = self._environ.get("AWS_REGION") or self._environ.get("AWS_DEFAULT_REGION")
                if value is None:
                    self.problems.append("region is missing: the AWS region that the load comes from.")
            if value is not None:
                words.append(f"--{name}={value}")
        words += ["--insecure"] if self.switch("insecure") else []
        # In a workflow nobody is there to publish the image beforehand.
        words += ["--emulate"] if emulated else [] if self.text("image") else ["--publish"]
        return [*words, "--", script]

    def _one_of(self, name: str, written: str, known: Mapping[str, bool], default: bool) -> bool:
        if written not in known:
            self.problems.append(f"{name}: {written} is neither true nor false.")
        return known.get(written, default)
