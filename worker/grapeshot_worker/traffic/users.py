"""Who comes: the pick of a scenario by weight, and the variables a user starts with.

Leaves to others: reading CSV rows (script.payload), what a scenario does (steps).
"""

from __future__ import annotations

import bisect
import itertools
import os.path
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from grapeshot_worker.errors import Exit, GrapeshotError
from grapeshot_worker.script.model import Scenario, TestScript, directory_of
from grapeshot_worker.script.payload import Drawer
from grapeshot_worker.script.template import MISSING, to_text
from grapeshot_worker.traffic.steps import compile_scenario
from grapeshot_worker.traffic.user import Engine, StepFunction, User

_UUID_FIXED = 0xF000 << 64 | 0xC000 << 48  # the bits of a UUID that say its version and its variant
_UUID_VERSION = 0x4000 << 64 | 0x8000 << 48


class Newcomer(NamedTuple):
    """A user and what it will do."""

    user: User
    steps: StepFunction
    created_by_name: str


@dataclass(frozen=True, slots=True)
class _Role:
    scenario: Scenario
    steps: StepFunction
    created_by_name: str


def base_variables(script: TestScript, environ: Mapping[str, str]) -> dict[str, Any]:
    """Give the built-in variables, the same for every user of a process."""
    source = script.source
    environment = dict(environ)
    return {
        "$testId": source.test_id,
        "$processEnvironment": environment,
        "$env": environment,
        "target": script.target,
        "$dirname": directory_of(source.path, source.config_path),
        "$scenarioFile": os.path.abspath(source.path),
        **({"$environment": source.environment} if source.environment is not None else {}),
    }


def whole_weight(value: Any) -> int:
    """Read a weight as the reference does: the integer a text begins with; garbage and negatives are 0 (never).

    >>> whole_weight(0.5), whole_weight("3"), whole_weight("x")
    (0, 3, 0)
    """
    if value is MISSING or isinstance(value, bool):
        return 0
    try:
        return max(0, int(float(to_text(value))))
    except (ValueError, OverflowError):
        return 0


def random_uuid(rng: random.Random) -> str:
    """Write a random (version 4) identifier; uuid4() would cost a system call per user, UUID's wording twice the time.

    >>> import uuid
    >>> written = random_uuid(random.Random(1))
    >>> str(uuid.UUID(int=random.Random(1).getrandbits(128), version=4)) == written
    True
    """
    bits = rng.getrandbits(128) & ~_UUID_FIXED | _UUID_VERSION
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class Cast:
    """Makes the users of one engine process."""

    def __init__(self, engine: Engine, drawers: Sequence[Drawer]) -> None:
        self.engine = engine
        self._drawers = drawers
        self._rng: random.Random = engine.rng
        self._roles = [
            _Role(s, compile_scenario(s, engine), f"vusers.created_by_name.{s.metric_name}")
            for s in engine.script.scenarios
        ]
        self._pick: Callable[[], _Role] | None = None
        inline = engine.script.variables
        self._fixed = {name: value for name, value in inline.items() if not isinstance(value, list)}
        self._choices = [(name, value) for name, value in inline.items() if isinstance(value, list)]

    def welcome(self) -> Newcomer:
        """Make the next user: draw its data, pick its scenario."""
        variables = self.variables()
        if self._pick is None:
            self._pick = self._weigh(variables)
        role = self._pick()
        user = User(self.engine, variables["$uuid"], variables, role.scenario.document)
        return Newcomer(user, role.steps, role.created_by_name)

    def once(self, section: Scenario) -> Newcomer:
        """Make the user of a `before` or `after` section."""
        variables = self.variables()
        user = User(self.engine, variables["$uuid"], variables, section.document)
        return Newcomer(user, compile_scenario(section, self.engine), "")

    def variables(self) -> dict[str, Any]:
        """Give one user's variables; later wins: built-ins, what `before` captured, CSV, `config.variables`."""
        variables = dict(self.engine.base)
        variables["$uuid"] = random_uuid(self._rng)
        for drawer in self._drawers:
            variables.update(drawer.draw())
        variables.update(self._fixed)
        for name, values in self._choices:
            variables[name] = self._rng.choice(values) if values else MISSING
        return variables

    def _weigh(self, variables: dict[str, Any]) -> Callable[[], _Role]:
        # Weights are templates of the first user's data; they are read once, as the reference does.
        roles, rng = self._roles, self._rng
        if self.engine.script.source.scenario_name is not None:  # chosen by name: weights don't matter
            return lambda: roles[0]
        weights = list(itertools.accumulate(whole_weight(r.scenario.weight.render(variables)) for r in roles))
        total = weights[-1]
        if not total:
            raise GrapeshotError(
                "No scenario can ever run: all weights are 0.",
                remedy="Give at least one scenario a weight of 1 or more.",
                exit_code=Exit.WORKER,
            )
        return lambda: roles[bisect.bisect_right(weights, rng.random() * total)]
