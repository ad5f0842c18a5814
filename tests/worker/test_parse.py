"""From a document to a TestScript: what is refused, what is warned of, what comes out."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest

from grapeshot_worker.errors import ScriptError
from grapeshot_worker.script.functions import builtin_functions
from grapeshot_worker.script.load import ScriptOptions, load_script
from grapeshot_worker.script.model import (
    Call,
    Check,
    EndpointSettings,
    ExpectSettings,
    Faulty,
    Log,
    Loop,
    Parallel,
    Phase,
    Request,
    TestScript,
    Think,
)
from grapeshot_worker.script.parse import parse_script

HEAD = "config:\n  target: http://h\n"


def parse(text: str, *, files: dict[str, str] | None = None, env: Any = None, **flags: Any) -> TestScript:
    known = {"s.yml": text, **(files or {})}

    def read(path: str) -> str:
        for name, content in known.items():
            if path == name or path.endswith(f"/{name}"):
                return content
        raise FileNotFoundError(2, "No such file or directory", path)

    source = load_script(
        ScriptOptions(script="s.yml", **flags),
        environ=env or {},
        read_text=read,
        functions=builtin_functions(random.Random(1)),
    )
    return parse_script(source, rng=random.Random(1), read_text=read, environ=env or {})


def refused(text: str, **more: Any) -> ScriptError:
    with pytest.raises(ScriptError) as caught:
        parse(text, **more)
    return caught.value


def errors(text: str, **more: Any) -> list[tuple[str, int | None]]:
    """Give message and line of each error."""
    problems = [problem for problem in refused(text, **more).problems if problem.severity == "error"]
    return [(problem.message, problem.place.line if problem.place else None) for problem in problems]


def flow(steps: str, *, config: str = "") -> TestScript:
    return parse(with_flow(steps, config=config))


def with_flow(steps: str, *, config: str = "") -> str:
    indented = "\n".join("      " + line for line in steps.strip("\n").split("\n"))
    return HEAD + config + "scenarios:\n  - flow:\n" + indented + "\n"


def configured(config: str, **more: Any) -> TestScript:
    return parse(with_flow("- get: {url: /}", config=config), **more)


def warnings(script: TestScript) -> list[str]:
    return [warning.message for warning in script.warnings]


# ---- rules ----


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        (HEAD, '"scenarios" is required', 1),
        (HEAD + "scenarios: 3", '"scenarios" must be an array', 3),
        (HEAD + "scenarios: []", '"scenarios" must contain at least 1 items', 3),
        (HEAD + "scenarios:\n  - 3", '"scenarios[0]" must be of type object', 4),
        (HEAD + "scenarios:\n  - name: x", '"scenarios[0].flow" is required', 4),
        (HEAD + "scenarios:\n  - flow: {}", '"scenarios[0].flow" must be an array', 4),
        (HEAD + "scenarios:\n  - name: 5\n    flow: []", '"scenarios[0].name" must be a string', 4),
        (
            HEAD + "scenarios:\n  - beforeScenario: [1]\n    flow: []",
            '"scenarios[0].beforeScenario" must be one of [string, array of strings]',
            4,
        ),
        (HEAD + "scenarios:\n  - flow: []\nbefore: []", '"before" must be of type object', 5),
        (HEAD + "scenarios:\n  - flow: []\nafter: {}", '"after.flow" is required', 5),
        ("config:\n  target: 5\nscenarios:\n  - flow: []", '"config.target" must be a string', 2),
        (
            "config:\n  target: '{{ $env.NO }}'\nscenarios:\n  - flow: []",
            '"config.target" is required',
            2,
        ),
        (with_flow("- get: {}"), '"scenarios[0].flow[0].get.url" is required', 5),
        (
            with_flow("- log: hi\n- get:\n    name: x"),
            '"scenarios[0].flow[1].get.url" is required',
            6,
        ),
        (with_flow("- post:\n    url: 5"), '"scenarios[0].flow[0].post.url" must be a string', 6),
        (with_flow("- post:\n    url: ''"), '"scenarios[0].flow[0].post.url" is not allowed to be empty', 6),
        (with_flow("- get: /x"), '"scenarios[0].flow[0].get" must be of type object', 5),
        (with_flow("- get:\n    uri: /"), '"scenarios[0].flow[0].get.url" is required', 5),
        (with_flow("- get:\n  url: /"), '"scenarios[0].flow[0]" must have 1 key', 5),
        (with_flow("- think: 1\n  log: x"), '"scenarios[0].flow[0]" must have 1 key', 5),
        (with_flow("- {}"), '"scenarios[0].flow[0]" must have 1 key', 5),
        (with_flow("- hello"), '"scenarios[0].flow[0]" must be of type object', 5),
        (with_flow("- log: 5"), '"scenarios[0].flow[0].log" must be a string', 5),
        (with_flow("- function: 5"), '"scenarios[0].flow[0].function" must be a string', 5),
        (with_flow("- think: [1]"), '"scenarios[0].flow[0].think" must be one of [number, string]', 5),
        (with_flow("- loop: 3"), '"scenarios[0].flow[0].loop" must be an array', 5),
        (
            with_flow("- loop: []\n  over: 3"),
            '"scenarios[0].flow[0].over" must be one of [array, string]',
            6,
        ),
        (
            with_flow("- get:\n    url: /\n    headers: x"),
            '"scenarios[0].flow[0].get.headers" must be of type object',
            7,
        ),
        (
            with_flow("- get:\n    url: /\n    followRedirect: maybe"),
            '"scenarios[0].flow[0].get.followRedirect" must be a boolean',
            7,
        ),
        (
            with_flow("- get:\n    url: /\n    auth: {user: 1}"),
            '"scenarios[0].flow[0].get.auth.user" must be a string',
            7,
        ),
        (
            with_flow("- get:\n    url: /\n    capture:\n      json: $.a"),
            '"scenarios[0].flow[0].get.capture.as" is required',
            7,
        ),
        (
            with_flow("- get:\n    url: /\n    capture:\n      - {json: $.a, as: a}\n      - {as: b}"),
            '"scenarios[0].flow[0].get.capture[1]" does not say where the value is',
            9,
        ),
        (
            with_flow("- loop:\n    - get:\n        url: /\n        qs: [1]\n  count: 2"),
            '"scenarios[0].flow[0].loop[0].get.qs" must be of type object',
            8,
        ),
        (with_flow("- get: {url: /}", config="  http: 3\n"), '"config.http" must be of type object', 3),
        (
            with_flow("- get: {url: /}", config="  http:\n    extendedMetrics: maybe\n"),
            '"config.http.extendedMetrics" must be a boolean',
            4,
        ),
        (
            with_flow("- get: {url: /}", config="  http:\n    pool: 0\n"),
            '"config.http.pool" must be a positive integer',
            4,
        ),
        (with_flow("- get: {url: /}", config="  phases: {}\n"), '"config.phases" must be an array', 3),
        (with_flow("- get: {url: /}", config="  processor: 3\n"), '"config.processor" must be a string', 3),
    ],
)
def test_a_broken_rule_is_told_in_the_reference_s_words(text: str, message: str, line: int) -> None:
    """Each rule has its message, and the line where it is broken."""
    assert errors(text) == [(message, line)]
    assert refused(text).exit_code == 1


def test_a_request_that_is_not_indented_is_told_how() -> None:
    """The commonest slip has a remedy of its own."""
    error = refused(with_flow("- get:\n  url: /"))

    assert "Indent what belongs to 'get' deeper than 'get' itself." in error.message


def test_all_faults_are_told_at_once() -> None:
    """Structure, phases, plugins, CSV and processor faults come together; the exit code is validation's."""
    text = """\
config:
  target: http://h
  processor: hooks.js
  payload:
    path: users.csv
    fields: [a]
  phases:
    - duration: 1.5
      arrivalRate: 1
    - duration: 10
  plugins:
    ensure:
      thresholds:
        - http.response_time.p99: fast
scenarios:
  - flow:
      - get: {}
      - loop:
          - post: {url: /, headers: 1}
  - engine: ws
    flow: []
"""

    assert errors(text) == [
        ('"scenarios[0].flow[0].get.url" is required', 17),
        ('"scenarios[0].flow[1].loop[0].post.headers" must be of type object', 19),
        ("Invalid duration for phase: 1.5", 8),
        ('"config.phases[1]" says nothing about arrivals', 10),
        ('"config.plugins.ensure.thresholds[0].http.response_time.p99" must be a number', 14),
        ("can't read the CSV file users.csv: No such file or directory", 5),
        ("the processor hooks.js is JavaScript or TypeScript, which can't be run here", 3),
        ("WebSocket scenarios can't be run yet (engine: ws)", 20),
    ]
    assert refused(text).exit_code == 1


