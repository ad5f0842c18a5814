"""A run from Lambda before AWS: how many workers, how long they may take, and what is refused."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from signal import Signals
from typing import Any

import pytest

from grapeshot_launcher.cloud.tags import TagsRefused
from grapeshot_launcher.crew import Inbox, Signalled
from grapeshot_launcher.errors import Interrupted, SettingsRefused
from grapeshot_launcher.options import LambdaOptions, RunOptions
from grapeshot_launcher.prepare_lambda import LEAD, TAIL, Settled, limits_of, settle_run
from grapeshot_launcher.results.cost import Cost
from grapeshot_launcher.run_lambda import heeding
from grapeshot_launcher.sizing import size, user_weight
from grapeshot_launcher.views.lambda_ import bundle_table, cost_lines
from grapeshot_worker.errors import GrapeshotError, ScriptError
from virtual_time import run_virtually

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
SCRIPT = """
config:
  target: http://127.0.0.1:9
  phases: [{phase}]
scenarios:
  - flow: [{flow}]
"""
GET = "{get: {url: /}}"
OPTIONS = LambdaOptions(run=RunOptions(script="s.yml"))


def settled(
    tmp_path: Path, *, phase: str = "{duration: 10, arrivalRate: 10}", flow: str = GET, **flags: Any
) -> Settled:
    path = tmp_path / "script.yml"
    path.write_text(SCRIPT.replace("{phase}", phase).replace("{flow}", flow), encoding="utf-8")
    run = RunOptions(script=str(path), workers=flags.pop("workers", None), dotenv=flags.pop("dotenv", None))
    environ = {"ARTILLERY_TEST_RUN_ID": "t1", **flags.pop("environ", {})}
    return settle_run(LambdaOptions(run=run, **flags), environ=environ, now=NOON)


# ---- how many workers ----


@pytest.mark.parametrize(
    ("phase", "flow", "expected", "word"),
    [
        ("{duration: 10, arrivalRate: 10}", GET, 1, "10 users a second with 1 request each"),
        ("{duration: 10, arrivalRate: 650}", GET, 1, "650 users a second"),
        ("{duration: 10, arrivalRate: 651}", GET, 2, "651 users a second"),
        ("{duration: 10, arrivalRate: 1, rampTo: 5000}", GET, 8, "5000 users a second"),
        ("{duration: 10, arrivalRate: 650}", f"{GET}, {GET}, {GET}, {GET}", 2, "4 requests each, 606 of them"),
        ("{duration: 10, arrivalRate: 100}", f"{{loop: [{GET}], count: 100}}", 4, "3000 users at a time"),
        ("{duration: 60, arrivalRate: 100}", f"{GET}, {{think: 60}}", 8, "6030 users at a time"),
        ("{duration: 60, arrivalRate: 100, maxVusers: 1000}", f"{GET}, {{think: 60}}", 2, "1000 users at a time"),
        ("{duration: 60, arrivalCount: 3}", "{think: 6000}", 1, "0.05 users a second with 0 requests each"),
        ("{duration: 10, arrivalRate: 0}", GET, 1, "0 users a second"),
    ],
)  # fmt: skip
def test_workers_follow_from_the_plan(
    tmp_path: Path, phase: str, flow: str, expected: int, word: str
) -> None:
    """By the work of two vCPUs and the connections of one worker, whichever is more; the reason is said."""
    made = settled(tmp_path, phase=phase, flow=flow)

    assert (made.test.workers, made.test.copies) == (expected, False)
    assert word in made.why


def test_more_memory_means_fewer_workers(tmp_path: Path) -> None:
    """Six vCPUs do three times the work of two."""
    phase = "{duration: 10, arrivalRate: 1800}"

    assert settled(tmp_path, phase=phase).test.workers == 3
    assert settled(tmp_path, phase=phase, memory_size=10_240).test.workers == 1


def test_asked_for_workers_share_and_counted_ones_repeat(tmp_path: Path) -> None:
    """`--workers` divides the script's load, `--count` multiplies it; nothing is explained then."""
    shared, repeated = settled(tmp_path, workers=7), settled(tmp_path, count=7)

    assert (shared.test.workers, shared.test.copies, shared.why) == (7, False, "")
    assert (repeated.test.workers, repeated.test.copies, repeated.why) == (7, True, "")
    assert sum(shared.test.planned().values()) == 100
    assert repeated.test.planned() == dict.fromkeys(range(7), 100)


def test_copies_are_not_each_other_s_echo(tmp_path: Path) -> None:
    """Random arrivals differ from copy to copy, and the first copy is the run without copies."""
    made = settled(tmp_path, count=20, phase="{duration: 100, arrivalRate: 10, mode: poisson}")
    alone = settled(tmp_path, phase="{duration: 100, arrivalRate: 10, mode: poisson}")

    planned = made.test.planned()
    assert len(set(planned.values())) > 5
    assert planned[0] == sum(alone.test.planned().values())


