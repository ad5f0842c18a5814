"""The Action as a job runs it: its own steps out of action.yml, on a runner that knows what GitHub documents."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

import github_api
from composite import ROOT, Job, bare_environ, obeyed
from github_identity import GitHubIdentity, pull_request
from grapeshot_launcher.github.inputs import NAMES
from grapeshot_launcher.github.outputs import NAMES as OUTPUTS
from grapeshot_launcher.platforms.emulator import EmbeddedAws
from iam_front import IamFront
from keyless_account import REGION, Cloud
from rendered import rendered
from sts_front import StsFront
from target import Target

pytestmark = pytest.mark.timeout(300)  # the first of them installs the Action as a runner does

SCRIPT = """
config:
  target: "{target}"
  phases: [{{duration: {seconds}, arrivalRate: 10}}]
  plugins: {{ensure: {{conditions: [{{expression: vusers.created == {users}}}]}}}}
scenarios:
  - flow:
      - get: {{url: /json}}
"""


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runner's temporary folder, where the Action is installed once."""
    return tmp_path_factory.mktemp("runner")


@pytest.fixture
def workspace(tmp_path: Path, target: Target) -> Path:
    """A repository with a load test."""
    folder = tmp_path / "repository"
    folder.mkdir()
    write_script(folder / "load.yml", target, seconds=2)
    return folder


def write_script(path: Path, target: Target, *, seconds: int, extra: str = "") -> None:
    text = SCRIPT.format(target=target.url, seconds=seconds, users=seconds * 10)
    path.write_text(text.replace("  plugins", f"{extra}  plugins"), encoding="utf-8")


def job(tmp_path: Path, workspace: Path, home: Path, **environ: str) -> Job:
    place = tmp_path / "job"
    place.mkdir()
    return Job(
        place=place,
        temp=home,
        environ={**bare_environ(workspace), **environ},
        stubs={"actions/setup-python": {"python-path": sys.executable}},
    )


# ---- what it promises ----


def test_inputs_outputs_and_their_table_agree() -> None:
    """action.yml, the code and the README's tables name the same; each input reaches the process by its variable."""
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    *_, run = action["runs"]["steps"]
    readme = (ROOT / "README.md").read_text()
    handed = {f"INPUT_{name.upper().replace('-', '_')}": f"${{{{ inputs.{name} }}}}" for name in NAMES}

    assert sorted(action["inputs"]) == sorted(NAMES)
    assert sorted(action["outputs"]) == sorted(OUTPUTS)
    assert handed.items() <= run["env"].items()
    for name in (*NAMES, *OUTPUTS):
        assert f"| `{name}` |" in readme, name


# ---- runs ----


def test_a_good_run_is_green(tmp_path: Path, workspace: Path, home: Path, target: Target) -> None:
    """From the emulator: outputs, summary and files say what the target has counted."""
    before = target.stats().get("/json 200", 0)

    runner = job(tmp_path, workspace, home)
    runner.patience = 280
    ended = runner.run(script="load.yml", emulate="true", workers="2", memory_size="1769")

    outputs = ended.outputs
    report = json.loads(Path(outputs["report-json"]).read_text())
    junit = ElementTree.fromstring((Path(outputs["report-json"]).with_name("junit.xml")).read_text())
    assert ended.code == 0, ended.log
    assert (outputs["verdict"], outputs["exit-code"], outputs["requests"]) == ("pass", "0", "20")
    assert target.stats()["/json 200"] - before == 20
    assert (outputs["error-rate"], outputs["vusers-failed"], outputs["workers-lost"]) == ("0", "0", "0")
    assert float(outputs["rps"]) > 5
    assert 0 <= float(outputs["p50"]) <= float(outputs["p95"]) <= float(outputs["p99"])
    assert outputs["image-digest"].startswith("sha256:")
    assert report["grapeshot"]["runId"] == outputs["run-id"]
    assert report["grapeshot"]["settings"]["commit"] == bare_environ(workspace)["GITHUB_SHA"]
    assert int(junit.get("failures", "-1")) == 0
    page = Path(outputs["report-html"])
    assert page == Path(outputs["report-json"]).with_name("report.html")
    assert outputs["run-id"] in page.read_text(encoding="utf-8")
    assert "grapeshot run-lambda" in ended.summary
    assert "vusers.created == 20" in ended.summary
    assert obeyed(ended.log) == []