@pytest.mark.parametrize(
    "steps",
    [
        "- think: 1\n  jitter: 20%",
        "- parallel: [{get: {url: /}}]\n  limit: 2",
        "- loop: [{think: 1, jitter: 5}, {log: 5}, {get: {uri: /}}]\n  count: 2",
        "- get: {url: /, gzip: 'false', followRedirect: 'True'}",
        "- head: {url: /}",
        "- purge: {url: /}",
        "- get: {url: /, json: false, body: ''}",
    ],
)
def test_what_the_rules_allow(steps: str) -> None:
    """Siblings of think and parallel, loose steps inside loops, other verbs and texts for truths are fine."""
    assert flow(steps).warnings == ()


# ---- phases ----


def phase(**values: Any) -> Phase:
    return Phase(**{"index": 0, "kind": "rate", "duration": 10.0, "written_duration": 10, **values})


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{duration: 10, arrivalRate: 5, name: up}", phase(rate=5, name="up")),
        ("{duration: '10', arrivalRate: '5'}", phase(rate=5, written_duration="10")),
        ("{duration: 10, arrivalRate: 0.5}", phase(rate=0.5)),
        ("{duration: 10, arrivalRate: 5, mode: poisson}", phase(rate=5, poisson=True)),
        ("{duration: 10s, arrivalCount: 7}", phase(kind="count", count=7, written_duration="10s")),
        ("{duration: 10, arrivalRate: 1, rampTo: 9}", phase(kind="ramp", rate=1, ramp_to=9)),
        ("{duration: 10, rampTo: 9}", phase(kind="ramp", ramp_to=9)),
        ("{rampTo: 9}", phase(kind="ramp", ramp_to=9, duration=1.0, written_duration=1)),
        ("{duration: 10, arrivalRate: 3, rampTo: 0}", phase(kind="ramp", rate=3)),
        ("{pause: 1 min}", phase(kind="pause", duration=60.0, written_duration="1 min")),
        ("{duration: 10, arrivalRate: 0}", phase(kind="pause")),
        ("{duration: 10, arrivalCount: 0}", phase(kind="pause")),
        ("{duration: 10, arrivalRate: 5, maxVusers: '3'}", phase(rate=5, max_vusers=3)),
    ],
)
def test_a_phase_is_what_it_says_first(written: str, expected: Phase) -> None:
    """Kinds, numeric texts, ramps from nothing; a rate of zero is a pause of the duration."""
    assert configured(f"  phases:\n    - {written}\n").phases == (expected,)


