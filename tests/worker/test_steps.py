"""Steps of a flow, run by a user against a real server: loops, parallel, think, log, functions, conditions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from grapeshot_worker.traffic.steps import count_range
from one_user import play
from target import Target, serve

HOOKS = """
def again(context, done):
    context.vars["turn"] = context.vars.get("turn", 0) + 1
    done(context.vars["turn"] < 3)

async def once(context):
    return False

def choose(context, events):
    context.vars["chosen"] = [1, {"a": 2}]

def fail(context, events):
    raise ValueError("my error")

def refuse(context, events, done):
    done("no more")

def is_seven(variables):
    return variables["n"] == 7
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Target]:
    """One recording server for all tests of the file."""
    with serve() as running:
        yield running


def logged(server: Target, folder: Path, flow: str, config: str = "") -> list[str]:
    """Give the lines a flow prints."""
    return play(flow, server, folder, config=config, hooks=HOOKS).lines


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ("count: 2", ["0 0", "1 0"]),
        ('count: "2-4"', ["2 2", "3 2"]),
        ("count: 1.5", ["0 0", "1 0"]),
        ('count: "{{ n }}"', ["0 0", "1 0"]),
        ('count: "1-{{ n }}"', ["1 1"]),
        ('count: "0"', []),
        ("count: many", []),
        ('count: "5-2"', []),
        ("over: letters", ["0 a", "1 b"]),
        ("over: deep.letters", ["0 x"]),
        ('over: [p, "{{ n }}", "q{{ $loopCount }}"]', ["0 p", "1 2", "2 q2"]),
        ("over: nobody", []),
        ("over: n", []),
        ("over: letters\ncount: 1", ["0 a", "1 b"]),
        ('over: letters\ncount: "1-9"', ["1 b"]),
    ],
)
def test_a_loop_turns_as_often_as_it_says(
    server: Target, tmp_path: Path, options: str, lines: list[str]
) -> None:
    """`over` beats `count`, of which only the first index counts then; the upper end is exclusive."""
    flow = '- loop: [ { log: "{{ $loopCount }} {{ $loopElement }}" } ]\n' + indented(options)
    config = "variables: { n: 2, letters: [[a, b]], deep: { letters: [x] } }"

    assert logged(server, tmp_path, flow, config) == lines


def indented(options: str) -> str:
    return "\n".join(f"  {line}" for line in options.splitlines())


@pytest.mark.parametrize(
    ("options", "last"),
    [("count: 3", "3 0"), ("over: letters", "2 undefined"), ("over: none", "0 undefined")],
)
def test_after_a_loop_its_variables_are_one_past_the_last(
    server: Target, tmp_path: Path, options: str, last: str
) -> None:
    """The index one beyond, where `over` has no element any more."""
    flow = f'- loop: [ {{ think: 0 }} ]\n  {options}\n- log: "{{{{ $loopCount }}}} {{{{ $loopElement }}}}"'

    assert logged(server, tmp_path, flow, "variables: { letters: [[a, b]] }") == [last]


def test_nested_loops_share_their_names_unless_renamed(server: Target, tmp_path: Path) -> None:
    """The inner loop leaves its index behind; a renamed one keeps out of the way."""
    flow = """
    - loop:
        - loop: [ { log: "{{ outer }} {{ $loopCount }}" } ]
          count: 2
        - log: "inner left {{ $loopCount }}"
      count: 2
      loopValue: outer
    """
    inner = ["inner left 2"]

    assert logged(server, tmp_path, flow) == ["0 0", "0 1", *inner, "1 0", "1 1", *inner]


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ("whileTrue: again", ["0 0", "1 0", "2 0"]),
        ("whileTrue: once", ["0 0"]),
        ("whileTrue: again\ncount: 1", ["0 0", "1 0", "2 0"]),
        ("whileTrue: once\ncount: 5", ["0 0"]),
        ("whileTrue: again\nover: letters", ["0 a", "1 b", "2 undefined"]),
        ("whileTrue: once\nover: letters", ["0 a"]),
    ],
)
def test_while_true_alone_decides_when_a_loop_ends(
    server: Target, tmp_path: Path, options: str, lines: list[str]
) -> None:
    """It is asked after each turn, and beats `count` and `over`, whose elements are walked all the same."""
    flow = '- loop: [ { log: "{{ $loopCount }} {{ $loopElement }}" } ]\n' + indented(options)

    assert logged(server, tmp_path, flow, "variables: { letters: [[a, b]] }") == lines


