"""Lambda as a platform, over a cloud in memory: whole runs, and everything that a queue and workers can do to them."""

from __future__ import annotations

import asyncio
import io
import json
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from signal import Signals
from typing import Any

import pytest

from cloud_on_paper import BILLED, START, PaperCloud, Part, expired, passing
from grapeshot_launcher.crew import Crew, Inbox, Said, Signalled
from grapeshot_launcher.errors import Interrupted, WorkerFailed
from grapeshot_launcher.options import RunOptions
from grapeshot_launcher.platforms import Limits
from grapeshot_launcher.platforms.lambda_ import TROUBLE_LIMIT, Ground, Lambda
from grapeshot_launcher.platforms.lambda_worker import LambdaWorker
from grapeshot_launcher.prepare import Test, prepare
from grapeshot_launcher.results.collect import WorkerId
from grapeshot_launcher.results.cost import WorkerTime
from grapeshot_launcher.run import Stage, tell
from grapeshot_launcher.screen import Screen
from grapeshot_launcher.signals import heeding_elsewhere
from grapeshot_worker.errors import CloudError
from grapeshot_worker.invocation import LEASE_LIMIT, Invocation, stop_key
from grapeshot_worker.messages import Failed, Finished, Message, Progress, Ready, Tally
from grapeshot_worker.plan import Assignment, Share, Window
from virtual_time import run_virtually

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
SCRIPT = """
config:
  target: http://127.0.0.1:9
  phases: [{duration: 5, arrivalCount: 20}]
scenarios:
  - flow:
      - get: {url: /}
"""
BEFORE = "before: {flow: [{get: {url: /login}}]}\n"
AFTER = "after: {flow: [{get: {url: /logout}}]}\n"
LIMITS = Limits(ready=120.0, silence=60.0, stop=15.0, start_delay=4.0, late_cause="Why late.")


@dataclass
class Told:
    code: int
    out: str
    err: str
    cloud: PaperCloud
    report: dict[str, Any]
    seconds: float
    times: list[WorkerTime]  # charged for, in the order of the invocations
    left_running: int  # tasks of ours after the end


def test_of(tmp_path: Path, *, workers: int, copies: bool, script: str) -> Test:
    path = tmp_path / "script.yml"
    path.write_text(script, encoding="utf-8")
    options = RunOptions(script=str(path), output=str(tmp_path / "report.json"))
    test = prepare(options, environ={"ARTILLERY_TEST_RUN_ID": "t1"}, now=NOON, cpus=1)
    return replace(test, workers=workers, copies=copies)


test_of.__test__ = False  # type: ignore[attr-defined]


def run(
    tmp_path: Path,
    cloud: PaperCloud | None = None,
    *,
    workers: int = 2,
    copies: bool = False,
    script: str = SCRIPT,
    signals: Mapping[float, Signals] | None = None,
    letters: Mapping[float, str] | None = None,
    asked: float | None = None,
    timeout: float = 900.0,
    windows: tuple[Window, ...] = (Window(),),
    limits: Limits = LIMITS,
    clock: Callable[[], float] | None = None,
    quiet: bool = False,
) -> Told:
    """Tell a run on virtual time; `signals` and `letters` of others come at seconds from its beginning.

    So does the word of another machine, `asked`, that it should stop. `clock` is the launcher's, by default AWS's.
    """
    test = replace(test_of(tmp_path, workers=workers, copies=copies, script=script), windows=windows)
    out, err = io.StringIO(), io.StringIO()

    async def main() -> tuple[int, PaperCloud, float, list[WorkerTime], int]:
        paper = cloud or PaperCloud()
        paper.__post_init__()  # its queue belongs to this loop
        if (
            paper.users(
                Invocation(run_id="", index=0, count=1, region="", bucket="", queue_url="", bundle_digest="")
            )
            == 10
        ):
            planned = [test.planned(window) for window in windows]
            paper.users = lambda i: planned[i.generation][i.index] if i.part == "load" else 0
        loop = asyncio.get_running_loop()
        inbox: Inbox = asyncio.Queue()
        for seconds, signal in (signals or {}).items():
            loop.call_later(seconds, inbox.put_nowait, Signalled(signal))
        for seconds, letter in (letters or {}).items():
            loop.call_later(seconds, paper.put, letter)
        if asked is not None:
            loop.call_later(asked, paper.objects.setdefault, stop_key("t1"), b"{}")

        async def asked_elsewhere() -> bool:
            return asked is not None and await paper.get(stop_key("t1")) is not None

        ground = Ground(
            run_id="t1",
            region="eu-west-1",
            bucket="b",
            queue_url="q",
            bundle_digest="0" * 64,
            workers=workers,
            processes=2,
            timeout=timeout,
            limits=limits,
        )
        before = asyncio.all_tasks()
        try:
            async with heeding_elsewhere(inbox, asked_elsewhere), Lambda(paper, ground) as platform:
                code = await tell(
                    test, Stage(platform, Screen(out, err, quiet=quiet), inbox, clock or paper.clock)
                )
                times = platform.times()
        finally:
            seconds = loop.time() - 1000.0
            paper.close()
            await asyncio.sleep(0)
        return code, paper, seconds, times, len(asyncio.all_tasks() - before)

    code, paper, seconds, times, running = run_virtually(main())
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    return Told(code, out.getvalue(), err.getvalue(), paper, report, seconds, times, running)