@pytest.mark.parametrize(
    ("written", "message", "code"),
    [
        ("{duration: ten, arrivalRate: 1}", "Invalid duration for phase: ten", 11),
        ("{duration: 1.5, arrivalRate: 1}", "Invalid duration for phase: 1.5", 11),
        ("{duration: 0, arrivalRate: 1}", "Invalid duration for phase: 0", 11),
        ("{arrivalRate: 1}", "Invalid duration for phase: undefined", 11),
        ("{pause: soon}", "Invalid duration for phase: soon", 11),
        ("{duration: 1, arrivalRate: many}", '"config.phases[0].arrivalRate" must be a number', 1),
        (
            "{duration: 1, arrivalRate: -1}",
            '"config.phases[0].arrivalRate" must be greater than or equal to 0',
            1,
        ),
        ("{duration: 1, arrivalCount: 1.5}", '"config.phases[0].arrivalCount" must be an integer', 1),
        ("{duration: 1, arivalRate: 3}", '"config.phases[0]" says nothing about arrivals', 1),
    ],
)
def test_a_phase_that_makes_no_sense_is_refused(written: str, message: str, code: int) -> None:
    """Wrong durations end with exit code 11, as in the reference."""
    error = refused(with_flow("- get: {url: /}", config=f"  phases:\n    - {written}\n"))

    assert [(p.message, p.place and p.place.line) for p in error.problems if p.severity == "error"] == [
        (message, 4)
    ]
    assert error.exit_code == code


def test_an_unknown_mode_is_warned_of_where_it_stands() -> None:
    """Once for the config's, once for a phase's own."""
    script = configured(
        "  mode: random\n  phases:\n    - {duration: 1, arrivalRate: 1}\n"
        "    - {duration: 1, arrivalRate: 1, mode: gauss}\n"
    )

    assert [(w.message, w.place and w.place.line) for w in script.warnings] == [
        ("unknown arrival mode random", 3),
        ("unknown arrival mode gauss", 6),
    ]


def test_what_a_phase_says_in_vain_is_warned_of() -> None:
    """A pause has no arrivals."""
    script = configured("  phases:\n    - {pause: 5, arrivalRate: 3}\n")

    assert warnings(script) == ['"arrivalRate" has no effect beside "pause"']


def test_no_phases_is_one_arrival_and_none_is_none() -> None:
    """A script without phases starts one user; an empty list starts nobody."""
    assert configured("").phases == (Phase(index=0, kind="count", duration=1.0, written_duration=1, count=1),)
    assert configured("  phases: []\n").phases == ()


def test_the_default_mode_is_of_the_config() -> None:
    """`config.mode` holds for phases that say nothing else."""
    script = configured(
        "  mode: poisson\n  phases:\n"
        "    - {duration: 1, arrivalRate: 1}\n    - {duration: 1, arrivalRate: 1, mode: uniform}\n"
    )

    assert [phase.poisson for phase in script.phases] == [True, False]


# ---- steps ----


def test_steps_are_compiled_by_kind() -> None:
    """Every kind of step comes out as its type, in order."""
    script = flow("""
- get: {url: "/a/{{ id }}"}
- think: 2
  jitter: 10%
- log: "hi {{ name }}"
- function: fill
- loop:
    - get: {url: /b}
    - think: 1
  over: items
  loopValue: i
  loopElement: item
  whileTrue: again
- loop: []
  over: [1, "{{ x }}"]
- loop: []
  count: 1-4
- parallel:
    - get: {url: /c}
  limit: 3
""")
    get, think, log, call, loop, literal, counted, parallel = script.scenarios[0].steps

    assert isinstance(get, Request)
    assert get.url.render({"id": 7}) == "http://h/a/7"
    assert isinstance(think, Think)
    assert (think.duration.render({}), think.jitter) == (2, "10%")
    assert isinstance(log, Log)
    assert log.text.render({"name": "you"}) == "hi you"
    assert isinstance(call, Call)
    assert call.name.render({}) == "fill"
    assert isinstance(loop, Loop)
    assert (loop.over, loop.index_variable, loop.element_variable, loop.while_true) == (
        "items",
        "i",
        "item",
        "again",
    )
    assert [type(step) for step in loop.steps] == [Request, Think]
    assert isinstance(literal, Loop)
    assert not isinstance(literal.over, str)
    assert literal.over is not None
    assert literal.over.render({"x": 2}) == [1, 2]
    assert isinstance(counted, Loop)
    assert counted.count is not None
    assert counted.count.render({}) == "1-4"
    assert isinstance(parallel, Parallel)
    assert (parallel.limit, len(parallel.steps)) == (3, 1)


