"""The refusals of AWS, by what a caller can do about them.

Leaves to others: finding out which one it is, and its words (refusals).
"""

from __future__ import annotations

from grapeshot_worker.errors import CloudError


class AwsError(CloudError):
    """AWS refused, or could not be asked; `code` is AWS's own word for it."""

    passes = False  # whether the same call may work a little later

    def __init__(self, message: str, *, cause: str = "", remedy: str = "", code: str = "") -> None:
        super().__init__(message, cause=cause, remedy=remedy, passing=self.passes)
        self.code = code


class NoCredentials(AwsError):
    """There are no AWS credentials, or only a part of them."""


class ExpiredCredentials(AwsError):
    """The credentials were good once."""


class InvalidCredentials(AwsError):
    """AWS does not know these credentials, in this region at least."""


class AccessDenied(AwsError):
    """The credentials lack a permission; the message names it and the statement that grants it."""


class Unreachable(AwsError):
    """No answer: a wrong region or endpoint, or no network. Whether the call had an effect is unknown."""

    passes = True


class Throttled(AwsError):
    """Too many calls, even after the SDK's own retries."""

    passes = True


class Unavailable(AwsError):
    """AWS's own fault, and still so after the SDK's retries. Whether the call had an effect is unknown."""

    passes = True


class Missing(AwsError):
    """What was asked for is not there."""


class Conflict(AwsError):
    """It exists already, or somebody is changing it right now."""


class NotReady(AwsError):
    """It is there, but AWS can't use it yet; the same call succeeds some seconds later."""

    passes = True


class FunctionFailed(AwsError):
    """The function can't be made to work; the remedy depends on AWS's reason."""


class LoginFailed(AwsError):
    """A role could not be taken on with GitHub's identity token; `name` is the failure's in the documentation.

    `snippet` is ready to be pasted: a part of a workflow, a policy, commands. `remedy` ends with it; `advice` is the
    same without it, for whoever shows the two apart.
    """

    def __init__(
        self,
        message: str,
        *,
        name: str,
        cause: str = "",
        advice: str = "",
        snippet: str = "",
        passing: bool = False,
        code: str = "",
    ) -> None:
        shown = "\n\n" + "\n".join(f"        {line}" for line in snippet.splitlines()) if snippet else ""
        super().__init__(message, cause=cause, remedy=advice + shown, code=code)
        self.name, self.advice, self.snippet, self.passing = name, advice, snippet, passing
