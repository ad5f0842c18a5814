"""What a process imports before it is of use, and the CPU time until it is."""

from __future__ import annotations

import pytest

from fresh_process import HANDLER, HELP, NOTHING, cpu_seconds, engine_cpu_seconds, imported
from grapeshot_worker.messages import Failed, Ready

ROUNDS = 5
# Heavy, and of no use so early: a name stands for everything below it.
NOT_FOR_HELP = (
    "asyncio",
    "boto3",
    "botocore",
    "docker",
    "httptools",
    "importlib.metadata",
    "lxml",
    "orjson",
    "requests",
    "rich",
    "yaml",
)
NOT_FOR_ENGINES = (
    "boto3",
    "botocore",
    "brotli",
    "faker",
    "importlib.metadata",
    "jmespath",
    "lxml",
    "publicsuffixlist",
    "yaml",
    "zstandard",
)
NOT_FOR_WORKERS = ("boto3", "s3transfer", "grapeshot_worker.traffic", "httptools", "lxml", "uvloop", "yaml")


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        pytest.param(HELP, NOT_FOR_HELP, id="grapeshot --help"),
        pytest.param(("-m", "grapeshot_launcher", "run-lambda", "--help"), NOT_FOR_HELP, id="a command's help"),
        pytest.param(("-c", "import grapeshot_worker.__main__"), NOT_FOR_ENGINES, id="an engine process"),
        pytest.param(HANDLER, NOT_FOR_WORKERS, id="a worker on AWS Lambda"),
    ],
)  # fmt: skip
def test_nothing_heavy_is_imported_early(arguments: tuple[str, ...], unwanted: tuple[str, ...]) -> None:
    """Whatever only some scripts, commands or moments need is imported when they come."""
    found = imported(*arguments)

    assert {name for name in found if any(f"{name}.".startswith(f"{one}.") for one in unwanted)} == set()
    assert len(found) > 100  # the list is one


def test_a_process_is_of_use_soon() -> None:
    """Help takes 0.15 s of CPU at most and an engine process 0.35 s, on a machine where a bare Python takes 15 ms."""
    bare, help_, engine = [], [], []
    for _ in range(ROUNDS):  # the best of several: other programs only ever add to it
        bare.append(cpu_seconds(*NOTHING))
        help_.append(cpu_seconds(*HELP))
        spent, said = engine_cpu_seconds()
        engine.append(spent)
        assert [type(message) for message in said][:1] == [Ready]
        assert not any(isinstance(message, Failed) for message in said)
    scale = max(min(bare) / 0.015, 1.0)

    assert min(help_) <= 0.15 * scale
    assert min(engine) <= 0.35 * scale