def test_a_step_that_is_nothing_fails_its_user_and_is_warned_of() -> None:
    """As in the reference the user fails at run time; the author is told before, with the likely word."""
    script = flow("- thnik: 5\n- loop: [{get: {name: x}}]\n  count: 1")
    faulty, loop = script.scenarios[0].steps

    assert faulty == Faulty(error="an URL must be specified")
    assert isinstance(loop, Loop)
    assert loop.steps == (Faulty(error="an URL must be specified"),)
    assert [(w.message, w.remedy.split(".")[0]) for w in script.warnings] == [
        ('"thnik" is no known step, and no request with a url', 'Did you mean "think"?'),
        ("a request without a url", "Users will fail here"),
    ]


def test_a_pause_that_is_none_is_warned_of() -> None:
    """The user will fail at run time, the author is told before."""
    assert warnings(flow("- think: soon")) == ["Invalid think time: soon"]


def test_a_condition_that_can_not_be_read_is_warned_of() -> None:
    """The request will run, as in the reference; the author is told."""
    script = flow("- get: {url: /, ifTrue: 'a === 1'}\n- get: {url: /, ifTrue: 'a == 1'}")

    assert len(script.warnings) == 1
    assert script.warnings[0].message.startswith("the condition a === 1 can't be read")


@pytest.mark.parametrize(
    ("steps", "message", "line"),
    [
        ("- log: '{{ a + 1 }}'", "{{ a + 1 }} is no template and is sent as it stands", 5),
        ("- get:\n    url: '/{{ $nope() }}'", "unknown function $nope: the whole text is undefined", 6),
        ("- get:\n    url: '/{{ $city() }}'", "unknown function $city: the whole text is undefined", 6),
    ],
)
def test_templates_that_do_nothing_are_warned_of(steps: str, message: str, line: int) -> None:
    """Operators, and functions nobody has, are told with their line."""
    warning = flow(steps).warnings[0]

    assert (warning.message, warning.place and warning.place.line) == (message, line)


# ---- scenarios ----

THREE = HEAD + (
    "scenarios:\n  - name: buy\n    flow: []\n  - name: buy more\n    weight: 3\n    flow: []\n  - flow: []\n"
)


def test_scenarios_have_weights_names_and_hooks() -> None:
    """A scenario without a name is counted under its position."""
    script = parse(
        HEAD
        + "scenarios:\n  - weight: '{{ w }}'\n    flow: []\n    beforeRequest: sign\n    onError: [a, b]\n"
        "    beforeScenario: [x]\n    afterScenario: y\n  - name: two\n    flow: []\n"
    )
    first, second = script.scenarios

    assert (first.metric_name, second.metric_name) == ("0", "two")
    assert (first.weight.render({"w": 4}), second.weight.render({})) == (4, 1)
    assert [t.source for t in first.before_request + first.on_error] == ["sign", "a", "b"]
    assert [t.source for t in first.before_scenario + first.after_scenario] == ["x", "y"]
    assert first.document["weight"] == "{{ w }}"


@pytest.mark.parametrize(("name", "index"), [("buy", 0), ("more$", 1), ("buy more", 1)])
def test_one_scenario_can_be_chosen_by_name_or_pattern(name: str, index: int) -> None:
    """An exact name wins over a pattern that matches several; the weight no longer matters."""
    script = parse(THREE, scenario_name=name)

    assert [scenario.index for scenario in script.scenarios] == [index]
    assert script.scenarios[0].weight.render({}) == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sell", "Scenario sell not found in script"),
        ("(", "Scenario ( not found in script"),
        ("b.y", "Multiple scenarios for b.y found in script"),
    ],
)
def test_a_name_that_chooses_no_single_scenario_is_refused(name: str, message: str) -> None:
    """None and several both end with exit code 11 and the names there are."""
    error = refused(THREE, scenario_name=name)

    assert message in error.message
    assert "buy, buy more" in error.message
    assert error.exit_code == 11


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        ("ws", "WebSocket scenarios can't be run yet"),
        ("socketio", "Socket.IO scenarios can't be run yet"),
        ("playwright", "unknown engine playwright"),
    ],
)
def test_an_engine_that_is_not_here_is_refused_by_name(engine: str, said: str) -> None:
    """Exit code 11, with the line of the engine; the config's default engine counts too."""
    own = refused(HEAD + f"scenarios:\n  - engine: {engine}\n    flow: [{{send: x}}]\n")
    default = refused(HEAD + f"  engine: {engine}\nscenarios:\n  - flow: [{{send: x}}]\n")

    for error, line in ((own, 4), (default, 3)):
        problem = next(p for p in error.problems if p.severity == "error")
        assert problem.message == f"{said} (engine: {engine})"
        assert problem.place is not None
        assert problem.place.line == line
        assert error.exit_code == 11