def created(told: Told) -> int:
    return int(told.report["aggregate"]["counters"]["vusers.created"])


def lost(*lost: type[Message]) -> Any:
    return lambda message: [] if isinstance(message, lost) and message.index == 0 else [0.0]


# ---- a good run ----


def test_a_good_run_passes(tmp_path: Path) -> None:
    """Every planned user is counted once; the start is told, and lies ahead by the delay."""
    told = run(tmp_path)

    assert told.code == 0, told.err
    assert created(told) == 20
    assert "2 workers ready; the load starts in 4 s." in told.out
    assert "Virtual users: 20 planned = 20 started" in told.out
    assert told.left_running == 0


def test_the_record_says_wait_then_go_with_one_start(tmp_path: Path) -> None:
    """It is written once for all workers, and once more for nobody."""
    told = run(tmp_path, workers=5)

    assert [record.state for _, record in told.cloud.records] == ["wait", "go"]
    at, go = told.cloud.records[1]
    assert go.start_at is not None
    assert go.start_at - START - at == pytest.approx(4.0, abs=0.1)


def test_the_lease_is_renewed_while_the_run_lasts(tmp_path: Path) -> None:
    """Every ten seconds, from the first worker to the end."""
    told = run(tmp_path, PaperCloud(part=lambda _: Part(lasts=50.0)))

    renewals = told.cloud.renewals
    assert [b - a for a, b in pairwise(renewals)] == pytest.approx([10.0] * (len(renewals) - 1))
    assert len(renewals) == 5


def test_workers_get_shares_or_copies(tmp_path: Path) -> None:
    """Shares divide the load; copies make it as often as there are workers, each with other chances."""
    shared, copied = run(tmp_path, workers=3), run(tmp_path, workers=3, copies=True)

    assert sorted(i.share.index for i in shared.cloud.invocations) == [0, 1, 2]
    assert {i.share for i in copied.cloud.invocations} == {Share(0, 1)}
    assert sorted(i.copy for i in copied.cloud.invocations if i.copy is not None) == [0, 1, 2]
    assert (created(shared), created(copied)) == (20, 60)
    assert "Virtual users: 60 planned = 60 started" in copied.out
    assert "from each of 3 workers" in copied.out


def test_many_workers_are_invoked_together_but_not_all_at_once(tmp_path: Path) -> None:
    """At most 32 calls are under way; pollers grow with the workers, messages come less often."""
    told = run(tmp_path, workers=500, script=SCRIPT.replace("20}", "1000}"))

    assert told.cloud.most_invoking == 32
    assert told.cloud.most_receiving == 16
    assert {i.flush_interval for i in told.cloud.invocations} == {5.0}
    assert created(told) == 1000