def test_an_unknown_while_true_leaves_it_to_the_rest(server: Target, tmp_path: Path) -> None:
    """It is told once, and `count` decides."""
    lines = logged(server, tmp_path, "- loop: [ { log: turn } ]\n  whileTrue: nobody\n  count: 2")

    assert lines == ["WARNING: custom function nobody could not be found", "turn", "turn"]


@pytest.mark.parametrize("written", [0, -1, None])
def test_a_loop_without_an_end(written: int | None) -> None:
    """The number 0, a negative one, or none at all: only an error ends it."""
    assert count_range(written) == (0, None)


def test_an_endless_loop_ends_with_an_error(server: Target, tmp_path: Path) -> None:
    """The user fails, and that is the end of it."""
    flow = '- loop: [ { get: { url: "/items/{{ $loopCount }}", match: { json: $.id, value: 1 } } } ]'
    story = play("- loop: [ { function: fail } ]", server, tmp_path, hooks=HOOKS)
    matched = play(flow, server, tmp_path)

    assert story.errors == {"my error": 1}
    assert matched.errors == {"Failed capture or match": 1}


def test_parallel_steps_share_the_single_connection_of_a_user(server: Target, tmp_path: Path) -> None:
    """Without a pool they take turns on it; all have ended before the next step."""
    flow = """
    - parallel: [ { get: { url: /delay/40 } }, { get: { url: /health } }, { log: three } ]
    - get: { url: /items }
    """
    story = play(flow, server, tmp_path)

    assert story.sent == ["GET /delay/40", "GET /health", "GET /items"]
    assert len({request.connection for request in story.requests}) == 1
    assert story.lines == ["three"]


def test_parallel_steps_with_a_pool_are_under_way_together(server: Target, tmp_path: Path) -> None:
    """As many as the pool has connections."""
    flow = (
        "- parallel: [ { get: { url: /delay/60 } }, { get: { url: /delay/50 } }, { get: { url: /health } } ]"
    )
    story = play(flow, server, tmp_path, config="http: { pool: 2 }")

    assert len({request.connection for request in story.requests}) == 2
    assert story.requests[1].at - story.requests[0].at < 0.04


def test_parallel_takes_no_more_than_its_limit_at_once(server: Target, tmp_path: Path) -> None:
    """The third waits until one of two is through."""
    steps = ", ".join("{ get: { url: /delay/50 } }" for _ in range(3))
    flow = f"- loop:\n    - parallel: [ {steps} ]\n      limit: 2\n  count: 1"
    story = play(flow, server, tmp_path, config="http: { pool: 5 }")

    assert story.requests[2].at - story.requests[1].at > 0.045


def test_a_failing_parallel_step_cancels_the_others(server: Target, tmp_path: Path) -> None:
    """A failed user's requests are counted for nobody."""
    flow = "- parallel: [ { get: { url: /delay/900 } }, { get: { url: 'http://127.0.0.1:1/' } } ]\n- log: no"
    story = play(flow, server, tmp_path, config="http: { pool: 5 }")

    assert story.errors == {"ECONNREFUSED": 1}
    assert "http.responses" not in story.counters
    assert story.lines == []


def test_an_invalid_think_time_fails_the_user(server: Target, tmp_path: Path) -> None:
    """It may come out of a variable, so it is found when the user gets there."""
    story = play("- think: '{{ n }}'\n- log: no", server, tmp_path, config="variables: { n: soon }")

    assert story.errors == {"Invalid think time: soon": 1}
    assert story.lines == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{{ n }}", "7"),
        ("{{ list }}", '[\n  1,\n  "a"\n]'),
        ("{{ object }}", '{\n  "a": {\n    "b": 1\n  }\n}'),
        ("{{ nothing }}", "null"),
        ("{{ absent }}", "undefined"),
        ("is {{ list }}", 'is [1,"a"]'),
    ],
)
def test_log_prints_a_value_that_is_no_text_as_json(
    server: Target, tmp_path: Path, text: str, line: str
) -> None:
    """A whole value is indented, one inside a text is compact."""
    config = "variables: { n: 7, list: [[1, a]], object: { a: { b: 1 } }, nothing: null }"

    assert logged(server, tmp_path, f"- log: '{text}'", config) == [line]