def test_a_scenario_not_chosen_may_have_any_engine() -> None:
    """Only what is run needs its engine."""
    text = HEAD + "scenarios:\n  - name: a\n    flow: []\n  - name: b\n    engine: ws\n    flow: []\n"

    assert [s.name for s in parse(text, scenario_name="a").scenarios] == ["a"]


def test_before_and_after_are_flows_of_their_own() -> None:
    """They are compiled like scenarios."""
    script = parse(THREE + "before:\n  flow:\n    - get: {url: /login}\nafter:\n  flow: [{log: bye}]\n")

    assert script.before is not None
    assert isinstance(script.before.steps[0], Request)
    assert script.after is not None
    assert isinstance(script.after.steps[0], Log)


# ---- processor and CSV files ----


def test_the_processor_is_found_beside_the_script() -> None:
    """Its path comes out absolute."""
    script = configured("  processor: ./hooks.py\n", files={"hooks.py": ""})

    assert script.processor is not None
    assert script.processor.endswith("/hooks.py")


def test_the_processor_beside_the_config_file_wins() -> None:
    """With --config the file's own folder is looked at first."""
    files = {"conf/c.yml": "config: {processor: hooks.py}", "conf/hooks.py": "", "hooks.py": ""}
    script = parse(with_flow("- get: {url: /}"), files=files, config="conf/c.yml")

    assert script.processor is not None
    assert script.processor.endswith("/conf/hooks.py")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("hooks.js", "the processor hooks.js is JavaScript or TypeScript"),
        ("hooks.ts", "the processor hooks.ts is JavaScript or TypeScript"),
        ("hooks.mjs", "the processor hooks.mjs is JavaScript or TypeScript"),
        ("hooks.rb", "the processor hooks.rb is no Python"),
        ("hooks.py", "there is no processor hooks.py"),
    ],
)
def test_a_processor_that_can_not_be_run_is_refused(written: str, said: str) -> None:
    """The file is named, and Python is what to write."""
    error = refused(with_flow("- get: {url: /}", config=f"  processor: {written}\n"))

    assert said in error.message
    assert error.exit_code == 11
    assert error.problems[0].remedy


def test_csv_files_are_read_from_the_script_s_folder() -> None:
    """Rows are cast; order, loadAll, name and everyWorker are kept."""
    config = (
        "  payload:\n    - path: data/u.csv\n      fields: [id, name]\n      skipHeader: true\n      order: sequence\n"
        "    - {path: data/u.csv, loadAll: true, name: rows, cast: false, everyWorker: true}\n"
    )
    first, second = configured(config, files={"data/u.csv": "id,name\n1,ann\n2,bob\n"}).payloads

    assert (first.rows, first.fields, first.sequence) == (((1, "ann"), (2, "bob")), ("id", "name"), True)
    assert (second.rows[1], second.name, second.load_all, second.ordered) == (
        ("1", "ann"),
        "rows",
        True,
        False,
    )
    assert (first.every_worker, second.every_worker) == (False, True)


@pytest.mark.parametrize(
    ("payload", "message", "place"),
    [
        ("{fields: [a]}", '"config.payload[0].path" is required', "s.yml:3 (config.payload[0].path)"),
        (
            "{path: no.csv, fields: [a]}",
            "can't read the CSV file no.csv: No such file or directory",
            "s.yml:3 (config.payload[0].path)",
        ),
        (
            "{path: u.csv, fields: a}",
            '"config.payload[0].fields" must be an array',
            "s.yml:3 (config.payload[0].fields)",
        ),
        ("{path: u.csv, fields: [a]}", "Invalid Record Length: expect 1, got 2 on line 2", "u.csv:2"),
    ],
)
def test_a_csv_file_that_can_not_be_read_is_refused(payload: str, message: str, place: str) -> None:
    """The place is in the script, or in the CSV file itself."""
    error = refused(
        with_flow("- get: {url: /}", config=f"  payload: {payload}\n"), files={"u.csv": "1\n2,3\n"}
    )

    assert [(p.message, str(p.place)) for p in error.problems] == [(message, place)]


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ("{path: u.csv}", "this payload gives no variables: it has no fields"),
        ("{path: u.csv, loadAll: true}", "this payload gives no variables: loadAll needs a name"),
        ("{path: u.csv, fields: [a], order: reverse}", "unknown order reverse"),
        ("{path: u.csv, fields: [a], skipheader: true}", 'unknown key "skipheader" has no effect'),
        ("{path: u.csv, fields: [a], options: {ltrimm: 1}}", 'unknown option "ltrimm" has no effect'),
    ],
)
def test_a_payload_without_effect_is_warned_of(payload: str, message: str) -> None:
    """Nothing about a payload is ignored in silence."""
    assert warnings(configured(f"  payload: {payload}\n", files={"u.csv": "1\n"})) == [message]


