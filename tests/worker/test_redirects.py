"""Where redirects lead."""

from __future__ import annotations

import pytest

from grapeshot_worker.errors import StepError
from grapeshot_worker.traffic.redirects import next_hop

BASE = "http://h.test:81/a/b?q=1"


@pytest.mark.parametrize(
    ("status", "method", "next_method", "keep_body"),
    [
        (301, "POST", "POST", True),
        (302, "POST", "POST", True),
        (307, "PUT", "PUT", True),
        (308, "DELETE", "DELETE", True),
        (303, "POST", "GET", False),
        (303, "GET", "GET", False),
        (303, "HEAD", "HEAD", False),
    ],
)
def test_method_and_body(status: int, method: str, next_method: str, keep_body: bool) -> None:
    """Only 303 makes a GET without a body; the others keep method and body."""
    hop = next_hop(status, method, "/x", BASE)
    assert hop is not None

    assert (hop.method, hop.keep_body) == (next_method, keep_body)


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/x", "http://h.test:81/x"),
        ("x", "http://h.test:81/a/x"),
        ("../x", "http://h.test:81/x"),
        ("?p=2", "http://h.test:81/a/b?p=2"),
        ("//o.test/x", "http://o.test/x"),
        ("https://o.test", "https://o.test"),
        ("HTTP://o.test/x", "http://o.test/x"),
        ("/x#part", "http://h.test:81/x"),
        ("/a b", "http://h.test:81/a%20b"),
        ("/a%20b", "http://h.test:81/a%20b"),
        ("/\xc3\xa9", "http://h.test:81/%C3%A9"),
        (" /x ", "http://h.test:81/x"),
        ("/x?u=http://y:z/", "http://h.test:81/x?u=http://y:z/"),
    ],
)
def test_location_is_resolved(location: str, url: str) -> None:
    """A Location is relative to the URL asked for; its fragment stays here."""
    hop = next_hop(302, "GET", location, BASE)
    assert hop is not None

    assert hop.url == url


@pytest.mark.parametrize(
    ("url", "location", "keep"),
    [
        (BASE, "/x", True),
        (BASE, "http://H.test:81/x", True),
        (BASE, "http://h.test/x", False),
        (BASE, "http://o.test:81/x", False),
        ("http://h.test/", "https://h.test/", True),
        ("http://h.test/", "http://h.test:80/", True),
        ("https://h.test/", "https://sub.h.test/", False),
    ],
)
def test_credentials_stay_with_their_host(url: str, location: str, keep: bool) -> None:
    """Authorization goes along to the same host and port only."""
    hop = next_hop(302, "GET", location, url)
    assert hop is not None

    assert hop.keep_credentials is keep


@pytest.mark.parametrize(
    ("status", "location"), [(200, "/x"), (201, "/x"), (304, None), (305, "/x"), (302, None), (302, "")]
)
def test_what_is_no_redirect(status: int, location: str | None) -> None:
    """Without a redirect's status and a Location nothing is followed."""
    assert next_hop(status, "GET", location, BASE) is None


@pytest.mark.parametrize(
    ("location", "error"),
    [
        ("ftp://h.test/x", "ERR_UNSUPPORTED_PROTOCOL"),
        ("mailto:x@y", "ERR_UNSUPPORTED_PROTOCOL"),
        ("http://h.test:99999/", "ERR_INVALID_URL"),
        ("http://h.test:port/", "ERR_INVALID_URL"),
        ("http://[::1/", "ERR_INVALID_URL"),
    ],
)
def test_location_that_cannot_be_followed(location: str, error: str) -> None:
    """A Location that leads nowhere fails the step."""
    with pytest.raises(StepError, match=error):
        next_hop(302, "GET", location, BASE)
