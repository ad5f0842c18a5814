"""What a function's state says, and what to do when it will not become active (pure).

Leaves to others: asking for the state, and waiting (function).
"""

from __future__ import annotations

from dataclasses import dataclass

from grapeshot_launcher.cloud.errors import FunctionFailed
from grapeshot_launcher.cloud.resources import FunctionSettings

PUBLISH = "Publish the worker image again (`grapeshot image publish`), then run again."
NETWORK = "Check --subnet-ids and --security-group-ids, or run without a VPC."
KEY = "The function is encrypted with a key that can't be used: repair the key, or delete the function and run again."
FILES = "The function has a file system that Grapeshot did not give it: delete the function and run again."
AGAIN = "Run again; where it comes back, delete the function so that it is made afresh."

# Reason code → the likely cause, what to do. What Lambda may add later is told with its own words.
REASONS: dict[str, tuple[str, str]] = {
    "Idle": ("It was not used for weeks, and AWS put it to sleep.", AGAIN),
    "Creating": (
        "AWS is still making it ready; a new image takes longest.",
        "Run again in a minute or two: it goes on meanwhile.",
    ),
    "Restoring": ("AWS is waking it after weeks without use.", "Run again in a minute or two."),
    "EniLimitExceeded": (
        "The VPC has no network interfaces left.",
        "Free some, ask AWS for a higher quota, or run without a VPC.",
    ),
    "InsufficientRolePermissions": (
        "Its role may not do what it must (network interfaces in a VPC).",
        "Attach AWSLambdaVPCAccessExecutionRole to the role.",
    ),
    "InvalidConfiguration": ("Its settings contradict each other.", AGAIN),
    "InternalError": ("AWS had a fault of its own.", AGAIN),
    "SubnetOutOfIPAddresses": (
        "A subnet has no addresses left.",
        "Use larger or more subnets (--subnet-ids).",
    ),
    "InvalidSubnet": ("A subnet does not exist, or is of another VPC.", NETWORK),
    "InvalidSecurityGroup": ("A security group does not exist, or is of another VPC.", NETWORK),
    "DisallowedByVpcEncryptionControl": ("The VPC's encryption control forbids it.", NETWORK),
    "ImageDeleted": ("Its image was deleted from the repository.", PUBLISH),
    "ImageAccessDenied": (
        "Lambda may not pull the image.",
        "The repository's policy must let lambda.amazonaws.com pull; `grapeshot image publish` sets it.",
    ),
    "InvalidImage": ("Lambda can't run the image; it may be of another architecture.", PUBLISH),
    "KMSKeyAccessDenied": ("Lambda may not use the encryption key.", KEY),
    "KMSKeyNotFound": ("The encryption key is gone.", KEY),
    "InvalidStateKMSKey": ("The encryption key can't be used now.", KEY),
    "DisabledKMSKey": ("The encryption key is disabled.", KEY),
    "EFSIOError": ("Its file system does not answer.", FILES),
    "EFSMountConnectivityError": ("Its file system can't be reached.", FILES),
    "EFSMountFailure": ("Its file system can't be mounted.", FILES),
    "EFSMountTimeout": ("Its file system was not mounted in time.", FILES),
    "FunctionError.InvalidEntryPoint": (
        "The image's program can't be started; it may be of another architecture.",
        PUBLISH,
    ),
    "FunctionError.InvalidWorkingDirectory": ("The image's working directory does not exist.", PUBLISH),
    "FunctionError.PermissionDenied": ("The image's program may not be executed.", PUBLISH),
    "FunctionError.InitTimeout": ("The worker took too long to start.", "Use more memory (--memory-size)."),
    "FunctionError.RuntimeInitError": ("The worker failed while it started.", PUBLISH),
    "FunctionError": ("The worker failed while it started.", PUBLISH),
    "ServiceQuotaExceededException": ("A quota of the account is used up.", "Ask AWS for a higher quota."),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class FunctionState:
    """What AWS says of a function."""

    state: str = "Active"
    reason: str = ""
    reason_code: str = ""
    architecture: str = ""
    memory: int = 0  # MB
    timeout: int = 0  # s
    role: str = ""


def failed(name: str, found: FunctionState) -> FunctionFailed:
    """Tell why the function does not work."""
    cause, remedy = _explained(found)
    return FunctionFailed(
        f"The function {name} is {found.state or 'in no state'}.",
        cause=cause,
        remedy=remedy,
        code=found.reason_code,
    )


def late(name: str, found: FunctionState, waited: float) -> FunctionFailed:
    """Tell that the function did not become active in time."""
    cause, remedy = _explained(found)
    return FunctionFailed(
        f"The function {name} was not ready after {waited:.0f} s; it is {found.state}.",
        cause=cause,
        remedy=remedy,
        code=found.reason_code,
    )


def changed(name: str, found: FunctionState, settings: FunctionSettings) -> FunctionFailed | None:
    """Tell if somebody changed the function under its name, which says what it is; None when it is as made."""
    differences = [
        f"{what} is {there}, not {wanted}"
        for what, there, wanted in (
            ("the architecture", found.architecture, settings.architecture),
            ("the memory", found.memory, settings.memory),
            ("the time limit", found.timeout, settings.timeout),
            ("the role", found.role, settings.role),
        )
        if there and there != wanted
    ]
    if not differences:
        return None
    return FunctionFailed(
        f"The function {name} is not as Grapeshot made it: {'; '.join(differences)}.",
        cause="Somebody changed it by hand.",
        remedy=f"Delete it, and the next run makes it afresh: aws lambda delete-function --function-name {name}",
    )


def _explained(found: FunctionState) -> tuple[str, str]:
    code = found.reason_code
    cause, remedy = REASONS.get(code) or REASONS.get(code.split(".")[0]) or (code, AGAIN)
    if found.reason and found.reason not in cause:
        cause = f"{cause} AWS says: {found.reason}".strip()
    return cause or "AWS gives no reason.", remedy