# ---- settings ----


def test_default_headers_and_cookies_are_whole_objects() -> None:
    """http.defaults hides config.defaults key by key of its own, without joining inside."""
    script = configured(
        "  defaults:\n    headers: {X-Old: 1}\n    cookie: {old: 1}\n    think: {jitter: 5}\n"
        "  http:\n    defaults:\n      headers: {X-New: 1}\n      strictCapture: false\n"
    )

    assert [name for name, _ in script.http.default_headers] == ["user-agent", "x-new"]
    assert [name for name, _ in script.http.default_cookies] == ["old"]
    assert script.http.think_jitter == 5
    assert script.http.strict_capture is False


def test_the_user_agent_is_ours_unless_the_script_has_one() -> None:
    """The tool names itself, also beside other default headers (the reference then names its HTTP library)."""
    default = configured("  http: {defaults: {headers: {a: b}}}\n").http.default_headers
    own = configured("  http: {defaults: {headers: {User-Agent: mine}}}\n").http.default_headers

    assert str(dict(default)["user-agent"].source).startswith("Grapeshot/")
    assert [(name, template.source) for name, template in own] == [("user-agent", "mine")]


@pytest.mark.parametrize(
    ("config", "timeout"),
    [("", None), ("  http: {timeout: '3'}\n", 3.0), ("  timeout: 4\n  http: {timeout: 3}\n", 4.0)],
)
def test_the_timeout_of_the_config_comes_first(config: str, timeout: float | None) -> None:
    """`config.timeout` beats `http.timeout`; without either there is none."""
    assert configured(config).http.timeout == timeout


def test_a_timeout_that_is_no_number_is_warned_of() -> None:
    """Every request will fail, as in the reference."""
    script = configured("  http: {timeout: fast}\n")

    assert script.http.timeout != script.http.timeout
    assert warnings(script) == ["the timeout fast is not a number"]


@pytest.mark.parametrize(
    ("written", "prefix", "sampled"),
    [
        ("true", "a9", True),
        ("false", None, True),
        ("{enabled: true, sampled: false, traceIdPrefix: 'XAB-12'}", "ab12", False),
        ("{enabled: true, traceIdPrefix: zzz}", "a9", True),
        ("{sampled: true}", None, True),
    ],
)
def test_tracing_is_read(written: str, prefix: str | None, sampled: bool) -> None:
    """The prefix is cleaned to at most eight hexadecimal digits."""
    http = configured(f"  http: {{distributedTracing: {written}}}\n").http

    assert (http.trace_prefix, http.trace_sampled) == (prefix, sampled)


def test_other_http_settings_are_read() -> None:
    """Pool, extended metrics (also by environment), TLS and cookie options come through."""
    http = configured(
        "  tls: {rejectUnauthorized: false}\n  http: {pool: '5', cookieJarOptions: {looseMode: true}}\n",
        env={"ARTILLERY_EXTENDED_HTTP_METRICS": "1"},
    ).http

    assert (http.pool, http.extended_metrics) == (5, True)
    assert http.tls == {"rejectUnauthorized": False}
    assert http.cookie_options == {"looseMode": True}


# ---- plugins ----


def test_metrics_by_endpoint_is_on_and_quiet_unless_listed() -> None:
    """Without being listed it drops query strings and is hidden; listed, its own defaults hold."""
    default = configured("").plugins
    listed = configured("  plugins: {metrics-by-endpoint: {useOnlyRequestNames: true}}\n").plugins

    assert default.endpoints == EndpointSettings()
    assert default.suppressed == ("plugins.metrics-by-endpoint",)
    assert listed.endpoints == EndpointSettings(
        only_request_names=True, strip_query=False, suppress_output=False
    )
    assert listed.suppressed == ()


def test_expect_settings_are_read() -> None:
    """`formatter` is an older name of `outputFormat`."""
    plugins = configured("  plugins: {expect: {formatter: json, expectDefault200: true}}\n").plugins

    assert plugins.expect == ExpectSettings(output_format="json", default_200=True)
    assert configured("").plugins.expect is None


def test_checks_come_in_the_order_of_definition() -> None:
    """Thresholds, conditions, legacy limits, error rate – whatever order they are written in."""
    plugins = configured("""\
  plugins:
    ensure:
      maxErrorRate: 1
      p99: 200
      max: '500'
      conditions:
        - expression: http.codes.200 > 0 and vusers.failed == 0
        - expression: http.request_rate > 10
          strict: false
      thresholds:
        - http.response_time.p95: 100
        - vusers.session_length.max: 5.5
""").plugins

    assert plugins.ensure == (
        Check(label="http.response_time.p95 < 100", expression="http.response_time.p95 < 100"),
        Check(label="vusers.session_length.max < 5.5", expression="vusers.session_length.max < 5.5"),
        Check(
            label="http.codes.200 > 0 and vusers.failed == 0",
            expression="http.codes.200 > 0 and vusers.failed == 0",
        ),
        Check(label="http.request_rate > 10", expression="http.request_rate > 10", strict=False),
        Check(label="p99 < 200", expression="http.response_time.p99 < 200"),
        Check(label="max < 500", expression="http.response_time.max < 500"),
        Check(label="maxErrorRate < 1", expression="", max_error_rate=1.0),
    )