def test_scenarios_count_by_their_weights(tmp_path: Path) -> None:
    """A rare heavy one weighs little."""
    script = settled(tmp_path, flow=f"{GET}, {GET}").test.script
    rare = replace(script.scenarios[0], steps=script.scenarios[0].steps * 50)

    requests, seconds = user_weight([script.scenarios[0], rare])

    assert (requests, round(seconds, 3)) == (51.0, 15.3)
    assert size(script, settled(tmp_path).test.plan, processes=1).workers == 1


# ---- limits ----


@pytest.mark.parametrize(
    ("timeout", "seconds", "subnets", "ready"),
    [
        (900, 10.0, (), 120.0),
        (900, 10.0, ("subnet-1",), 240.0),
        (900, 840.0, (), 36.0),
        (300, 200.0, ("subnet-1",), 76.0),
        (60, 0.0, (), 36.0),
    ],
)
def test_getting_ready_leaves_time_for_the_load(
    timeout: int, seconds: float, subnets: tuple[str, ...], ready: float
) -> None:
    """Two minutes, four in a VPC, or what the load leaves of the worker's time."""
    assert limits_of(replace(OPTIONS, timeout=timeout, subnet_ids=subnets), seconds).ready == ready


@pytest.mark.parametrize(
    ("timeout", "duration", "windows"), [(900, 840, 1), (900, 841, 2), (900, 86400, 126)]
)
def test_a_load_that_outlives_its_workers_is_cut_into_windows(
    tmp_path: Path, timeout: int, duration: int, windows: int
) -> None:
    """Each generation of workers makes one; each has time to get ready before it and for its users behind it."""
    test = settled(tmp_path, phase=f"{{duration: {duration}, arrivalRate: 1}}", timeout=timeout).test
    longest = max((w.end - w.start for w in test.windows[:-1]), default=0.0)

    assert len(test.windows) == windows
    assert longest + LEAD + TAIL <= timeout
    assert sum(sum(test.planned(window).values()) for window in test.windows) == test.users == duration


@pytest.mark.parametrize(("timeout", "duration"), [(60, 1), (299, 240)])
def test_a_load_that_outlives_workers_of_a_short_life_is_refused(
    tmp_path: Path, timeout: int, duration: int
) -> None:
    """With the longest one that fits."""
    with pytest.raises(SettingsRefused) as caught:
        settled(tmp_path, phase=f"{{duration: {duration}, arrivalRate: 1}}", timeout=timeout)

    assert f"{duration} s" in caught.value.message
    assert f"{timeout - 60} s" in caught.value.remedy


# ---- refused before AWS ----


@pytest.mark.parametrize(
    ("flags", "kind"),
    [
        ({"aws_tags": "no colon"}, TagsRefused),
        ({"regions": ("Frankfurt",)}, SettingsRefused),
        ({"regions": ("eu-west-1", "Frankfurt")}, SettingsRefused),
        ({"regions": ("eu-west-1", "cn-north-1")}, SettingsRefused),
        ({"regions": ("eu-west-1", "us-east-1"), "workers": 1}, SettingsRefused),
        ({"regions": ("eu-west-1", "us-east-1"), "phase": "{duration: 1, arrivalCount: 1}"}, SettingsRefused),
        (
            {
                "regions": ("eu-west-1", "us-east-1"),
                "subnet_ids": ("subnet-1",),
                "security_group_ids": ("sg-1",),
            },
            SettingsRefused,
        ),
        ({"prefix": "Not a bucket"}, SettingsRefused),
        ({"flow": "{post: {url: /, formData: {f: {fromFile: gone.png}}}}"}, ScriptError),
        ({"flow": "{gett: {url: /}}", "phase": "{duration: x}"}, ScriptError),
    ],
)
def test_what_can_be_known_is_told_before_aws(
    tmp_path: Path, flags: dict[str, Any], kind: type[GrapeshotError]
) -> None:
    """No credentials are needed to hear of it."""
    with pytest.raises(kind):
        settled(tmp_path, **flags)


def test_dotenv_goes_along_below_what_is_set(tmp_path: Path) -> None:
    """Only the file's names do: the rest of this machine's environment stays here."""
    import io
    import json
    import tarfile

    (tmp_path / "vars.env").write_text("A=file\nB=file\n", encoding="utf-8")

    made = settled(tmp_path, dotenv=str(tmp_path / "vars.env"), environ={"B": "set", "SECRET": "x"})

    with tarfile.open(fileobj=io.BytesIO(made.bundle.archive)) as archive:
        content = archive.extractfile("environment.json")
        assert content is not None
        assert json.load(content) == {"A": "file", "B": "set"}


# ---- waiting ----