def test_before_and_after_are_invocations_of_their_own(tmp_path: Path) -> None:
    """Each with its generation, so that no late word of one is taken for the other's; variables go on."""
    told = run(tmp_path, script=SCRIPT + BEFORE + AFTER)

    assert [(i.part, i.generation, i.count) for i in told.cloud.invocations] == [
        ("before", -1, 1),
        ("load", 0, 2),
        ("load", 0, 2),
        ("after", -2, 1),
    ]
    assert [i.variables for i in told.cloud.invocations] == [{}] + [{"token": "t"}] * 3
    assert [record.state for _, record in told.cloud.records] == ["wait", "go"] * 3
    assert told.code == 0, told.out[-300:] + told.err


# ---- the queue ----


def test_messages_may_come_twice(tmp_path: Path) -> None:
    """Also after the end of the worker."""
    told = run(tmp_path, PaperCloud(queue=lambda m: [0.0, 0.5, 30.0]))

    assert (told.code, created(told)) == (0, 20)


def test_messages_may_come_in_any_order(tmp_path: Path) -> None:
    """The last one first: the others are awaited, and counted."""

    def late(message: Message) -> Sequence[float]:
        return [5.0 / message.sequence if isinstance(message, Progress) else 0.0]

    told = run(tmp_path, PaperCloud(queue=late))

    assert (told.code, created(told)) == (0, 20)
    assert told.cloud.asked == []


@pytest.mark.parametrize("missing", [(Progress,), (Finished,), (Progress, Finished)])
def test_lost_messages_are_made_good_from_the_totals(
    tmp_path: Path, missing: tuple[type[Message], ...]
) -> None:
    """Every user is counted once, and the verdict stands; it takes a few seconds longer."""
    told = run(tmp_path, PaperCloud(queue=lost(*missing)))

    assert (told.code, created(told)) == (0, 20), told.err
    assert told.seconds < 60


def test_a_lost_message_without_totals_is_said(tmp_path: Path) -> None:
    """What came is reported; the verdict is invalid and says how much is missing."""
    told = run(tmp_path, PaperCloud(queue=lost(Progress), part=lambda i: Part(keeps_totals=i.index != 0)))

    assert told.code == 4
    assert "3 message(s) never arrived" in told.out
    assert created(told) == 17


def test_a_lost_end_of_before_is_found(tmp_path: Path) -> None:
    """Its variables are in the bucket."""

    def queue(message: Message) -> Sequence[float]:
        return [] if message.generation == -1 and isinstance(message, Finished) else [0.0]

    told = run(tmp_path, PaperCloud(queue=queue), script=SCRIPT + BEFORE)

    assert told.code == 0
    assert {json.dumps(i.variables) for i in told.cloud.invocations if i.part == "load"} == {'{"token": "t"}'}


def test_words_of_others_do_no_harm(tmp_path: Path) -> None:
    """Garbage, and messages of another run or of unknown workers, are removed and forgotten."""
    told = run(tmp_path, letters={1.0: "garbage", 2.0: "1AAAA", 3.0: ""})

    assert (told.code, created(told)) == (0, 20)
    assert told.cloud.discarded >= 3


# ---- the workers ----


def test_a_worker_that_never_gets_ready_ends_the_run(tmp_path: Path) -> None:
    """After two minutes, by name, with the likely cause; the others are told to stop."""
    cloud = PaperCloud(part=lambda i: Part(ready_after=None if i.index == 1 else 1.0))

    with pytest.raises(WorkerFailed, match="After 120 s these workers were not ready: 2 of 2") as caught:
        run(tmp_path, cloud)

    assert caught.value.cause == "Why late."
    assert cloud.record.state == "stop"


def test_a_worker_that_can_t_reach_the_queue_leaves_the_reason_in_the_bucket(tmp_path: Path) -> None:
    """It is looked for there before the start already: the likely cause would be a guess."""
    cloud = PaperCloud(part=lambda i: Part(mute_after=31.0 if i.index == 1 else None))

    with pytest.raises(WorkerFailed, match="Its memory ran out"):
        run(tmp_path, cloud)

    assert cloud.records[-1][0] < 60
    assert cloud.record.state == "stop"