def test_checks_may_end_the_load() -> None:
    """`abortOnFail` and its delay stand beside a threshold's metric, or a condition's expression."""
    plugins = configured("""\
  plugins:
    ensure:
      thresholds:
        - http.response_time.p95: 200
          abortOnFail: true
        - http.response_time.p99: 400
          http.response_time.max: 900
          abortOnFail: 'true'
          delayAbortEval: 30s
        - vusers.session_length.max: 5
          abortOnFail: false
          delayAbortEval: 10
      conditions:
        - expression: vusers.failed / vusers.created < 0.1
          abortOnFail: true
          delayAbortEval: 1.5
""").plugins

    assert [(check.label, check.abort_after) for check in plugins.ensure or ()] == [
        ("http.response_time.p95 < 200", 0.0),
        ("http.response_time.p99 < 400", 30.0),
        ("http.response_time.max < 900", 30.0),
        ("vusers.session_length.max < 5", None),
        ("vusers.failed / vusers.created < 0.1", 1.5),
    ]


def test_an_abort_condition_that_makes_no_sense_is_refused() -> None:
    """All of them at once, each at its line; what doesn't fail the run can't end it either."""
    config = """\
  plugins: {ensure: {}}
  ensure:
    thresholds:
      - a: 1
        abortOnFail: always
      - a: 1
        delayAbortEval: 5
      - abortOnFail: true
      - a: 1
        abortOnFial: true
    conditions:
      - expression: a < 1
        abortOnFail: true
        delayAbortEval: soon
      - expression: a < 1
        abortOnFail: true
        strict: false
"""
    problems = refused(with_flow("- get: {url: /}", config=config)).problems

    assert [(p.message, p.place and p.place.line) for p in problems] == [
        ('"config.ensure.thresholds[0].abortOnFail" must be a boolean', 7),
        ('"config.ensure.thresholds[1].delayAbortEval" has no meaning without abortOnFail', 9),
        ('"config.ensure.thresholds[2]" names no metric', 10),
        ('"config.ensure.thresholds[3].abortOnFial" must be a number', 12),
        ('"config.ensure.conditions[0].delayAbortEval" must be a duration, not soon', 16),
        ('"config.ensure.conditions[1].abortOnFail" contradicts "strict: false"', 18),
    ]
    assert all(problem.place and problem.place.path and problem.remedy for problem in problems)
    assert problems[3].remedy == 'Did you mean "abortOnFail"?'


def test_an_unknown_key_of_a_condition_is_warned_of() -> None:
    """A mistyped `abortOnFail` would end nothing, in silence."""
    script = configured("  plugins: {ensure: {conditions: [{expression: a < 1, abortOnFial: true}]}}\n")

    assert warnings(script) == ['unknown key "abortOnFial" has no effect']
    assert script.warnings[0].remedy == 'Did you mean "abortOnFail"?'


def test_an_ensure_expression_that_can_not_be_read_is_refused() -> None:
    """With its line, before anything is started."""
    config = "  plugins:\n    ensure:\n      conditions:\n        - expression: http.codes.200 >\n"
    ((message, line),) = errors(with_flow("- get: {url: /}", config=config))

    assert message.startswith("the expression http.codes.200 > can't be read:")
    assert line == 6


def test_checks_may_stand_in_the_config_when_the_plugin_is_listed() -> None:
    """`config.ensure` counts only beside `plugins.ensure`; alone it is warned of."""
    listed = configured("  plugins: {ensure: {}}\n  ensure: {p95: 10}\n")
    alone = configured("  ensure: {p95: 10}\n")

    assert [check.label for check in listed.plugins.ensure or ()] == ["p95 < 10"]
    assert alone.plugins.ensure is None
    assert warnings(alone) == ['"ensure" has no effect without its plugin']


def test_checks_can_be_switched_off_by_the_environment() -> None:
    """The reference's variable is honoured."""
    plugins = configured("  plugins: {ensure: {p95: 10}}\n", env={"ARTILLERY_DISABLE_ENSURE": "1"}).plugins

    assert plugins.ensure is None


def test_apdex_has_a_threshold() -> None:
    """500 ms unless written, with the plugin or in the config."""
    assert configured("").plugins.apdex is None
    assert configured("  plugins: {apdex: {}}\n").plugins.apdex == 500
    assert configured("  plugins: {apdex: {threshold: 100}}\n").plugins.apdex == 100
    assert configured("  plugins: {apdex: {}}\n  apdex: {threshold: 50}\n").plugins.apdex == 50


