"""The default role of the functions: found, made, and mended when an earlier run left it half made.

Leaves to others: what it may do (policy), and waiting until Lambda knows it (function).

That a role is complete can't be asked with the documented permissions, but attaching what is attached changes
nothing: so every run attaches everything. Two runs that do this at once disturb nobody.
"""

from __future__ import annotations

from contextlib import suppress

from grapeshot_launcher.cloud.calls import Reach, again, together
from grapeshot_launcher.cloud.errors import AccessDenied, Conflict, Missing
from grapeshot_launcher.cloud.policy import managed_policy_arns, trust_policy, worker_policy
from grapeshot_launcher.cloud.resources import Site

SETTLING = 30.0  # s in which IAM tells itself of a new role or policy


async def ensure_role(reach: Reach, site: Site) -> bool:
    """Make the default role exist, with all of its policies; tell whether it was made now."""
    made = await reach.call(reach.aws.role, site.role) is None
    if made:
        try:
            await reach.call(reach.aws.create_role, site.role, trust_policy(site))
        except Conflict:
            made = False  # another run was faster
    try:
        await together(
            *(_attach(reach, site, arn) for arn in managed_policy_arns(site)),
            _own_policy(reach, site),
        )
    except AccessDenied as error:
        if made:
            raise
        # Whoever prepared the role need not let everybody change it.
        reach.warn(f"Could not make sure that the role {site.role} is complete: {error.message}")
    return made


async def _own_policy(reach: Reach, site: Site) -> None:
    with suppress(Conflict):  # its name carries its revision: what exists is what would be made
        await reach.call(reach.aws.create_policy, site.policy, worker_policy(site))
    await _attach(reach, site, site.policy_arn)


async def _attach(reach: Reach, site: Site, arn: str) -> None:
    await again(
        lambda: reach.call(reach.aws.attach_policy, site.role, arn),
        on=(Missing, Conflict),
        within=SETTLING,
        pause=2.0,
    )