def test_a_worker_that_dies_is_lost_and_named(tmp_path: Path) -> None:
    """The run ends in time with the others' numbers; nothing of it is hidden."""
    cloud = PaperCloud(part=lambda i: Part(lasts=30.0, dies_after=6.0 if i.index == 1 else None))

    told = run(tmp_path, cloud)

    assert told.code == 4
    assert "Worker 2 said nothing for 60 s" in told.err
    assert "lost with worker 2" in told.out
    assert told.seconds < 110
    assert cloud.record.state == "stop"


def test_a_worker_that_fails_says_why(tmp_path: Path) -> None:
    """The load of the others goes on."""
    told = run(tmp_path, PaperCloud(part=lambda i: Part(fails=i.index == 1)))

    assert told.code == 11
    assert "Its memory ran out." in told.err


def test_a_failure_that_only_the_bucket_knows_is_found(tmp_path: Path) -> None:
    """The queue lost it."""
    told = run(tmp_path, PaperCloud(part=lambda i: Part(fails=i.index == 0), queue=lost(Failed)))

    assert told.code == 11
    assert "Its memory ran out." in told.err


def test_a_section_that_is_silent_for_ever_ends_with_its_worker(tmp_path: Path) -> None:
    """Nobody reports during `before`: the function's time limit is what is left."""
    cloud = PaperCloud(part=lambda i: Part(dies_after=1.0))

    with pytest.raises(Exception, match="was not heard of when its time limit of 300 s was over"):
        run(tmp_path, cloud, script=SCRIPT + BEFORE, timeout=300.0)


# ---- what is charged for ----


def test_each_invocation_says_how_long_it_took(tmp_path: Path) -> None:
    """Those of the sections too, and those whose last word only the bucket has."""
    told = run(tmp_path, PaperCloud(queue=lost(Finished)), script=SCRIPT + BEFORE + AFTER)

    assert told.times == [WorkerTime(seconds=BILLED / 1000, measured=True)] * 4


def test_who_did_not_say_is_charged_until_the_end_or_the_last_word(tmp_path: Path) -> None:
    """A lost one may have gone on; one that failed has not."""
    dead = PaperCloud(part=lambda i: Part(lasts=30.0, dies_after=6.0 if i.index == 1 else None))
    failing = PaperCloud(part=lambda i: Part(fails=i.index == 1))

    lost_one, failed_one = run(tmp_path, dead), run(tmp_path, failing)

    assert [time.measured for time in lost_one.times + failed_one.times] == [True, False] * 2
    assert lost_one.times[1].seconds == pytest.approx(lost_one.seconds, abs=5.0)
    assert 5.0 < failed_one.times[1].seconds < failed_one.seconds


def test_nobody_is_charged_for_more_than_the_time_limit(tmp_path: Path) -> None:
    """AWS Lambda has ended it by then."""
    dead = PaperCloud(part=lambda i: Part(lasts=30.0, dies_after=6.0 if i.index == 1 else None))

    assert run(tmp_path, dead, timeout=60.0).times[1] == WorkerTime(seconds=60.0, measured=False)


# ---- stops ----


def test_a_stop_reaches_everybody(tmp_path: Path) -> None:
    """The record says so, the workers' last words are heard, what was measured is reported."""
    told = run(tmp_path, PaperCloud(part=lambda _: Part(lasts=100.0)), signals={12.0: Signals.SIGINT})

    assert told.code == 130
    assert (told.cloud.record.state, told.cloud.record.reason) == ("stop", "interrupted")
    assert "not started because the run was stopped" in told.out
    assert told.seconds < 20