def test_a_page_that_can_not_be_made_loses_nothing_else(tmp_path: Path, workspace: Path, home: Path) -> None:
    """A warning; the report, the summary and the outputs are there, and the step is green."""
    (workspace / "out" / "report.html").mkdir(parents=True)

    ended = job(tmp_path, workspace, home).run(command="run load.yml", report_dir="out")

    (warning,) = obeyed(ended.log)
    assert ended.code == 0, ended.log
    assert warning.startswith("::warning::report.html could not be made: ")
    assert ended.outputs["report-html"] == ""
    assert json.loads((workspace / "out" / "report.json").read_text())["grapeshot"]["verdict"] == "pass"
    assert (ended.outputs["verdict"], ended.outputs["requests"]) == ("pass", "20")
    assert "vusers.created == 20" in ended.summary


def test_a_threshold_that_does_not_hold_is_red(tmp_path: Path, workspace: Path, home: Path) -> None:
    """Beside the script's own checks; the annotation tells the value."""
    ended = job(tmp_path, workspace, home).run(
        script="load.yml",
        emulate="true",
        workers="1",
        thresholds="http.response_time.p95 < 0\nvusers.failed == 0",
    )

    assert ended.code == 1, ended.log
    assert (ended.outputs["verdict"], ended.outputs["exit-code"]) == ("fail", "1")
    (annotation,) = obeyed(ended.log)
    assert annotation.startswith("::error title=Threshold::http.response_time.p95 < 0 does not hold: ")
    assert "http.response_time.p95 < 0" in rendered(ended.summary).text


@pytest.mark.parametrize(("fail_on", "code"), [("invalid", 0), ("never", 0), ("fail, invalid", 1)])
def test_what_fails_the_step_can_be_chosen(
    tmp_path: Path, workspace: Path, home: Path, fail_on: str, code: int
) -> None:
    """The verdict is shown in any case."""
    ended = job(tmp_path, workspace, home).run(
        command="run load.yml", thresholds="http.response_time.p95 < 0", fail_on=fail_on
    )

    assert ended.code == code, ended.log
    assert (ended.outputs["verdict"], ended.outputs["exit-code"]) == ("fail", str(code))


def test_a_worker_that_dies_makes_the_run_invalid(
    tmp_path: Path, workspace: Path, home: Path, target: Target
) -> None:
    """Which one, and what was lost with it, stands in the summary."""
    write_script(workspace / "load.yml", target, seconds=4, extra="  processor: hooks.py\n")
    text = (workspace / "load.yml").read_text()
    (workspace / "load.yml").write_text(text.replace("- get", "- function: maybe\n      - get"))
    (workspace / "hooks.py").write_text(
        "import os, time\nbegan = time.monotonic()\n"
        "def maybe(context, events):\n"
        "    if context.vars['$testId'] and time.monotonic() - began > 2.5 and not os.path.exists('/tmp/x'):\n"
        "        os._exit(7)\n"
    )

    ended = job(tmp_path, workspace, home).run(script="load.yml", emulate="true", workers="2")

    assert ended.code == 11, ended.log
    assert ended.outputs["verdict"] == "invalid"
    assert int(ended.outputs["workers-lost"]) >= 1
    assert any("The measurement is invalid" in line for line in obeyed(ended.log))
    assert "invalid" in ended.summary.lower()


def test_a_cancelled_job_stops_its_load_and_says_what_was_measured(
    tmp_path: Path, workspace: Path, home: Path, target: Target
) -> None:
    """SIGINT comes first; the second signal, 7.5 s later, must find nothing left to do."""
    write_script(workspace / "load.yml", target, seconds=60)
    before = target.stats().get("/json 200", 0)
    asked: list[float] = []

    def cancel(process: subprocess.Popen[str], log: Path) -> None:
        deadline, pause = time.monotonic() + 50, threading.Event()
        while target.stats().get("/json 200", 0) < before + 10:
            assert time.monotonic() < deadline, log.read_text()
            pause.wait(0.1)
        process.send_signal(signal.SIGINT)
        asked.append(time.monotonic())
        process.wait(20)
        asked.append(time.monotonic())

    runner = job(tmp_path, workspace, home)
    runner.during = cancel
    ended = runner.run(script="load.yml", emulate="true", workers="2")

    assert ended.code == 130, ended.log
    assert asked[1] - asked[0] < 7.5
    assert ended.outputs["verdict"] == "stopped"
    assert 10 <= int(ended.outputs["requests"]) < 600
    assert "stopped" in ended.summary.lower()
    served = target.stats()["/json 200"]
    assert served - before <= int(ended.outputs["requests"]) < served - before + 10  # some were under way
    assert target.stats()["/json 200"] == served


