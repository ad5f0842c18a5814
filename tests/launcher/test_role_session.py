"""When a role's session is renewed, and what happens when that fails; on a clock that is an argument."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from grapeshot_launcher.cloud.errors import AwsError, LoginFailed
from grapeshot_launcher.cloud.login_failures import failure
from grapeshot_launcher.cloud.role_session import Keys, Renewal, RoleCredentials

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


class Desk:
    """Hands out keys, numbered; `error` is raised in their place. Its clock is set by hand."""

    def __init__(self, lasts: float = 3600.0) -> None:
        self.now, self.lasts = NOON, lasts
        self.error: AwsError | None = None
        self.asked = 0

    def clock(self) -> datetime:
        return self.now

    def at(self, seconds: float) -> None:
        self.now = NOON + timedelta(seconds=seconds)

    def __call__(self) -> Keys:
        self.asked += 1
        if self.error:
            raise self.error
        return Keys(
            access_key=f"key {self.asked}",
            secret_key="secret",
            token="token",
            begins=self.now,
            ends=self.now + timedelta(seconds=self.lasts),
        )


def unreachable() -> LoginFailed:
    return failure("identity-unreachable", reason="Timeout")


def logged_in(desk: Desk) -> RoleCredentials:
    return RoleCredentials(Renewal(desk, desk.clock), desk.clock)


def key(credentials: RoleCredentials) -> str:
    """The key that a call made now is signed with."""
    return str(credentials.get_frozen_credentials().access_key)


@pytest.mark.parametrize(
    ("lasts", "quiet", "renews"), [(3600, 2699, 2701), (900, 599, 601), (43_200, 42_299, 42_301), (9, 5, 7)]
)
def test_a_session_is_renewed_before_its_end(lasts: float, quiet: float, renews: float) -> None:
    """In its last third, and not earlier than a quarter of an hour before its end."""
    desk = Desk(lasts)
    credentials = logged_in(desk)

    desk.at(quiet)
    before = key(credentials)
    desk.at(renews)
    after = key(credentials)

    assert (before, after, desk.asked) == ("key 1", "key 2", 2)


def test_a_failing_renewal_costs_nothing_yet() -> None:
    """The old keys serve on, attempts have pauses, and the first one that succeeds ends it."""
    desk = Desk()
    credentials = logged_in(desk)
    desk.error = unreachable()

    desk.at(2800)
    calls = [key(credentials) for _ in range(10)]
    credentials.check()
    desk.at(2816)
    later = key(credentials)
    desk.error = None
    desk.at(2832)
    renewed = key(credentials)

    assert set(calls) | {later} == {"key 1"}
    assert renewed == "key 4"
    assert desk.asked == 4


def test_the_run_is_ended_while_it_can_be() -> None:
    """Two minutes before the end the check refuses, for good; calls still work, so that workers can be stopped."""
    desk = Desk()
    credentials = logged_in(desk)
    desk.error = unreachable()
    desk.at(3470)
    credentials.check()

    desk.at(3490)
    with pytest.raises(LoginFailed) as caught:
        credentials.check()

    assert (caught.value.name, caught.value.passing) == ("session-ending", False)
    assert "110 s" in caught.value.message
    assert "Timeout" in caught.value.cause
    assert "MaxSessionDuration" in caught.value.remedy
    assert key(credentials) == "key 1"


def test_an_ended_session_is_told_as_such() -> None:
    """With why it could not be renewed; the next call is told the same without asking again."""
    desk = Desk()
    credentials = logged_in(desk)
    desk.error = unreachable()

    desk.at(3601)
    with pytest.raises(LoginFailed) as caught:
        key(credentials)
    with pytest.raises(LoginFailed, match="has ended"):
        key(credentials)

    assert (caught.value.name, caught.value.passing) == ("session-ended", False)
    assert "Timeout" in caught.value.cause
    assert desk.asked == 2


def test_a_long_pause_is_survived() -> None:
    """A machine that slept past the end of its session logs in again."""
    desk = Desk()
    credentials = logged_in(desk)

    desk.at(20_000)

    assert key(credentials) == "key 2"
