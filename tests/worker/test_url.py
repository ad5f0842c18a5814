"""URLs as origin, target and Host header, normalised as browsers do."""

from __future__ import annotations

import pytest

from grapeshot_worker.errors import StepError
from grapeshot_worker.traffic.wire.url import Origin, credentials, parse_url


@pytest.mark.parametrize(
    ("url", "origin", "target", "host"),
    [
        ("http://a.example", Origin("http", "a.example", 80), "/", "a.example"),
        ("https://a.example/x", Origin("https", "a.example", 443), "/x", "a.example"),
        ("http://a.example:8080/x?y=z#f", Origin("http", "a.example", 8080), "/x?y=z", "a.example:8080"),
        ("https://a.example:443/", Origin("https", "a.example", 443), "/", "a.example"),
        ("http://a.example:/", Origin("http", "a.example", 80), "/", "a.example"),
        ("HTTP://A.Example/X", Origin("http", "a.example", 80), "/X", "a.example"),
        ("http://a.example?q", Origin("http", "a.example", 80), "/?q", "a.example"),
        ("http://u:p@a.example/", Origin("http", "a.example", 80), "/", "a.example"),
        ("http://[::1]:81/", Origin("http", "::1", 81), "/", "[::1]:81"),
        ("http://[2001:DB8::1]/", Origin("http", "2001:db8::1", 80), "/", "[2001:db8::1]"),
        ("http://bücher.example/", Origin("http", "xn--bcher-kva.example", 80), "/", "xn--bcher-kva.example"),
    ],
)
def test_parts(url: str, origin: Origin, target: str, host: str) -> None:
    """Default ports are left out of the Host header, host names are lower case and punycode, fragments go."""
    assert parse_url(url) == (origin, target, host)


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("/a b", "/a%20b"),
        ("/ü?q=é", "/%C3%BC?q=%C3%A9"),
        ("/a%20b%2Fc", "/a%20b%2Fc"),
        ("/100%", "/100%"),
        ("/a/../b/./c", "/b/c"),
        ("/a/b/..", "/a/"),
        ("/%2e%2E/x", "/x"),
        ("/.well-known/x", "/.well-known/x"),
        ("/a//b", "/a//b"),
        ("/a\\b", "/a/b"),
        ("/{x}|~!$&'()*+,;=:@", "/%7Bx%7D|~!$&'()*+,;=:@"),
        ("/?q={x}|^`\\'\"<>", "/?q={x}|^`\\%27%22%3C%3E"),
        ("/?a=b c&d=/../e", "/?a=b%20c&d=/../e"),
        ("/a\n\tb ", "/ab"),
    ],
)
def test_normalised_target(written: str, sent: str) -> None:
    """What may not stand in a request line is percent-encoded, what is encoded stays, dot segments are resolved."""
    assert parse_url(f"http://a.example{written}")[1] == sent


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/x",
        "ftp://a.example/",
        "http:/a",
        "http://",
        "http://:80/",
        "http://a b/",
        "http://a:x/",
        "http://a:70000/",
        "http://[::1/",
        "http://a\r\nb/",
        "httpx://a/",
        "http://a..é/",
    ],
)
def test_invalid(url: str) -> None:
    """What is no http URL fails the user with its text."""
    with pytest.raises(StepError) as caught:
        parse_url(url)

    assert caught.value.name == f"Invalid URL - {url}"


@pytest.mark.parametrize(
    ("url", "pair"),
    [
        ("http://a/", None),
        ("http://ann:pw@a/", ("ann", "pw")),
        ("http://ann@a/", ("ann", "")),
        ("http://a%3Ab:c%40d@a/", ("a:b", "c@d")),
        ("no url", None),
    ],
)
def test_credentials(url: str, pair: tuple[str, str] | None) -> None:
    """User and password of a URL, decoded."""
    assert credentials(url) == pair