def test_the_first_run_has_no_baseline(tmp_path: Path, workspace: Path, home: Path) -> None:
    """A file that is not there is a warning; the next run is compared with this one's report."""
    first = job(tmp_path, workspace, home).run(command="run load.yml", baseline="old/report.json")
    (workspace / "old").mkdir()
    Path(first.outputs["report-json"]).rename(workspace / "old" / "report.json")
    (tmp_path / "second").mkdir()

    second = job(tmp_path / "second", workspace, home).run(command="run load.yml", baseline="old/report.json")

    (warning,) = obeyed(first.log)
    assert (first.code, second.code) == (0, 0), first.log + second.log
    assert warning == "::warning::There is no baseline old/report.json: the run is compared with nothing."
    assert "Compared with the baseline" not in first.summary
    assert "Compared with the baseline" in second.summary
    assert first.outputs["run-id"] in rendered(second.summary).text


# ---- what prevents a run ----


def test_problems_of_a_script_stand_at_their_lines(tmp_path: Path, workspace: Path, home: Path) -> None:
    """The file is named from the repository's root, wherever the step works."""
    (workspace / "sub").mkdir()
    (workspace / "sub" / "bad.yml").write_text(
        "config:\n  target: http://127.0.0.1:9\n  phasez: []\nscenarios: []\n"
    )

    ended = job(tmp_path, workspace, home).run(script="bad.yml", region="eu-west-1", working_directory="sub")

    assert ended.code == 1, ended.log
    assert ended.outputs["verdict"] == "error"
    assert any(line.startswith("::error file=sub/bad.yml,line=") for line in obeyed(ended.log))
    assert "phasez" in ended.summary


def test_all_wrong_inputs_are_told_at_once(tmp_path: Path, workspace: Path, home: Path) -> None:
    """In the log, in an annotation and in the summary."""
    ended = job(tmp_path, workspace, home).run(script="load.yml", summary="yes", role_duration="1")

    assert ended.code == 1
    assert "region is missing" in ended.log
    assert "summary: yes is neither true nor false." in ended.log
    assert "role-duration: 1 is not a number of seconds" in ended.log
    assert "region is missing" in ended.summary
    assert "Traceback" not in ended.log


@pytest.mark.parametrize(
    ("inputs", "code", "word"),
    [
        ({"command": "run"}, 2, "Missing argument 'SCRIPT'"),
        ({"command": "rnu load.yml"}, 2, "run"),
        ({"command": "iam policy"}, 1, "runs no test"),
        ({"script": "load.yml", "region": "nowhere"}, 1, "nowhere"),
        ({"script": "load.yml", "emulate": "true", "working_directory": "missing"}, 1, "working-directory"),
        ({"script": "missing.yml", "emulate": "true"}, 1, "missing.yml"),
        ({"script": "load.yml", "emulate": "true", "workers": "many"}, 2, "many"),
        ({"script": "load.yml", "emulate": "true", "baseline": "load.yml"}, 1, "load.yml"),
        ({"script": "load.yml", "emulate": "true", "thresholds": "a <"}, 1, "a <"),
    ],
)
def test_each_refusal_is_told_in_all_places(
    tmp_path: Path, workspace: Path, home: Path, inputs: dict[str, str], code: int, word: str
) -> None:
    """Log, annotation, summary, and the verdict `error`; never a traceback."""
    ended = job(tmp_path, workspace, home).run(**inputs)

    assert ended.code == code, ended.log
    assert (ended.outputs["verdict"], ended.outputs["exit-code"]) == ("error", str(code))
    assert word in ended.log
    assert word in rendered(ended.summary).text
    assert obeyed(ended.log)
    assert "Traceback" not in ended.log


def test_without_the_permission_the_message_says_which(tmp_path: Path, workspace: Path, home: Path) -> None:
    """The lines to paste are in the log and in the summary."""
    ended = job(tmp_path, workspace, home).run(
        script="load.yml", region="eu-west-1", role_to_assume="arn:aws:iam::123456789012:role/Load"
    )

    assert ended.code != 0
    assert "id-token: write" in ended.log
    assert "id-token: write" in rendered(ended.summary).text
    assert "Traceback" not in ended.log


# ---- without a stored key ----


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """An account in which every call is judged, and GitHub's identities."""
    iam = IamFront()
    with GitHubIdentity() as github:
        sts = StsFront(github.key.public_key(), then=iam)
        with EmbeddedAws(region=REGION, middleware=sts) as aws:
            yield Cloud(aws, github, sts, iam)


