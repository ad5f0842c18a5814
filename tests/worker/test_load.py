"""From files and flags to one document."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

import pytest

from grapeshot_worker.errors import ScriptError
from grapeshot_worker.script.functions import builtin_functions
from grapeshot_worker.script.load import ScriptOptions, load_script
from grapeshot_worker.script.model import ScriptSource

SCRIPT = """\
config:
  target: http://base
  phases:
    - duration: 60
      arrivalRate: 10
      name: steady
    - duration: 5
      arrivalCount: 2
  environments:
    staging:
      target: http://staging
      phases:
        - duration: 1
scenarios:
  - flow:
      - get:
          url: /
"""


def reader(files: dict[str, str]) -> Callable[[str], str]:
    def read(path: str) -> str:
        if path not in files:
            raise FileNotFoundError(2, "No such file or directory", path)
        return files[path]

    return read


def load(
    script: str = SCRIPT, *, files: dict[str, str] | None = None, env: Any = None, **flags: Any
) -> ScriptSource:
    return load_script(
        ScriptOptions(script="s.yml", **flags),
        environ=env or {},
        read_text=reader({"s.yml": script, **(files or {})}),
        functions=builtin_functions(random.Random(1)),
    )


def config(config_yaml: str, **flags: Any) -> Any:
    text = "config:\n  target: http://h\n" + config_yaml + "\nscenarios: []\n"
    return load(text, **flags).document["config"]


def test_a_script_alone_is_its_own_document() -> None:
    """Without flags the document is the file, with the places of its lines."""
    source = load()

    assert source.document["config"]["target"] == "http://base"
    assert source.directory == "."
    assert source.marks["config", "phases", 1, "duration"].line == 7
    assert source.warnings == ()


def test_files_join_in_the_order_script_inputs_config() -> None:
    """Later files win: the script, then -i, then --config."""
    files = {
        "i.yml": "config:\n  target: http://input\n  timeout: 3\n",
        "c.json": '{"config": {"target": "http://config"}}',
    }
    source = load(files=files, inputs=("i.yml",), config="c.json")

    assert source.document["config"]["target"] == "http://config"
    assert source.document["config"]["timeout"] == 3
    assert source.marks["config", "target"].file == "c.json"
    assert source.config_path == "c.json"


def test_an_environment_is_laid_over_the_config() -> None:
    """Its values win; phases join by position, so keys of the base survive; places point to the environment."""
    source = load(environment="staging")

    assert source.document["config"]["target"] == "http://staging"
    assert source.document["config"]["phases"] == [
        {"duration": 1, "arrivalRate": 10, "name": "steady"},
        {"duration": 5, "arrivalCount": 2},
    ]
    assert source.marks["config", "target"].line == 11
    assert source.environment == "staging"


def test_an_unknown_environment_is_a_warning_with_the_known_ones() -> None:
    """The run goes on, `$environment` is set all the same."""
    source = load(SCRIPT.replace("http://base", "'http://{{ $environment }}'"), environment="stagin")

    assert source.document["config"]["target"] == "http://stagin"
    assert [warning.message for warning in source.warnings] == ["the script has no environment stagin"]
    assert source.warnings[0].remedy == 'Known environments: staging. Did you mean "staging"?'
    assert str(source.warnings[0].place) == "s.yml:9 (config.environments)"


def test_target_and_insecure_flags_win() -> None:
    """-t replaces the target, -k accepts bad certificates and keeps other TLS settings."""
    tls = SCRIPT.replace("  target: http://base", "  target: http://base\n  tls:\n    ca: x.pem")
    document = load(tls, target="http://flag", insecure=True).document

    assert document["config"]["target"] == "http://flag"
    assert document["config"]["tls"] == {"ca": "x.pem", "rejectUnauthorized": False}


def test_a_single_payload_becomes_a_list_of_one() -> None:
    """Its keys keep their lines."""
    source = load("config:\n  target: http://h\n  payload:\n    path: a.csv\nscenarios: []\n")

    assert source.document["config"]["payload"] == [{"path": "a.csv"}]
    assert source.marks["config", "payload", 0, "path"].line == 4


def test_the_payload_flag_gives_the_path_as_seen_from_the_script() -> None:
    """-p is relative to the working directory, the document's path to the script."""
    source = load_script(
        ScriptOptions(script="tests/s.yml", payload="data/users.csv"),
        environ={},
        read_text=reader({"tests/s.yml": "config:\n  target: h\n  payload:\n    fields: [a]\n"}),
        functions={},
    )

    assert source.document["config"]["payload"] == [{"fields": ["a"], "path": "../data/users.csv"}]
    assert source.directory == "tests"


def test_the_payload_flag_without_a_single_payload_is_a_warning() -> None:
    """It can't say which file of a list it means."""
    assert [w.message for w in load(payload="x.csv").warnings] == ["--payload has no effect on this script"]


def test_overrides_replace_arrays_as_a_whole() -> None:
    """--overrides joins mappings, but a list in it is the list."""
    document = load(overrides='{"config": {"phases": [{"duration": 2}]}, "before": {"flow": []}}').document

    assert document["config"]["phases"] == [{"duration": 2}]
    assert document["config"]["target"] == "http://base"
    assert document["before"] == {"flow": []}


def test_variables_are_assigned_key_by_key() -> None:
    """-v replaces a variable as a whole and leaves the others."""
    got = config("  variables:\n    a: {x: 1}\n    b: 2", variables='{"a": {"y": 3}, "c": [1]}')

    assert got["variables"] == {"a": {"y": 3}, "b": 2, "c": [1]}