def test_a_signal_undoes_what_is_under_way() -> None:
    """The work is cancelled, seen to its end, and the exit code is the signal's."""
    undone: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(1)
            undone.append("queue")

    async def main() -> None:
        inbox: Inbox = asyncio.Queue()
        asyncio.get_running_loop().call_later(5, inbox.put_nowait, Signalled(Signals.SIGTERM))
        await heeding(inbox, work())

    with pytest.raises(Interrupted) as caught:
        run_virtually(main())

    assert undone == ["queue"]
    assert caught.value.exit_code == 143


def test_work_that_is_done_leaves_the_inbox_alone() -> None:
    """A signal that comes after it is there for the next one who waits."""

    async def work() -> str:
        return "done"

    async def main() -> tuple[str, int]:
        inbox: Inbox = asyncio.Queue()
        result = await heeding(inbox, work())
        inbox.put_nowait(Signalled(Signals.SIGINT))
        await asyncio.sleep(0)
        return result, inbox.qsize()

    assert run_virtually(main()) == ("done", 1)


def test_failing_work_raises_its_own_error() -> None:
    """Not that of the wait."""

    async def work() -> None:
        raise GrapeshotError("no bucket")

    async def main() -> None:
        await heeding(asyncio.Queue(), work())

    with pytest.raises(GrapeshotError, match="no bucket"):
        run_virtually(main())


# ---- what is shown ----


def test_the_bundle_is_listed_like_the_reference_does() -> None:
    """Names and types; of many the first ones, and how many more."""
    table = bundle_table(["a.yml", "data/users.csv"], ["requests==2.3"])
    long = bundle_table([f"{n}.csv" for n in range(100)], [])

    assert table.splitlines() == [
        "Test bundle contents:",
        "  Name            Type",
        "  a.yml           file",
        "  data/users.csv  file",
        "  requests==2.3   package",
    ]
    assert long.splitlines()[-1] == "  … and 60 more"


def test_the_cost_is_told_in_the_reference_s_words() -> None:
    """With four decimals; who was not measured is told, and that nothing was paid on an emulated AWS."""
    plain = Cost(by_region={"us-east-1": 0.204, "eu-west-1": 0.1}, workers=3, assumed=0)

    assert cost_lines(plain, emulated=False) == "Estimated AWS Lambda cost for this test: $0.3040"
    lines = cost_lines(replace(plain, assumed=2), emulated=True).splitlines()
    assert "would cost" in lines[1]
    assert "2 of 3 invocations did not tell" in lines[2]


# ---- what it may cost ----


def test_a_run_that_is_expected_to_cost_too_much_is_refused(tmp_path: Path) -> None:
    """Before its archive is made; one that costs as much as is allowed is not."""
    phase = "{duration: 600, arrivalRate: 10}"
    expected = settled(tmp_path, phase=phase, workers=50).estimate.expected

    assert settled(tmp_path, phase=phase, workers=50, max_cost=expected).estimate.expected == expected
    with pytest.raises(SettingsRefused, match=r"expected to cost \$1\.\d+; --max-cost allows \$1") as caught:
        settled(tmp_path, phase=phase, workers=50, max_cost=1.0, flow="{get: {url: /}}, {get: {url: /}}")
    assert "50 workers of 4096 MB, for phases of 600 s" in caught.value.cause
    assert "--workers" in caught.value.remedy


def test_each_region_has_a_worker_and_its_own_prices(tmp_path: Path) -> None:
    """However little the script asks for; a share of the cost is that region's."""
    pair = ("us-east-1", "af-south-1")
    alone = settled(tmp_path, regions=("us-east-1",), workers=1)
    both = settled(tmp_path, regions=pair)

    assert (both.test.workers, both.test.regions) == (2, pair)
    assert "2 regions" in both.why
    assert both.estimate.expected > 2 * alone.estimate.expected
    assert settled(tmp_path, regions=pair, workers=5).test.workers == 5


@pytest.mark.parametrize(
    ("allowed", "told"), [(0.000001, r"\$0\.000001"), (0.00002, r"\$0\.00002"), (0.0, r"\$0")]
)
def test_an_allowed_cost_is_told_as_money(tmp_path: Path, allowed: float, told: str) -> None:
    """A tiny one without an exponent, and what the run costs not as nothing."""
    with pytest.raises(SettingsRefused, match=rf"cost \$0\.0*[1-9]\d*; --max-cost allows {told}\.$"):
        settled(tmp_path, max_cost=allowed)


def test_the_expected_cost_knows_the_sections_around_the_load(tmp_path: Path) -> None:
    """Each of them is a worker of its own."""
    alone = settled(tmp_path).estimate.expected
    (tmp_path / "more").mkdir()
    path = tmp_path / "more" / "script.yml"
    path.write_text(
        (tmp_path / "script.yml").read_text("utf-8") + "before: {flow: [{get: {url: /}}]}\n", "utf-8"
    )
    options = LambdaOptions(run=RunOptions(script=str(path)))

    assert settle_run(options, environ={}, now=NOON).estimate.expected > alone
