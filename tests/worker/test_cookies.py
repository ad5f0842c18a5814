"""The cookie jar against the rules of RFC 6265."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapeshot_worker.traffic.cookies import CookieJar, domain_matches, is_public_suffix, path_matches
from grapeshot_worker.traffic.set_cookie import default_path, parse_date, parse_set_cookie


class Clock:
    """A clock that stands still until told otherwise."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def jar(clock: Clock | None = None, **options: Any) -> CookieJar:
    return CookieJar(options, clock or Clock())


def carried(
    set_cookie: str,
    *,
    at: str = "http://a.example.com/x/y",
    to: str = "http://a.example.com/x/y",
    **options: Any,
) -> str | None:
    """Give the Cookie header a request to `to` has after a response from `at` set a cookie."""
    scheme, _, rest = at.partition("://")
    host, _, path = rest.partition("/")
    to_scheme, _, to_rest = to.partition("://")
    to_host, _, to_path = to_rest.partition("/")
    cookies = jar(**options)
    cookies.store([set_cookie], host, f"/{path}", scheme == "https")
    return cookies.header(to_host, f"/{to_path}", to_scheme == "https")


@pytest.mark.parametrize(
    ("set_cookie", "header"),
    [
        ("a=1", "a=1"),
        ("a=", "a="),
        ("a=b=c", "a=b=c"),
        (" a = 1 ; Path=/", "a=1"),
        ('a="q 1"', 'a="q 1"'),
        ("a=1;;; ;Secure=no", None),
        ("a=1; Secure", None),
        ("a=1; HttpOnly; SameSite=Strict; Unknown=5", "a=1"),
        ("a=1; Max-Age=60", "a=1"),
        ("a=1; Max-Age=0", None),
        ("a=1; Max-Age=-5", None),
        ("a=1; Max-Age=soon", "a=1"),
        ("a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "a=1"),
        ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60", "a=1"),
        ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", None),
        ("a=1; Expires=nonsense", "a=1"),
        ("a=1; expires=Wed, 01 Jan 2120 00:00:00 GMT", "a=1"),
        ("a=1; Domain=", "a=1"),
        ("a=1; Domain=.", "a=1"),
        ("a=1; Domain=other.com", None),
        ("a=1; Domain=xa.example.com", None),
        ("a=1; Domain=b.a.example.com", None),
        ("a=1; Domain=com", None),
        ("a=1; Path=relative", "a=1"),
        ("a=1; Path=/elsewhere", None),
        ("a=1; Path=/elsewhere; Path=/x", "a=1"),
        ("__Secure-a=1", None),
        ("__Host-a=1; Path=/", None),
        ("\xe9=\xe9", "\xe9=\xe9"),
    ],
)
def test_cookie_comes_back_to_where_it_was_set(set_cookie: str, header: str | None) -> None:
    """What a host sets it gets back, unless the attributes speak against it."""
    assert carried(set_cookie) == header


@pytest.mark.parametrize(
    ("set_cookie", "to", "sent"),
    [
        ("a=1; Path=/", "http://b.a.example.com/", False),
        ("a=1; Path=/", "http://example.com/", False),
        ("a=1; Path=/", "http://A.EXAMPLE.com/", True),
        ("a=1; Path=/; Domain=example.com", "http://example.com/", True),
        ("a=1; Path=/; Domain=.Example.COM", "http://b.example.com/", True),
        ("a=1; Path=/; Domain=example.com", "http://badexample.com/", False),
        ("a=1; Path=/; Domain=a.example.com", "http://x.a.example.com/", True),
        ("a=1; Path=/; Domain=a.example.com", "http://example.com/", False),
        ("a=1", "http://a.example.com/x", True),
        ("a=1", "http://a.example.com/x/z?q=/", True),
        ("a=1", "http://a.example.com/xy", False),
        ("a=1", "http://a.example.com/", False),
        ("a=1; Path=/x/", "http://a.example.com/x", False),
        ("a=1; Path=/x/", "http://a.example.com/x/y", True),
        ("a=1; Path=/; Secure", "https://a.example.com/", True),
        ("a=1; Path=/; Secure", "http://a.example.com/", False),
    ],
)
def test_where_a_cookie_goes(set_cookie: str, to: str, sent: bool) -> None:
    """Domain, path and Secure decide which requests carry a cookie."""
    assert (carried(set_cookie, to=to) is not None) is sent


@pytest.mark.parametrize(
    ("set_cookie", "sent"),
    [
        ("__Secure-a=1; Secure", True),
        ("__Host-a=1; Secure; Path=/", True),
        ("__Host-a=1; Secure", False),
        ("__Host-a=1; Secure; Path=/; Domain=a.example.com", False),
    ],
)
def test_prefixes_keep_their_promises(set_cookie: str, sent: bool) -> None:
    """`__Secure-` and `__Host-` are only believed with what they promise."""
    url = "https://a.example.com/x/y"

    assert (carried(set_cookie, at=url, to=url) is not None) is sent


@pytest.mark.parametrize(
    ("domain", "public"),
    [
        ("com", True),
        ("co.uk", True),
        ("github.io", True),
        ("example.com", False),
        ("localhost", False),
        ("127.0.0.1", False),
        ("intranet", True),
    ],
)
def test_public_suffixes(domain: str, public: bool) -> None:
    """A domain that strangers share is known as such; localhost and addresses are none."""
    assert is_public_suffix(domain) is public


@pytest.mark.parametrize(
    ("host", "domain", "to", "options", "sent"),
    [
        ("shop.co.uk", "co.uk", "other.co.uk", {}, False),
        ("shop.co.uk", "co.uk", "shop.co.uk", {}, False),
        ("shop.co.uk", "co.uk", "other.co.uk", {"rejectPublicSuffixes": False}, True),
        ("github.io", "github.io", "github.io", {}, True),
        ("github.io", "github.io", "x.github.io", {}, False),
        ("localhost", "localhost", "localhost", {}, True),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1", {}, True),
        ("127.0.0.1", "0.0.1", "127.0.0.1", {"rejectPublicSuffixes": False}, False),
    ],
)
def test_cookies_for_public_suffixes(
    host: str, domain: str, to: str, options: dict[str, Any], sent: bool
) -> None:
    """A cookie for a public suffix is refused, or stays with the host that is one; the option lifts that."""
    header = carried(f"a=1; Domain={domain}; Path=/", at=f"http://{host}/", to=f"http://{to}/", **options)

    assert (header is not None) is sent


@pytest.mark.parametrize(
    ("set_cookie", "strict", "loose"),
    [
        ("valueless", None, "valueless"),
        ("=v", None, "v"),
        ("=a=b", None, "a=b"),
        ("", None, None),
        ("; Path=/", None, None),
        ("=", None, None),
        ("a=\x01", None, None),
        ("a=1", "a=1", "a=1"),
    ],
)
def test_loose_mode_takes_cookies_without_a_name(
    set_cookie: str, strict: str | None, loose: str | None
) -> None:
    """What has no name can't be parsed, but for `looseMode`; what can't be parsed is counted."""
    for loose_mode, header in ((False, strict), (True, loose)):
        cookies = jar(looseMode=loose_mode)
        unparsable = cookies.store([set_cookie.encode("latin-1")], "h.test", "/", False)

        assert cookies.header("h.test", "/", False) == header
        assert unparsable == (header is None)


def test_longer_paths_go_first_then_older_cookies() -> None:
    """The header is ordered by path length, then by age; a replaced cookie keeps its age."""
    cookies = jar()
    cookies.store(["a=1; Path=/", "b=2; Path=/x", "c=3; Path=/", "a=4; Path=/"], "h.test", "/x/y", False)

    assert cookies.header("h.test", "/x/y", False) == "b=2; a=4; c=3"


def test_cookies_with_other_domain_or_path_are_other_cookies() -> None:
    """Name, domain and path together name a cookie."""
    cookies = jar()
    cookies.store(
        ["a=1; Path=/", "a=2; Path=/x", "a=3; Path=/; Domain=example.com"], "w.example.com", "/", False
    )

    assert cookies.header("w.example.com", "/x", False) == "a=2; a=1; a=3"


def test_expired_cookies_are_not_sent() -> None:
    """A cookie goes until its moment, and not from then on."""
    clock = Clock()
    cookies = jar(clock)
    cookies.store(["a=1; Max-Age=10", "b=2"], "h.test", "/", False)
    before = cookies.header("h.test", "/", False)
    clock.now += 10

    assert before == "a=1; b=2"
    assert cookies.header("h.test", "/", False) == "b=2"


def test_server_deletes_a_cookie_by_its_expiry() -> None:
    """A cookie that is set with a past date is gone."""
    cookies = jar()
    cookies.store(["a=1"], "h.test", "/", False)
    assert cookies.header("h.test", "/", False) == "a=1"
    cookies.store(["a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], "h.test", "/", False)

    assert cookies.header("h.test", "/", False) is None


def test_a_server_makes_the_jar_active_the_script_does_not() -> None:
    """Only a response's cookie makes the jar active; the script's own is stored all the same."""
    cookies = jar()
    assert cookies.put("own", "1", "h.test", "/")
    assert (cookies.active, cookies.header("h.test", "/", False)) == (False, "own=1")
    cookies.store(["a=1"], "h.test", "/", False)

    assert cookies.active


def test_script_puts_a_cookie_again_after_the_server_changed_it() -> None:
    """The script's cookie wins at every request it is put for."""
    cookies = jar()
    cookies.put("a", "mine", "h.test", "/")
    cookies.store(["a=theirs"], "h.test", "/", False)
    theirs = cookies.header("h.test", "/", False)
    cookies.put("a", "mine", "h.test", "/")

    assert theirs == "a=theirs"
    assert cookies.header("h.test", "/", False) == "a=mine"


def test_putting_the_same_cookie_again_keeps_the_remembered_header() -> None:
    """A default cookie that is put for every request does not make the header anew."""
    cookies = jar()
    cookies.put("a", "1", "h.test", "/x?q=1")
    first = cookies.header("h.test", "/x", False)
    cookies.put("a", "1", "h.test", "/x?q=2")

    assert cookies.header("h.test", "/x", False) is first


def test_script_cookie_that_is_none_is_refused() -> None:
    """A cookie of the script that can't be one is signalled."""
    assert not jar().put("", "x", "h.test", "/")
    assert not jar().put("a", "x\r\ny", "h.test", "/")


def test_many_paths_do_not_fill_the_memory() -> None:
    """Remembered headers are bounded, and stay right."""
    cookies = jar()
    cookies.store(["a=1; Path=/p", "b=2; Path=/"], "h.test", "/p", False)

    headers = {cookies.header("h.test", f"/p/{number}", False) for number in range(1000)}
    assert headers == {"a=1; b=2"}


MOMENT = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", MOMENT),
        ("Sunday, 06-Nov-94 08:49:37 GMT", MOMENT),
        ("Sun Nov  6 08:49:37 1994", MOMENT),
        ("Sun, 06-Nov-1994 08:49:37 GMT", MOMENT),
        ("6 November 1994 8:49:37", MOMENT),
        ("1994 6 NOV 08:49:37 UTC", MOMENT),
        ("08:49:37 06 nov 94", MOMENT),
        ("Tue, 01 Jan 2069 00:00:00 GMT", datetime(2069, 1, 1, tzinfo=UTC).timestamp()),
        ("Thu, 01 Jan 70 00:00:00 GMT", 0.0),
        ("Tue, 01 Jan 69 00:00:00 GMT", datetime(2069, 1, 1, tzinfo=UTC).timestamp()),
        ("Thu, 31 Feb 2020 00:00:00 GMT", None),
        ("Thu, 01 Jan 1600 00:00:00 GMT", None),
        ("Thu, 01 Jan 2020 25:00:00 GMT", None),
        ("Thu, 01 Jan 2020", None),
        ("2020-01-01T00:00:00Z", None),
        ("0", None),
        ("", None),
    ],
)
def test_dates_in_odd_forms(text: str, moment: float | None) -> None:
    """A cookie's date is read by the RFC's grammar of tokens, in any order."""
    assert parse_date(text) == moment


@given(text=st.text(max_size=40))
def test_nothing_a_server_sends_breaks_the_parser(text: str) -> None:
    """Any text is a cookie or none."""
    cookie = parse_set_cookie(text, host="h.test", path="/", now=0.0)

    assert cookie is None or (cookie.name and cookie.path.startswith("/") and cookie.expires != math.nan)


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/", "/"), ("", "/"), ("x", "/"), ("/x", "/"), ("/x/", "/x"), ("/x/y", "/x"), ("/x/y?a=/b/c", "/x")],
)
def test_default_path(path: str, expected: str) -> None:
    """Without a path a cookie belongs to the directory of the request."""
    assert default_path(path) == expected


SEGMENTS = st.lists(st.sampled_from(["a", "b", "ab"]), max_size=3).map(lambda parts: "/" + "/".join(parts))


@given(path=SEGMENTS, below=SEGMENTS)
def test_paths_match_what_is_below_them(path: str, below: str) -> None:
    """A cookie's path matches itself and everything below it."""
    assert path_matches(path, path)
    assert path_matches(path.rstrip("/") + below, path)
    assert path_matches(below, path) == (
        path == "/" or below.split("/")[: path.count("/") + 1] == path.split("/")
    )


@given(labels=st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=4), cut=st.integers(0, 3))
def test_domains_match_what_is_below_them(labels: list[str], cut: int) -> None:
    """A host matches its own domain and those above, no text that merely ends alike."""
    host = ".".join(labels)
    domain = ".".join(labels[cut:]) or host

    assert domain_matches(host, domain)
    assert not domain_matches(f"x{host}", host)