def test_config_is_filled_in_once_from_what_is_known_before_the_run() -> None:
    """The environment, places and -v keys have values in config; functions too, once per run."""
    got = config(
        "  http:\n    defaults:\n      headers:\n        auth: 'Bearer {{ $env.TOKEN }}'\n        from: '{{ who }}'\n"
        "        here: '{{ $dirname }}'\n        id: '{{ $testId }}'\n        rnd: '{{ $randomNumber(4, 4) }}'\n"
        "        '{{ who }}-key': 1",
        env={"TOKEN": "t0k"},
        variables='{"who": "me"}',
        test_id="t1",
    )

    assert got["http"]["defaults"]["headers"] == {
        "auth": "Bearer t0k",
        "from": "me",
        "here": ".",
        "id": "t1",
        "rnd": "4",
        "me-key": 1,
    }


def test_what_has_no_value_in_config_disappears_with_a_warning() -> None:
    """A whole-value template removes its key, a part of a text becomes `undefined`; both are told."""
    source = load(
        "config:\n  target: http://h\n  variables: {a: 1}\n"
        "  ws:\n    x: '{{ a }}'\n    y: 'v-{{ a }}'\n    z: ['{{ a }}']\n"
    )

    assert source.document["config"]["ws"] == {"y": "v-undefined", "z": [None]}
    assert [str(w.place) for w in source.warnings] == [
        "s.yml:5 (config.ws.x)",
        "s.yml:6 (config.ws.y)",
        "s.yml:7 (config.ws.z[0])",
    ]
    assert source.warnings[0].message == "{{ a }} has no value in config"


def test_environments_not_chosen_need_no_values() -> None:
    """A missing variable of another environment is nobody's concern."""
    text = "config:\n  target: http://h\n  environments:\n    prod:\n      target: '{{ $env.PROD }}'\n"

    assert load(text).warnings == ()


def test_the_scenario_file_is_absolute() -> None:
    """`$scenarioFile` is the script's absolute path."""
    assert config("  includeFiles: ['{{ $scenarioFile }}']")["includeFiles"] == [os.path.abspath("s.yml")]


@pytest.mark.parametrize("flags", [{"solo": True}, {}])
def test_solo_or_no_phases_is_one_arrival(flags: dict[str, Any]) -> None:
    """--solo replaces the phases; a script without any gets the same."""
    script = SCRIPT if flags else "config:\n  target: http://h\nscenarios: []\n"

    assert load(script, **flags).document["config"]["phases"] == [{"duration": 1, "arrivalCount": 1}]


def test_an_empty_list_of_phases_stays_empty() -> None:
    """`phases: []` means no arrivals."""
    assert config("  phases: []")["phases"] == []


def test_dotenv_fills_what_the_environment_lacks() -> None:
    """Variables that exist win over the file's."""
    got = config(
        "  variables: {a: '{{ $env.A }}', b: '{{ $env.B }}'}",
        files={".env": "A=file\nB=file\n"},
        env={"A": "own"},
        dotenv=".env",
    )

    assert got["variables"] == {"a": "own", "b": "file"}


def test_a_missing_dotenv_is_a_warning() -> None:
    """The run goes on without it."""
    warning = load(dotenv="no.env").warnings[0]

    assert warning.message == "can't read the environment file no.env: No such file or directory"
    assert warning.severity == "warning"


@pytest.mark.parametrize(
    ("script", "message", "remedy"),
    [
        ("scenarios: []", '"config" is required', "Add 'config:'"),
        ("config: 3", '"config" must be of type object', "Add 'config:'"),
        ("config: {}", "No target specified and no environment chosen", "--target"),
        ("", "the file is empty", "config and scenarios"),
        ("- a", "the file is not a mapping", "config and scenarios"),
    ],
)
def test_what_a_script_can_not_be_without(script: str, message: str, remedy: str) -> None:
    """config and a target are needed before anything else is looked at."""
    with pytest.raises(ScriptError) as caught:
        load(script)

    assert [problem.message for problem in caught.value.problems] == [message]
    assert remedy in caught.value.problems[0].remedy
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    ("file", "message", "remedy"),
    [
        ("s.txt", "Unknown file type", "ends in .yml, .yaml, .json"),
        ("s.ts", "s.ts is a JavaScript or TypeScript module, which can't be run here", "YAML or JSON"),
        ("no.yml", "the file can't be read: No such file or directory", "Check the path"),
    ],
)
def test_a_file_that_can_not_be_a_script_is_refused(file: str, message: str, remedy: str) -> None:
    """Its name is told, and what to do."""
    with pytest.raises(ScriptError) as caught:
        load_script(ScriptOptions(script=file), environ={}, read_text=reader({}), functions={})

    assert caught.value.problems[0].message == message
    assert remedy in caught.value.problems[0].remedy


def test_all_unreadable_inputs_are_told_at_once() -> None:
    """Two broken files and two bad flags make four problems."""
    with pytest.raises(ScriptError) as caught:
        load("a: b: c", inputs=("x.yml",), variables="{a: 1}", overrides="[1]")

    assert [problem.message.split(":")[0] for problem in caught.value.problems] == [
        "not valid YAML",
        "the file can't be read",
        "--variables is not valid JSON",
        "--overrides is not a JSON object",
    ]