def keyless(cloud: Cloud, **more: str) -> dict[str, str]:
    """Give what a job with `id-token: write` finds, in a world whose AWS is the embedded one."""
    world = {
        name: cloud.aws.environ[name]
        for name in ("AWS_ENDPOINT_URL", "AWS_EC2_METADATA_DISABLED", "NO_PROXY")
    }
    return {**cloud.github.environ(), **world, **more}


def test_the_job_s_identity_is_enough(
    tmp_path: Path, workspace: Path, home: Path, cloud: Cloud, target: Target
) -> None:
    """No key anywhere: the role is taken on, its policy suffices, and nothing secret is in the log unmasked."""
    cloud.provide()
    cloud.make_role()
    before = target.stats().get("/json 200", 0)

    ended = job(tmp_path, workspace, home, **keyless(cloud)).run(
        script="load.yml",
        region=REGION,
        role_to_assume=cloud.role,
        image=cloud.aws.image_uri(),
        workers="2",
        memory_size="1769",
        mask_aws_account_id="true",
    )

    masked = [line.removeprefix("::add-mask::") for line in obeyed(ended.log) if "add-mask" in line]
    secrets = [line for line in masked if len(line) > 12]
    rest = "".join(line for line in ended.log.splitlines() if not line.startswith("::add-mask::"))
    assert ended.code == 0, ended.log
    assert (ended.outputs["verdict"], ended.outputs["requests"]) == ("pass", "20")
    assert target.stats()["/json 200"] - before == 20
    assert cloud.iam.denied(cloud.role) == set()
    assert set(cloud.github.issued) <= set(secrets)
    assert cloud.aws.account in masked
    assert len(secrets) >= 4  # the token, and the three keys of the session
    assert not any(secret in rest + ended.summary for secret in secrets)


@pytest.mark.parametrize(
    ("trust", "provided", "words"),
    [
        ("repo:acme/shop:environment:prod", True, ["repo:acme/shop:ref:refs/heads/main", "StringEquals"]),
        (
            "repo:acme/shop:ref:refs/heads/main",
            False,
            ["identity provider", "create-open-id-connect-provider"],
        ),
    ],
)
def test_a_refused_identity_says_what_to_change(
    tmp_path: Path, workspace: Path, home: Path, cloud: Cloud, trust: str, provided: bool, words: list[str]
) -> None:
    """In the log and in the summary: the token's own subject, the statement or the command to paste."""
    cloud.make_role(cloud.trust({"sub": trust}))
    if provided:
        cloud.provide()

    ended = job(tmp_path, workspace, home, **keyless(cloud)).run(
        script="load.yml", region=REGION, role_to_assume=cloud.role
    )

    page = rendered(ended.summary).text
    assert ended.code == 11, ended.log
    assert ended.outputs["verdict"] == "error"
    for word in words:
        assert word in ended.log, word
        assert word in page, word
    assert "Traceback" not in ended.log


def test_the_image_is_published_on_first_use(
    tmp_path: Path, workspace: Path, home: Path, cloud: Cloud
) -> None:
    """Where the region lacks it, it is built; a runner without docker says so, and nothing is left behind."""
    cloud.provide()
    cloud.make_role()

    ended = job(tmp_path, workspace, home, **keyless(cloud, DOCKER_HOST="unix:///nowhere.sock")).run(
        script="load.yml", region=REGION, role_to_assume=cloud.role
    )

    assert ended.code == 1, ended.log
    assert "It is built and published now; later runs find it there." in ended.log
    assert "docker" in rendered(ended.summary).text.lower()
    assert ("ecr:PutImage", True) not in {(one.action, one.allowed) for one in cloud.iam.audit}
    assert not any(one.action.startswith(("sqs:", "lambda:")) for one in cloud.iam.audit)


def test_a_pull_request_from_a_fork_is_told_so(tmp_path: Path, workspace: Path, home: Path) -> None:
    """It never gets a token, whatever its permissions."""
    environ = pull_request(tmp_path, head="stranger/shop")

    ended = job(tmp_path, workspace, home, **environ).run(
        script="load.yml", region=REGION, role_to_assume="arn:aws:iam::123456789012:role/Load"
    )

    assert ended.code == 11, ended.log
    assert "from a fork" in ended.log
    assert "from a fork" in rendered(ended.summary).text


# ---- the action that people use today ----


