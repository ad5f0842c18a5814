"""Scripts as people really break them: each is refused, or warned of, in one clear message with its place.

One table: what is wrong → what is said, where, with which exit code. `check` and `run` say the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from grapeshot_launcher.__main__ import answer

HEAD = "config:\n  target: http://127.0.0.1:9\n"
FLOW = "scenarios:\n  - flow:\n"
GET = "      - get: {url: /}\n"
PLAIN = HEAD + FLOW + GET

FILES = {
    "ok.csv": b"1,2\n3,4\n",
    "long_row.csv": b"1,2\n3,4\n5,6,7\n",
    "latin.csv": b"\xe9,1\n",
    "empty.csv": b"",
    "fine.py": b"def good(request, context, events): ...\n\nasync def also(): ...\n",
    "syntax.py": b"x = 1\n\ndef broken(:\n    pass\n",
    "raises.py": b"table = {}\n\ndef look():\n    return table['key']\n\nlook()\n",
    "imports.py": b"import os\n\nimport no_such_package\n",
    "leaves.py": b"import sys\n\nsys.exit(3)\n",
}


def config(lines: str) -> str:
    """A fine script with these lines more in its config; the first of them is line 3."""
    return HEAD + "".join(f"  {line}\n" for line in lines.split("\n")) + FLOW + GET


def flow(lines: str, *, more: str = "") -> str:
    """A fine script with this flow; the first of its lines is line 5."""
    extra = f"  {more}\n" if more else ""
    return (
        HEAD
        + FLOW
        + "".join(f"      {line}\n" for line in lines.split("\n"))
        + (f"after:\n{extra}" if more else "")
    )


def step(params: str, *, verb: str = "get") -> str:
    """A fine script whose request, on line 5, has this beside its url."""
    return flow(f"- {verb}: {{url: /, {params}}}")


@dataclass(frozen=True)
class Bad:
    """`says` are fragments of standard error, in any order."""

    name: str
    script: str | bytes | None
    says: tuple[str, ...]
    code: int = 1
    flags: tuple[str, ...] = ()


def at(line: int, path: str = "") -> str:
    return f"s.yml:{line}" + (f" ({path})" if path else "")


def wrong_type(name: str, lines: str, *told: str) -> Bad:
    return Bad(name, config(lines), told)


_STEP = "scenarios[0].flow[0]"
_GET = f"{_STEP}.get"
_DURATION = "Invalid duration for phase: "

FILE_FAULTS = [
    Bad("no file", None, ("s.yml: the file can't be read: No such file or directory", "Check the path.")),
    Bad("empty", "", ("the file is empty", "A script is a mapping with the keys config and scenarios.")),
    Bad("only a comment", "# later\n", ("the file is empty",)),
    Bad("a list", "- a\n", ("the file is not a mapping",)),
    Bad("prose", "hello\n", ("the file is not a mapping",)),
    Bad("latin-1", b'config: {target: "caf\xe9"}\n', ("can't decode byte 0xe9", "Save the file as UTF-8.")),
    Bad("utf-16", "config: {}\n".encode("utf-16"), ("can't decode byte 0xff", "UTF-8")),
]

YAML_FAULTS = [
    Bad("indentation", "config:\n  target: http://h\n   phases: []\n", (at(3), "a ':' is not expected here")),
    Bad("open quote", 'config:\n  target: "http://h\nscenarios: []\n', (at(2), "never closed", "Close the")),
    Bad("open brace", HEAD + "  phases: [ {duration: 1\nscenarios: []\n", (at(4), "Close the '{'")),
    Bad("tab", "config:\n\ttarget: http://h\n", (at(2), "a tab is used", "Indent with spaces")),
    Bad(
        "repeated key",
        HEAD + "  target: http://i\n",
        (at(3, "config.target"), "written twice, first on line 2"),
    ),
    Bad("template", flow("- get:\n    url: {{ x }}"), (at(6), "a template without quotes", "Quote it")),
    Bad("colon in text", flow("- log: a: b"), (at(5), "quote a text that contains ': '")),
    Bad("at sign", flow("- log: @x"), (at(5), "a value can't start with this character", "Quote the value.")),
    Bad("alias", flow("- log: *nobody"), (at(5), "nothing above is named &nobody")),
    Bad("two documents", PLAIN + "---\nconfig: {}\n", (at(6), "a second document starts here")),
    Bad("tag", flow("- log: !!python/name:os.system x"), (at(5), "unknown tag", "Remove the tag")),
    Bad("escape", flow('- log: "\\q"'), (at(5), "unknown escape")),
    Bad("control character", flow("- log: a\x07b"), (at(5), "control characters are not allowed")),
    Bad("too deep", "a: " + "[" * 500 + "]" * 500, (at(1), "more than 100 levels")),
    Bad(
        "alias bomb",
        "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)),
        ("more than 1000000 values",),
    ),
    Bad("key of a list", HEAD + "  ? [a]\n  : b\n", (at(3, "config"), "a list or mapping can't be a key")),
    Bad("list item without dash", "a:\n  - b: 1\n  c: 2\n", (at(3), "a list item ('- …') was expected")),
]

STRUCTURE = [
    Bad("no config", "scenarios: []\n", ('"config" is required',)),
    Bad("config is a list", "config: []\n", (at(1, "config"), '"config" must be of type object')),
    Bad("no target", "config: {}\nscenarios: []\n", ("No target specified and no environment chosen",)),
    Bad("no scenarios", HEAD, ('"scenarios" is required', "Add 'scenarios:'")),
    Bad("scenarios null", HEAD + "scenarios:\n", (at(3, "scenarios"), '"scenarios" must be an array')),
    Bad("scenarios a mapping", HEAD + "scenarios: {}\n", ('"scenarios" must be an array',)),
    Bad("scenarios empty", HEAD + "scenarios: []\n", ('"scenarios" must contain at least 1 items',)),
    Bad("scenario a text", HEAD + "scenarios: [x]\n", ('"scenarios[0]" must be of type object',)),
    Bad("no flow", HEAD + "scenarios: [{name: a}]\n", ('"scenarios[0].flow" is required',)),
    Bad("flow a mapping", HEAD + "scenarios: [{flow: {}}]\n", ('"scenarios[0].flow" must be an array',)),
    Bad("flow empty", HEAD + "scenarios: [{flow: []}]\n", ("is empty: users do nothing",), 0),
    Bad("step a text", flow("- get"), (at(5), f'"{_STEP}" must be of type object')),
    Bad("two requests in a step", flow("- get: {url: /}\n  post: {url: /}"), (f'"{_STEP}" must have 1 key',)),
    Bad("no url", flow("- get: {json: {}}"), (f'"{_GET}.url" is required', "Add 'url: /path'")),
    Bad("uri", flow("- get: {uri: /}"), (f'"{_GET}.url" is required', "Rename 'uri' to 'url'.")),
    Bad("request a text", flow("- get: /"), (f'"{_GET}" must be of type object',)),
    Bad("unknown step", flow("- thnk: 5"), (at(5), '"thnk" is no known step', 'Did you mean "think"?'), 0),
    Bad("unknown verb", flow("- gte: {url: /}"), ('the method "GTE"', 'Did you mean "get"?'), 0),
    Bad("log a number", flow("- log: 5"), (f'"{_STEP}.log" must be a string',)),
    Bad("think nothing", flow("- think:"), (f'"{_STEP}.think" must be one of [number, string]',)),
    Bad("think a word", flow("- think: soon"), (at(5), "Invalid think time: soon", "Write seconds"), 0),
    Bad("loop a number", flow("- loop: 5"), (f'"{_STEP}.loop" must be an array',)),
    Bad("parallel a text", flow("- parallel: x"), (f'"{_STEP}.parallel" must be an array',)),
    Bad("before a list", PLAIN + "before: []\n", (at(6, "before"), '"before" must be of type object')),
    Bad(
        "before without url", PLAIN + "before: {flow: [get: {}]}\n", ('"before.flow[0].get.url" is required',)
    ),
    Bad(
        "unknown keys",
        HEAD + "  phasess: []\n  http: {tmeout: 5}\n" + FLOW + "      - get: {url: /, headrs: {}}\n",
        (at(3, "config.phasess"), '"phases"?', at(4), '"timeout"?', at(7), '"headers"?'),
        0,
    ),
    Bad(
        "several at once",
        "config:\n  target: 5\n  phases: [{duration: soon, arrivalRate: -1}]\n  http: {pool: x}\n"
        "  payload: {path: absent.csv, fields: [a]}\n"
        "scenarios:\n  - flow:\n      - get: {}\n      - get: {url: /, capture: {regexp: '('}}\n",
        (
            at(2, "config.target"),
            at(3, "config.phases[0].arrivalRate"),
            at(3, "config.phases[0].duration"),
            at(4, "config.http.pool"),
            at(5, "config.payload[0].path"),
            at(8, f"{_GET}.url"),
            at(9, "scenarios[0].flow[1].get.capture.as"),
            at(9, "scenarios[0].flow[1].get.capture.regexp"),
            "8 errors were found in the script; nothing was run.",
        ),
    ),
]

TYPES = [
    *(
        wrong_type(
            f"config.{key}", f"{key}: {value}", at(3, f"config.{key}"), f'"config.{key}" must be {told}'
        )
        for key, value, told in (
            ("http", "5", "of type object"),
            ("environments", "[]", "of type object"),
            ("engines", "x", "of type object"),
            ("processor", "5", "a string"),
            ("phases", "{}", "an array"),
            ("variables", "[]", "of type object"),
            ("plugins", "[]", "of type object"),
            ("tls", "x", "of type object"),
            ("payload", "x", "one of [object, array of objects]"),
        )
    ),
    *(
        wrong_type(f"http.{key}", f"http: {{{key}: {value}}}", at(3), f'"config.http.{key}" must be {told}')
        for key, value, told in (
            ("extendedMetrics", "maybe", "a boolean"),
            ("maxSockets", "x", "a number"),
            ("timeout", "[]", "one of [number, string]"),
            ("pool", "x", "a positive integer"),
            ("pool", "0", "a positive integer"),
            ("pool", "1.5", "a positive integer"),
        )
    ),
    *(
        Bad(f"request {key}", step(f"{key}: {value}", verb="post"), (at(5), f'.post.{key}" must be {told}'))
        for key, value, told in (
            ("headers", "x", "of type object"),
            ("cookie", "5", "of type object"),
            ("qs", "[]", "of type object"),
            ("form", "5", "of type object"),
            ("formData", "x", "of type object"),
            ("auth", "x", "of type object"),
            ("followRedirect", "maybe", "a boolean"),
            ("gzip", "5", "a boolean"),
            ("beforeRequest", "5", "one of [string, array of strings]"),
            ("afterResponse", "{}", "one of [string, array of strings]"),
            ("capture", "x", "one of [object, array of objects]"),
            ("expect", "5", "one of [object, array of objects]"),
            ("maxRedirects", "x", "a number"),
            ("name", "5", "a string"),
            ("probability", "[]", "one of [number, string]"),
        )
    ),
    *(
        Bad(
            f"scenario {key}",
            HEAD + f"scenarios: [{{{key}: {value}, flow: [log: x]}}]\n",
            (f'{key}" must be',),
            1,
        )
        for key, value in (("name", "5"), ("weight", "[]"), ("beforeScenario", "5"), ("onError", "{}"))
    ),
    wrong_type("timeout", "timeout: -5", at(3, "config.timeout"), "the timeout -5 is not positive"),
    Bad("timeout a word", config("http: {timeout: soon}"), ("the timeout soon is not a number",), 0),
]

PHASES = [
    *(
        Bad(
            f"duration {value}", config(f"phases: [{{duration: {value}, arrivalRate: 1}}]"), (at(3), told), 11
        )
        for value, told in (
            ("1.5", _DURATION + "1.5"),
            ("0", _DURATION + "0"),
            ("soon", _DURATION + "soon"),
            ('"-5s"', _DURATION + "-5s"),
            ("10 parsecs", _DURATION + "10 parsecs"),
            (".nan", _DURATION + "nan"),
            (".inf", _DURATION + "inf"),
            ("1e300", "at the most a year"),
            ("99999y", _DURATION + "99999y"),
        )
    ),
    Bad("no duration", config("phases: [{arrivalRate: 1}]"), (_DURATION + "undefined",), 11),
    Bad("pause", config("phases: [{pause: x}]"), (at(3, "config.phases[0].pause"), _DURATION + "x"), 11),
    *(
        Bad(f"phase {said}", config(f"phases: [{{duration: 1, {said}}}]"), (at(3), told))
        for said, told in (
            ("name: x", "says nothing about arrivals"),
            ("arrivalRate: x", "must be a number"),
            ("arrivalRate: .nan", "must be a number"),
            ("arrivalRate: -1", "must be greater than or equal to 0"),
            ("arrivalRate: 1, rampTo: x", "must be a number"),
            ("arrivalCount: 1.5", "must be an integer"),
            ("arrivalRate: 1, maxVusers: -1", "must be greater than or equal to 0"),
            ("arrivalRate: 1e308", "asks for too many arrivals"),
            ("arrivalRate: 1, rampTo: 1e9", "asks for too many arrivals"),
            ("arrivalCount: 99999999999999999999999", "asks for too many arrivals"),
        )
    ),
    Bad(
        "maxVusers 0",
        config("phases: [{duration: 1, arrivalRate: 1, maxVusers: 0}]"),
        ("no user is ever",),
        0,
    ),
    Bad(
        "mode",
        config("phases: [{duration: 1, arrivalRate: 1, mode: fast}]"),
        ("unknown arrival mode fast",),
        0,
    ),
]

REFERENCES = [
    *(
        Bad(
            f"target {target}",
            f"config:\n  target: '{target}'\n" + FLOW + GET,
            (at(2, "config.target"), told),
        )
        for target, told in (
            ("localhost:3000", "does not start with http:// or https://"),
            ("ftp://h", "does not start with http:// or https://"),
            ("http://h:99999", "has a port that is none"),
            ("http://a b", "contains white space"),
            ("http://", "names no host"),
            ("{{ $env.NOPE }}", '"config.target" is required'),
        )
    ),
    Bad("target a number", "config: {target: 5}\n" + FLOW + GET, ('"config.target" must be a string',)),
    Bad("url", flow("- get: {url: foo}"), (at(5), "Invalid URL - foo", "Write a path"), 0),
    *(
        Bad(
            f"engine {engine}",
            HEAD + f"scenarios:\n  - engine: {engine}\n    flow: [log: x]\n",
            (at(4, "scenarios[0].engine"), told),
            11,
        )
        for engine, told in (
            ("playwright", "unknown engine playwright"),
            ("ws", "WebSocket scenarios can't be run yet"),
            ("socketio", "Socket.IO scenarios can't be run yet"),
        )
    ),
    Bad("plugin", config("plugins: {expct: {}}"), ("unknown plugin expct", 'Did you mean "expect"?'), 0),
    Bad("plugin elsewhere", config("plugins: {slack: {}}"), ("the plugin slack is not supported",), 0),
    Bad("JavaScript", config("processor: p.js"), (at(3), "JavaScript or TypeScript", "in Python"), 11),
    Bad("no processor", config("processor: absent.py"), (at(3), "there is no processor absent.py"), 11),
    Bad("syntax error", config("processor: syntax.py"), ("syntax.py:3: not valid Python: ",), 11),
    Bad(
        "exception",
        config("processor: raises.py"),
        ("raises.py:4 could not be loaded", "KeyError: 'key'"),
        11,
    ),
    Bad(
        "import", config("processor: imports.py"), ("imports.py:3 could", "No module named 'no_such_pack"), 11
    ),
    Bad("exit", config("processor: leaves.py"), ("leaves.py:3 could not be loaded", "SystemExit: 3"), 11),
    Bad(
        "no such function",
        config("processor: fine.py").replace("url: /", "url: /, beforeRequest: [good, goood]"),
        (at(6, f"{_GET}.beforeRequest[1]"), "custom function goood could not be found", 'mean "good"?'),
        0,
    ),
    Bad("function without processor", flow("- function: f"), (at(5), "The script has no processor"), 0),
    Bad(
        "no CSV",
        config("payload: {path: no.csv, fields: [a]}"),
        (at(3), "can't read the CSV file", "no.csv"),
        1,
    ),
    Bad("CSV a directory", config("payload: {path: ., fields: [a]}"), ("Is a directory",)),
    Bad(
        "CSV latin-1",
        config("payload: {path: latin.csv, fields: [a]}"),
        ("can't decode", "Save it as UTF-8."),
    ),
    Bad(
        "CSV row",
        config("payload: {path: long_row.csv, fields: [a]}"),
        ("long_row.csv:3: Invalid Record Length: expect 2, got 3 on line 3", "as many cells"),
    ),
    Bad("CSV empty", config("payload: {path: empty.csv, fields: [a]}"), ("has no rows",), 0),
    Bad("CSV without path", config("payload: [{fields: [a]}]"), ('"config.payload[0].path" is required',)),
    Bad("CSV fields", config("payload: {path: ok.csv, fields: x}"), ('fields" must be an array',)),
    Bad(
        "fake data", config("plugins: {fake-data: {internetEmial: {}}}"), ("did you mean `internetEmail`",), 0
    ),
    *(
        Bad(f"tls {options}", config(f"tls: {{{options}}}"), (at(3, "config.tls"), told))
        for options, told in (
            ("ca: absent.pem", "config.tls.ca can't be used: absent.pem: No such file"),
            ("{cert: ok.csv, key: ok.csv}"[1:-1], "config.tls.cert can't be used"),
            ("rejectunauthorized: false", "Known are ca, cert,"),
            ("minVersion: TLSv9", "Use one of TLSv1"),
        )
    ),
]

MEANINGS = [
    Bad(
        "weights 0",
        HEAD + "scenarios:\n  - weight: 0\n    flow: [log: x]\n",
        (at(3), "all weights are below 1"),
    ),
    Bad(
        "weight a word", HEAD + "scenarios:\n  - weight: big\n    flow: [log: x]\n", ("the weight big is no",)
    ),
    *(
        Bad(f"template {text}", flow(f"- get: {{url: '/{text}'}}"), (at(5, f"{_GET}.url"), told), 0)
        for text, told in (
            ("{{ a + 1 }}", "{{ a + 1 }} is no template and is sent as it stands"),
            ("{{ $randomNumber(1.5) }}", "is no template"),
            ("{{ $randomNumbr(1,2) }}", 'Did you mean "$randomNumber"?'),
        )
    ),
    Bad(
        "template in config",
        config("variables: {a: '{{ b }}'}"),
        (at(3), "{{ b }} has no value in config"),
        0,
    ),
    *(
        Bad(f"capture {one}", step(f"capture: {{{one}, as: x}}"), (at(5), f"{_GET}.capture", told))
        for one, told in (
            ("json: '$.a['", "the JSONPath $.a[ can't be used"),
            ("json: 5", "5 is not a text"),
            ("xpath: '//a['", "the XPath //a[ can't be used"),
            ("selector: 'a['", "the selector a[ can't be used"),
            ("selector: a, index: third", "the index third is no position"),
            ("regexp: '('", "the regular expression /(/ can't be used"),
            ("regexp: a, flags: zz", "unknown flag 'z'"),
            ("strict: true", "does not say where the value is"),
        )
    ),
    Bad("capture without as", step("capture: {json: $.a}"), (at(5), f'"{_GET}.capture.as" is required')),
    Bad("match", step("match: {regexp: '(', value: x}"), (at(5), f"{_GET}.match.regexp", "can't be used")),
    Bad(
        "in a loop", flow("- loop: [get: {url: /, capture: {regexp: '(', as: x}}]"), (at(5), "can't be used")
    ),
    *(
        Bad(f"expect {one}", step(f"expect: {{{one}}}"), (at(5), f"{_GET}.expect", told))
        for one, told in (
            ("matchesRegexp: '('", "can't be used"),
            ("jmespath: 'a['", "the JMESPath a[ can't be used: Invalid jmespath expression"),
            ("headerEquals: x", "Write [name, value]."),
            ("equals: x", "Write a list"),
            ("statusCode: ok", "ok is no status code"),
        )
    ),
    Bad("expect unknown", step("expect: {statuscode: 200}"), ('Did you mean "statusCode"?',), 0),
    Bad("expect without plugin", step("expect: {statusCode: 200}"), ("no effect without its plugin",), 0),
    *(
        Bad(
            f"ensure {one}", config(f"plugins: {{ensure: {{{one}}}}}"), (at(3), "config.plugins.ensure", told)
        )
        for one, told in (
            ("conditions: [{expression: a >>> 1}]", "the expression a >>> 1 can't be read"),
            ("conditions: [{strict: true}]", 'expression" is required'),
            ("conditions: x", "must be an array"),
            ("thresholds: [{p99: x}]", "must be a number"),
            ("thresholds: [{p99: .nan}]", "must be a number"),
            ("thresholds: [5]", "must be of type object"),
            ("thresholds: [{p99: 1, abortOnFail: [true]}]", 'abortOnFail" must be a boolean'),
            ("thresholds: [{p99: 1, abortOnFail: true, delayAbortEval: -1}]", "must be a duration, not -1"),
            ("thresholds: [{p99: 1, delayAbortEval: 1s}]", "has no meaning without abortOnFail"),
            (
                "conditions: [{expression: a < 1, strict: false, abortOnFail: true}]",
                'contradicts "strict: false"',
            ),
            ("maxErrorRate: x", "must be a number"),
            ("p95: soon", "must be a number"),
        )
    ),
    Bad("apdex", config("plugins: {apdex: {threshold: x}}"), ("the Apdex threshold x is not a time",)),
    Bad("condition", step("ifTrue: a === b"), (at(5), "the condition a === b can't be read"), 0),
    Bad("probability", step("probability: 500"), (at(5), "the probability 500 is not from 0 to 100"), 0),
    Bad("GET with a body", step("json: {a: 1}"), (at(5), 'a GET request has no body: "json"'), 0),
    Bad("header", step("headers: {'a b': x}"), (at(5), "the header 'a b' can't be sent"), 0),
    Bad("escape code", step('"\\e[2J": x'), (at(5), '"\\x1b[2J"'), 0),
]

FLAGS = [
    Bad("variables", PLAIN, ("--variables is not valid JSON", "Give a JSON object"), 1, ("-v", "{a")),
    Bad("variables a list", PLAIN, ("--variables is not a JSON object",), 1, ("-v", "[1]")),
    Bad("overrides", PLAIN, ("--overrides is not valid JSON",), 1, ("--overrides", '{"a":')),
    Bad("overrides deep", PLAIN, ("--overrides is not valid JSON",), 1, ("--overrides", '{"a":' * 100_000)),
    Bad(
        "overridden",
        PLAIN,
        ("--overrides (config.target): ",),
        1,
        ("--overrides", '{"config": {"target": 5}}'),
    ),
    Bad("environment", config("environments: {staging: {}}"), ('mean "staging"?',), 0, ("-e", "stging")),
    Bad("scenario", PLAIN, ("Scenario x not found in script",), 11, ("--scenario-name", "x")),
    Bad("scenario pattern", PLAIN, ("Scenario ( not found in script",), 11, ("--scenario-name", "(")),
    Bad("payload", PLAIN, ("--payload has no effect on this script",), 0, ("-p", "x.csv")),
    Bad("dotenv", PLAIN, ("can't read the environment file no.env",), 0, ("--dotenv", "no.env")),
    Bad("second input", PLAIN, ("no.yml: the file can't be read",), 1, ("-i", "no.yml")),
    Bad("config file", PLAIN, ("x.toml: Unknown file type",), 1, ("-c", "x.toml")),
    Bad("target", PLAIN, ("command line (config.target): the target h:1",), 1, ("-t", "h:1")),
    Bad("twice", PLAIN, ("-t / --target was given 2 times",), 2, ("-t", "http://a", "-t", "http://b")),
    Bad("unknown", PLAIN, ("No such option", "--nope"), 2, ("--nope",)),
    *(
        Bad(
            f"workers {n}",
            PLAIN,
            (f"'--workers': '{n}' is not a whole number from 1 to 1024",),
            2,
            ("--workers", n),
        )
        for n in ("0", "-1", "x")
    ),
]

TABLE = [*FILE_FAULTS, *YAML_FAULTS, *STRUCTURE, *TYPES, *PHASES, *REFERENCES, *MEANINGS, *FLAGS]
RUN_TOO = [bad for bad in TABLE if bad.code]  # what is only warned of would make load


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A directory to work in, with the files the scripts name."""
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    with contextlib.chdir(tmp_path):
        yield tmp_path


def tell(bad: Bad, command: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if bad.script is not None:
        text = bad.script if isinstance(bad.script, bytes) else bad.script.encode()
        (folder / "s.yml").write_bytes(text)

    code = answer([command, "s.yml", *bad.flags])

    said = capsys.readouterr().err
    assert [part for part in bad.says if part not in said] == [], said
    assert code == bad.code
    assert "Traceback" not in said
    assert "\x1b" not in said
    if bad.code == 1 or bad.code == 11:
        assert said.startswith(("Error: ", "Warning: "))


@pytest.mark.parametrize("bad", TABLE, ids=lambda bad: bad.name)
def test_check_tells(bad: Bad, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every fault by its place and its remedy, all of a script at once; nothing is sent."""
    tell(bad, "check", folder, capsys)


@pytest.mark.parametrize("bad", RUN_TOO, ids=lambda bad: bad.name)
def test_run_tells_the_same_before_any_load(
    bad: Bad, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A script that `check` refuses is refused by `run` in the same words."""
    tell(bad, "run", folder, capsys)