@pytest.mark.parametrize("refused", [0, 3])
def test_a_word_from_another_machine_stops_the_run(tmp_path: Path, refused: int) -> None:
    """It is published within two seconds, and no renewal takes it back; looks that AWS refuses delay it."""
    cloud = PaperCloud(
        part=lambda _: Part(lasts=100.0), refusals={"get": [passing() for _ in range(refused)]}
    )

    told = run(tmp_path, cloud, asked=12.0)

    at, record = cloud.records[-1]
    assert told.code == 130
    assert 12.0 <= at < 14.0
    assert [(one.state, one.reason) for _, one in cloud.records][-2:] == [("go", "asked"), ("stop", "asked")]
    assert record.state == "stop"
    assert "Stopping the load, as another machine has asked for." in told.err
    assert "stopped from another machine (grapeshot stop)" in told.out
    assert told.report["grapeshot"]["verdict"] == "stopped"
    assert told.left_running == 0


def test_a_word_before_the_start_ends_without_load(tmp_path: Path) -> None:
    """As Ctrl-C does."""
    cloud = PaperCloud(part=lambda _: Part(ready_after=50.0))

    with pytest.raises(Interrupted) as caught:
        run(tmp_path, cloud, asked=5.0)

    assert caught.value.exit_code == 130
    assert cloud.record.state == "stop"


def test_a_stop_before_the_start_leaves_nobody_waiting(tmp_path: Path) -> None:
    """Workers that wait for the start, or are still on their way, read `stop`."""
    cloud = PaperCloud(part=lambda _: Part(ready_after=50.0))

    with pytest.raises(Interrupted):
        run(tmp_path, cloud, signals={5.0: Signals.SIGTERM})

    assert cloud.record.state == "stop"


# ---- AWS ----


@pytest.mark.parametrize("method", ["receive", "renew", "discard", "get"])
def test_passing_trouble_is_survived(tmp_path: Path, method: str) -> None:
    """Some refusals in a row cost nothing but time."""
    cloud = PaperCloud(refusals={method: [passing() for _ in range(5)]}, part=lambda _: Part(lasts=40.0))

    told = run(tmp_path, cloud)

    assert (told.code, created(told)) == (0, 20), told.err


@pytest.mark.parametrize("method", ["receive", "renew"])
def test_credentials_that_expire_end_the_run_at_once(tmp_path: Path, method: str) -> None:
    """What came so far is reported, the reason is told once with its remedy."""
    cloud = PaperCloud(part=lambda _: Part(lasts=300.0), broken={method: (20.0, expired())})

    told = run(tmp_path, cloud)

    assert told.code == 4
    assert told.err.count("The credentials have expired.") == 1
    assert "What to do: Get new ones." in told.err
    assert created(told) > 0
    assert told.seconds < 40


def test_a_cloud_out_of_reach_ends_the_run(tmp_path: Path) -> None:
    """In time to say why, before workers stop because of their lease."""
    cloud = PaperCloud(
        part=lambda _: Part(lasts=300.0), broken={"receive": (20.0, passing()), "renew": (20.0, passing())}
    )

    told = run(tmp_path, cloud)

    assert told.code == 4
    assert 20 + TROUBLE_LIMIT < told.seconds < 20 + LEASE_LIMIT


S3, SQS = ("say", "renew", "get"), ("receive", "discard")


@pytest.mark.parametrize("methods", [S3, SQS, S3 + SQS], ids=["S3", "SQS", "both"])
def test_half_a_minute_without_a_service_is_survived(tmp_path: Path, methods: tuple[str, ...]) -> None:
    """The lease is renewed as soon as S3 is back; what lies in the queue is read then."""
    out = {method: (15.0, 45.0, passing()) for method in methods}
    cloud = PaperCloud(part=lambda _: Part(lasts=50.0), out=out)

    told = run(tmp_path, cloud)

    gaps = [later - earlier for earlier, later in pairwise([0.0, *cloud.renewals])]
    assert (told.code, created(told)) == (0, 20), told.err
    assert max(gaps) < 45
    assert (max(gaps) > 30) == ("renew" in methods)