def test_fake_data_adds_functions() -> None:
    """Templates can call them once the plugin is listed."""
    script = configured("  plugins: {fake-data: {}}\n")

    assert "@" in script.functions["$internetEmail"]()
    assert "$internetEmail" not in configured("").functions


@pytest.mark.parametrize(
    ("plugins", "message", "remedy"),
    [
        ("{expct: {}}", "unknown plugin expct has no effect", 'Did you mean "expect"?'),
        ("{publish-metrics: []}", "the plugin publish-metrics is not supported", "--output"),
        ("{slack: {}}", "the plugin slack is not supported", "workflow"),
        ("{apdex: {treshold: 1}}", 'unknown key "treshold" has no effect', 'Did you mean "threshold"?'),
        ("{expect: {outputFormat: nice}}", "unknown format nice", "pretty, json"),
        ("{fake-data: {nothing: {}}}", "there is no fake-data function `nothing`", ""),
    ],
)
def test_a_plugin_without_effect_is_warned_of(plugins: str, message: str, remedy: str) -> None:
    """By name, with what to do."""
    warning = configured(f"  plugins: {plugins}\n").warnings[0]

    assert warning.message.startswith(message)
    assert remedy in warning.remedy
    assert warning.place is not None
    assert warning.place.line == 3


# ---- unknown keys ----


@pytest.mark.parametrize(
    ("text", "key", "line", "hint"),
    [
        (THREE + "scenario: 1\n", "scenario", 10, "scenarios"),
        (with_flow("- log: x", config="  enviroments: {}\n"), "enviroments", 3, "environments"),
        (with_flow("- log: x", config="  http:\n    timeOut: 5\n"), "timeOut", 4, "timeout"),
        (
            with_flow(
                "- log: x", config="  phases:\n    - duration: 1\n      arrivalRate: 1\n      rampto: 3\n"
            ),
            "rampto",
            6,
            "rampTo",
        ),
        (
            with_flow("- log: x", config="  environments:\n    e:\n      tagret: x\n"),
            "tagret",
            5,
            "target",
        ),
        (HEAD + "scenarios:\n  - wieght: 3\n    flow: []\n", "wieght", 4, "weight"),
        (with_flow("- get:\n    url: /\n    header: {}"), "header", 7, "headers"),
        (with_flow("- loop: []\n  cuont: 3"), "cuont", 6, "count"),
        (with_flow("- head: {url: /}\n- head:\n    url: /\n    ulr: /"), "ulr", 8, "url"),
        (with_flow("- loop:\n    - parallel: []\n      limt: 3\n  count: 1"), "limt", 7, "limit"),
        (
            with_flow("- get:\n    url: /\n    capture: {json: $.a, as: b, stict: false}"),
            "stict",
            7,
            "strict",
        ),
        (
            with_flow("- get:\n    url: /\n    expect:\n      - statuscode: 200"),
            "statuscode",
            8,
            "statusCode",
        ),
    ],
)
def test_an_unknown_key_is_warned_of_with_the_nearest(text: str, key: str, line: int, hint: str) -> None:
    """Every level of a script knows its keys."""
    warning = parse(text).warnings[0]

    assert warning.message == f'unknown key "{key}" has no effect'
    assert warning.remedy == f'Did you mean "{hint}"?'
    assert warning.place is not None
    assert warning.place.line == line


def test_keys_that_hold_anchors_are_no_concern() -> None:
    """Top-level keys that start with a dot, an underscore or x- are the author's own."""
    text = f"x-all: &a {{think: 1}}\n.b: 1\n_c: 2\n{THREE}".replace("flow: []", "flow: [*a]")

    assert parse(text).warnings == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (with_flow("- get: {url: /, timeout: 3}"), '"timeout" of a request has no effect'),
        (with_flow("- get: {url: /, retry: 3}"), '"retry" of a request has no effect'),
        (with_flow("- log: x", config="  statsInterval: 5\n"), '"statsInterval" has no effect'),
        (with_flow("- log: x", config="  http: {maxSockets: 5}\n"), '"maxSockets" has no effect'),
    ],
)
def test_a_key_without_effect_is_warned_of(text: str, message: str) -> None:
    """What is accepted and does nothing is told."""
    assert warnings(parse(text)) == [message]


def test_a_request_s_own_timeout_never_reaches_the_request() -> None:
    """Only a function may set it."""
    step = flow("- get: {url: /, timeout: 3}").scenarios[0].steps[0]

    assert isinstance(step, Request)
    assert step.timeout is None
    assert "timeout" not in step.params


# ---- speed ----


def test_a_script_of_two_hundred_requests_loads_in_well_under_a_second() -> None:
    """Reading, checking and compiling stay far below what a person notices."""
    request = (
        '- post:\n    url: "/api/{{ id }}"\n    headers: {authorization: "Bearer {{ token }}"}\n'
        '    json: {name: "{{ name }}", tags: [1, 2, 3]}\n    capture: {json: $.id, as: id}\n'
    )
    text = with_flow("\n".join([request.strip("\n")] * 200))
    start = time.process_time()

    script = parse(text)

    assert time.process_time() - start < 0.7
    assert len(script.scenarios[0].steps) == 200