def test_a_function_step_changes_the_variables_of_its_user(server: Target, tmp_path: Path) -> None:
    """What it sets can be used by the next step."""
    assert logged(server, tmp_path, "- function: choose\n- log: '{{ chosen[1].a }}'") == ["2"]


def test_an_unknown_function_is_counted_and_the_user_goes_on(server: Target, tmp_path: Path) -> None:
    """As in the reference."""
    story = play("- function: nobody\n- log: still", server, tmp_path, hooks=HOOKS)

    assert story.errors == {'Undefined function "nobody"': 1}
    assert story.counters["vusers.completed"] == 1
    assert story.lines[-1] == "still"


@pytest.mark.parametrize(("function", "name"), [("fail", "my error"), ("refuse", "no more")])
def test_a_function_that_fails_ends_its_user(
    server: Target, tmp_path: Path, function: str, name: str
) -> None:
    """Under its message, also when `done` gets a text; nothing follows, not even `afterScenario`."""
    story = play(
        f"- function: {function}\n- log: no", server, tmp_path, hooks=HOOKS, scenario="afterScenario: choose"
    )

    assert story.errors == {name: 1}
    assert story.counters["vusers.failed"] == 1
    assert "no" not in story.lines


CONDITIONS = {
    "is_seven": True,
    "n == 7": True,
    "n > 8": False,
    "absent": False,
    "not absent": True,
    'name == "ada"': True,
    "name == 'ada'": False,  # single quotes are for names
    "n in (7, 8)": True,
    "n not in (7, 8)": False,
    'name ~= "^a"': True,
    "n % 2 == 1 and yes": True,
    "yes": True,
    "none": False,
    "empty": False,
    "object.a == 1": False,  # a dot is part of a name
    "a of object == 1": True,
    "n === 7": True,  # what can't be read holds nothing back
    "n +": True,
    "max(1, n) == 7 and 2^3 == 8": True,
}


def test_if_true_decides_whether_a_request_is_made(server: Target, tmp_path: Path) -> None:
    """A function, or an expression; a request held back is no error."""
    flow = "\n".join(
        f"- get: {{ url: '/status/{200 + i}', ifTrue: '{text.replace(chr(39), chr(39) * 2)}' }}"
        for i, text in enumerate(CONDITIONS)
    )
    config = "variables: { n: 7, name: ada, yes: true, none: null, empty: '', object: { a: 1 } }"
    story = play(flow, server, tmp_path, config=config, hooks=HOOKS)
    made = [int(request.path.removeprefix("/status/")) - 200 for request in story.requests]

    assert made == [i for i, holds in enumerate(CONDITIONS.values()) if holds]
    assert story.counters["vusers.completed"] == 1


@pytest.mark.parametrize(
    ("written", "made"), [("0", 0), ("100", 9), ("'100'", 9), ("'{{ n }}'", 0), ("often", 0)]
)
def test_probability_is_a_percentage(server: Target, tmp_path: Path, written: str, made: int) -> None:
    """Never at 0, always at 100; what is no number is no chance."""
    flow = f"- loop: [ {{ get: {{ url: /health, probability: {written} }} }} ]\n  count: 9"
    story = play(flow, server, tmp_path, config="variables: { n: 0 }")

    assert len(story.requests) == made
    assert story.counters["vusers.completed"] == 1


def test_scenario_functions_run_around_the_flow(server: Target, tmp_path: Path) -> None:
    """`beforeScenario` first, `afterScenario` last, lists in their order."""
    hooks = """
    def first(context, events): context.vars["order"] = ["first"]
    async def second(context, events): context.vars["order"].append("second")
    def last(context, events): events.emit("counter", ",".join(context.vars["order"]), 2)
    """
    story = play(
        "- log: '{{ order[1] }}'",
        server,
        tmp_path,
        hooks=hooks,
        scenario="beforeScenario: [first, second]\nafterScenario: last",
    )

    assert story.lines == ["second"]
    assert story.counters["first,second"] == 2
