"""Why a worker can't go on, in words for a person (pure).

Leaves to others: noticing it (shift). `name` is the worker's, as in "Worker 3 of 10"; limits are seconds.
"""

from __future__ import annotations

from grapeshot_worker.errors import CloudError, Exit, GrapeshotError
from grapeshot_worker.messages import Failed


def of(failed: Failed) -> GrapeshotError:
    """Give what an engine process said of itself."""
    return GrapeshotError(
        failed.message, cause=failed.cause, remedy=failed.remedy, exit_code=failed.exit_code
    )


def met(name: str, error: GrapeshotError) -> GrapeshotError:
    """Say whose fault it is: what AWS refuses a worker has to do with the worker's role, not with the launcher's."""
    if not isinstance(error, CloudError):
        return error
    return CloudError(
        f"{name}: {error.message}", cause=error.cause, remedy=error.remedy, passing=error.passing
    )


def no_bundle(name: str, key: str) -> GrapeshotError:
    """The script is not there."""
    return _fault(
        f"{name} found no script: there is no {key} in the run's bucket.",
        cause="Bundles expire after two days, or somebody has removed it.",
        remedy="Start the test again: the launcher sends the bundle anew.",
    )


def not_ready(name: str, limit: float) -> GrapeshotError:
    """Compiling the script or loading the hooks takes too long."""
    return _fault(
        f"{name}: after {limit:.0f} s its engine processes were not ready.",
        cause="The hooks wait while they are loaded, or the memory size gives the worker too little CPU.",
        remedy="Let hooks wait inside functions, not at import; or raise --memory-size.",
    )


def no_start(name: str, limit: float) -> GrapeshotError:
    """Go never came."""
    return _fault(
        f"{name} was ready and waited {limit:.0f} s for the start, in vain.",
        cause="Other workers did not get ready, or the launcher is gone.",
        remedy="See what the launcher says of the other workers; check the account's Lambda concurrency quota.",
    )


def abandoned(name: str, limit: float, unread: GrapeshotError | None) -> GrapeshotError:
    """The lease ran out; `unread` says why the control record can't be read, if so."""
    cause, remedy = "The launcher is gone or can't reach S3.", "See how the launcher ended"
    if unread is not None:
        cause = f"The control record can't be read. {unread.message}"
        remedy = unread.remedy.rstrip(".") or remedy
    return _fault(
        f"{name} stopped by itself: for {limit:.0f} s it saw no sign of life from the launcher.",
        cause=cause,
        remedy=f"{remedy}, and start the test again.",
    )


def out_of_time(name: str, margin: float) -> GrapeshotError:
    """AWS Lambda would end the worker soon."""
    return _fault(
        f"{name} had to stop {margin:.0f} s before AWS Lambda would have ended it.",
        cause="The load was not over within the time that the function has.",
        remedy="Shorten the phases, or raise the function's time (--timeout, at most 900 s).",
    )


def silent(name: str, limit: float) -> GrapeshotError:
    """An engine process hangs."""
    return _fault(
        f"{name}: one of its engine processes said nothing for {limit:.0f} s.",
        cause="A hook that computes or waits without `await` holds up all users of its process.",
        remedy="Make the hook asynchronous, or shorten what it does.",
    )


def unanswered(name: str, limit: float) -> GrapeshotError:
    """An engine process had to be killed at the end."""
    return _fault(
        f"{name}: an engine process did not answer the stop within {limit:.0f} s.",
        cause="A hook that computes or waits without `await` holds up all users of its process.",
        remedy="Make the hook asynchronous, or shorten what it does.",
    )


def garbled(name: str, error: ValueError) -> GrapeshotError:
    """An engine process sent what is no message."""
    return _fault(
        f"{name}: an engine process sent something that can't be read; it was ended.",
        cause=str(error),
        remedy="Look for a hook that writes to file descriptors it did not open.",
    )


def bug(name: str, error: Exception) -> GrapeshotError:
    """Something nobody has thought of."""
    return GrapeshotError(
        f"{name} met a fault of Grapeshot itself: {type(error).__name__}: {error}",
        remedy="The worker's log in CloudWatch has the whole story; please report it.",
        exit_code=Exit.BUG,
    )


def _fault(message: str, *, cause: str, remedy: str) -> GrapeshotError:
    return GrapeshotError(message, cause=cause, remedy=remedy, exit_code=Exit.WORKER)