@pytest.mark.parametrize(("methods", "service"), [(S3, "S3"), (SQS, "SQS")])
def test_a_service_that_stays_out_ends_the_run(
    tmp_path: Path, methods: tuple[str, ...], service: str
) -> None:
    """Even though the other one works."""
    broken = {method: (20.0, passing(f"{service} is out.")) for method in methods}
    cloud = PaperCloud(part=lambda _: Part(lasts=300.0), broken=broken)

    told = run(tmp_path, cloud)

    assert told.code == 4
    assert f"{service} is out." in told.err
    assert told.seconds < 20 + LEASE_LIMIT


def test_a_go_that_s3_refuses_at_first_is_said_again(tmp_path: Path) -> None:
    """Otherwise every worker would wait for it until its end."""
    # The first `say` is the part's `wait`.
    cloud = PaperCloud(refusals={"say": [None, *[passing() for _ in range(3)]]})

    told = run(tmp_path, cloud)

    assert (told.code, created(told)) == (0, 20), told.err


def test_trouble_before_the_start_raises(tmp_path: Path) -> None:
    """No load was made: there is nothing to report."""
    cloud = PaperCloud(part=lambda _: Part(ready_after=60.0), broken={"receive": (10.0, expired())})

    with pytest.raises(CloudError, match="expired"):
        run(tmp_path, cloud)


@pytest.mark.parametrize("method", ["say", "invoke"])
def test_a_refused_beginning_raises(tmp_path: Path, method: str) -> None:
    """Whoever was started is told to stop, if anybody was."""
    cloud = PaperCloud(broken={method: (0.0, expired())})

    with pytest.raises(CloudError, match="expired"):
        run(tmp_path, cloud)


def test_one_refused_invocation_ends_the_others(tmp_path: Path) -> None:
    """There is no run with fewer workers than were asked for."""
    cloud = PaperCloud(refusals={"invoke": [None, None, expired()]})

    with pytest.raises(CloudError, match="expired"):
        run(tmp_path, cloud, workers=4)

    assert cloud.record.state == "stop"


def test_ready_is_heard_from_each(tmp_path: Path) -> None:
    """A message of Ready that is delivered twice makes nobody else ready."""
    told = run(
        tmp_path,
        PaperCloud(
            part=lambda i: Part(ready_after=30.0 * i.index + 1),
            queue=lambda m: [0.0, 0.2] if isinstance(m, Ready) else [0.0],
        ),
    )

    assert told.cloud.records[1][0] > 31.0


class Seen(Tally):
    """A part of a message that tells when it is gone: a class without slots can be referred to weakly."""


@dataclass
class OneWorker:
    """A platform of one invocation, whose messages the test brings."""

    worker: LambdaWorker
    cpus: int = 1
    limits: Limits = LIMITS

    async def start(self, assignment: Assignment) -> LambdaWorker:
        return self.worker

    async def left(self, assignment: Assignment) -> None:
        return None

    def clocks(self) -> Mapping[WorkerId, float]:
        return {}


def test_a_message_that_was_taken_is_kept_by_nobody(tmp_path: Path) -> None:
    """A worker's last message would lie there until its next one: of a thousand workers, hundreds of megabytes."""
    test = test_of(tmp_path, workers=1, copies=False, script=SCRIPT)

    async def main() -> tuple[bool, bool]:
        inbox: Inbox = asyncio.Queue()
        invocation = Invocation(
            run_id="t1", index=0, count=1, region="", bucket="", queue_url="", bundle_digest=""
        )
        worker = LambdaWorker(invocation, lambda _: None, 0.0)
        async with Crew(OneWorker(worker), test.assignments("load", {}), inbox) as crew:
            tally = Seen()
            gone = weakref.ref(tally)
            worker.hear(
                Progress(run_id="t1", generation=0, index=0, sequence=1, periods=(), tally=tally, at=0.0), 0.0
            )
            del tally
            event = await crew.next(1.0)
            came = isinstance(event, Said)
            del event
            await asyncio.sleep(1.0)
            return came, gone() is None

    assert run_virtually(main()) == (True, True)