def test_a_command_runs_as_it_does_there(tmp_path: Path, workspace: Path, home: Path) -> None:
    """With a report in the workspace, and in another directory; arguments may hold blanks."""
    (workspace / "my dir").mkdir()
    (workspace / "load.yml").rename(workspace / "my dir" / "my load.yml")

    ended = job(tmp_path, workspace, home).run(
        command="run './my load.yml' --output ./report.json", working_directory="./my dir"
    )

    assert ended.code == 0, ended.log
    report: dict[str, Any] = json.loads((workspace / "my dir" / "report.json").read_text())
    assert report["aggregate"]["counters"]["vusers.created"] == 20
    assert ended.outputs["requests"] == "20"


def test_a_check_makes_no_load(tmp_path: Path, workspace: Path, home: Path) -> None:
    """It has an exit code, and no verdict."""
    ended = job(tmp_path, workspace, home).run(command="check load.yml")

    assert ended.code == 0, ended.log
    assert (ended.outputs["exit-code"], ended.outputs["verdict"]) == ("0", "")


# ---- what others print, and what others see ----


def test_what_a_script_prints_is_never_obeyed(
    tmp_path: Path, workspace: Path, home: Path, target: Target
) -> None:
    """Nor does a hook find the job's token or its identity."""
    write_script(workspace / "load.yml", target, seconds=1, extra="  processor: hooks.py\n")
    text = (workspace / "load.yml").read_text()
    hook = "- function: show\n      - log: '::error::forged'\n      - get"
    (workspace / "load.yml").write_text(text.replace("- get", hook))
    (workspace / "hooks.py").write_text(
        "import os\n"
        "def show(context, events):\n"
        "    print('::set-output name=verdict::forged')\n"
        "    print('SEEN', sorted(n for n in os.environ if 'TOKEN' in n or n.startswith('INPUT_')))\n"
    )

    ended = job(tmp_path, workspace, home, ACTIONS_ID_TOKEN_REQUEST_TOKEN="secret").run(
        command="run load.yml"
    )

    assert ended.code == 0, ended.log
    assert "::error::forged" in ended.log
    assert "SEEN []" in ended.log
    assert obeyed(ended.log) == []
    assert "ghs_0123456789" not in ended.log


def test_what_a_failure_quotes_is_never_obeyed(
    tmp_path: Path, workspace: Path, home: Path, target: Target
) -> None:
    """A hook that can't be loaded may say what it likes."""
    write_script(workspace / "load.yml", target, seconds=1, extra="  processor: hooks.py\n")
    (workspace / "hooks.py").write_text("raise RuntimeError('no\\n::error::forged\\n  ::warning::forged')\n")

    ended = job(tmp_path, workspace, home).run(command="run load.yml")

    assert ended.code == 11, ended.log
    assert "forged" in ended.log
    assert not [
        line
        for line in obeyed(ended.log)
        if line.strip().startswith(("::error::forged", "::warning::forged"))
    ]
    assert ended.log.count("hooks.py") >= 1


@pytest.fixture
def api() -> Iterator[github_api.GitHubApi]:
    with github_api.serve() as running:
        running.token = "ghs_0123456789"
        yield running


def test_the_pull_request_has_one_comment(
    tmp_path: Path, workspace: Path, home: Path, api: github_api.GitHubApi
) -> None:
    """It is written after the run."""
    event = tmp_path / "event.json"
    event.write_text('{"pull_request": {"number": 7}}')
    environ = {"GITHUB_EVENT_PATH": str(event), "GITHUB_API_URL": api.address}

    ended = job(tmp_path, workspace, home, **environ).run(command="run load.yml", comment_pr="true")

    (comment,) = api.comments[7]
    assert ended.code == 0, ended.log
    assert comment["body"].startswith("<!-- grapeshot ")
    assert "pass" in comment["body"].lower()


def test_a_comment_that_is_refused_is_a_warning(
    tmp_path: Path, workspace: Path, home: Path, api: github_api.GitHubApi
) -> None:
    """The run is over, and its verdict stands."""
    event = tmp_path / "event.json"
    event.write_text('{"pull_request": {"number": 7}}')
    api.status = 403
    environ = {"GITHUB_EVENT_PATH": str(event), "GITHUB_API_URL": api.address}

    ended = job(tmp_path, workspace, home, **environ).run(command="run load.yml", comment_pr="true")

    assert ended.code == 0, ended.log
    (warning,) = obeyed(ended.log)
    assert warning.startswith("::warning::GitHub does not allow a comment")
    assert "pull-requests: write" in warning
