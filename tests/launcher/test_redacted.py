"""Nothing that may be a secret in a script is shown with its report."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from grapeshot_launcher.results.redacted import HIDDEN, MOST, redacted_script

ROOT = Path(__file__).parent.parent.parent


def shown(text: str) -> str:
    found = redacted_script(text, "script.yml")
    assert found is not None
    return found


@pytest.mark.parametrize(
    "line",
    [
        "password: hush-hush",
        "db_passwd: hush-hush",
        "X-Api-Key: hush-hush",
        "Authorization: Basic hush-hush",
        "auth: {user: ada, pass: hush-hush}",
        "cookie: {sid: hush-hush}",
        "tokens: [[hush-hush]]",
        "client_secret: 'hush-hush {{ x }}'",
        "target: 'https://ada:hush-hush@example.com/'",
        "url: '/login?a=1&access_token=hush-hush&b=2'",
        "log: 'Bearer hush-hush'",
        "body: 'eyJhush-hush-hush.eyJhdWQi.c2ln'",
        "x: AKIAHUSHHUSHHUSHHUSH",
        "x: 'ghp_hushhushhushhushhush'",
        "sessionKey: 12345",
    ],
)
def test_a_secret_is_hidden(line: str) -> None:
    """By its key, or by its looks."""
    text = shown(line)

    assert "hush" not in text.lower()
    assert "12345" not in text
    assert HIDDEN in text


@pytest.mark.parametrize(
    "line",
    [
        "token: '{{ $env.TOKEN }}'",
        "authorization: 'Bearer {{ token }}'",
        "url: '/a?token={{ token }}&page=2'",
        "duration: 60",
        "passengers: 4",
        "capture: {json: $.token, as: token}",
        "target: https://example.com/a@b",
        "spin: 3",
    ],
)
def test_what_is_no_secret_stays(line: str) -> None:
    """A template says where a value comes from."""
    assert yaml.safe_load(shown(line)) == yaml.safe_load(line)


def test_a_word_that_only_sounds_like_a_secret_is_hidden_too() -> None:
    """Rather one too many."""
    assert yaml.safe_load(shown("author: Ada")) == {"author": HIDDEN}


def test_comments_are_left_out() -> None:
    assert "hush" not in shown("a: 1  # password is hush\n")


def test_an_unreadable_script_is_not_shown() -> None:
    assert redacted_script("a: [", "script.yml") is None


def test_a_long_script_is_cut() -> None:
    assert len(shown("a: [" + "x, " * MOST + "]")) == MOST


@pytest.mark.parametrize("path", sorted((ROOT / "examples").rglob("*.yml")), ids=lambda path: path.name)
def test_an_example_is_shown_as_it_is(path: Path) -> None:
    """But for the one password that is in them."""
    text = path.read_text(encoding="utf-8")

    assert yaml.safe_load(shown(text)) == yaml.safe_load(text.replace("lovelace1815", HIDDEN))


@given(
    st.recursive(
        st.text(max_size=9),
        lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=5), part, max_size=3),
    )
)
def test_nothing_beneath_a_secret_key_is_shown(value: object) -> None:
    """However deep it lies: only names of keys, templates and hidden values are left."""

    def values(part: object) -> list[object]:
        if isinstance(part, dict):
            return [each for item in part.values() for each in values(item)]
        return [each for item in part for each in values(item)] if isinstance(part, list) else [part]

    found = yaml.safe_load(shown(yaml.safe_dump({"secret": value})))
    assert set(map(str, values(found))) <= {HIDDEN}
