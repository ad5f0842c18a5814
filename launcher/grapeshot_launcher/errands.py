"""The commands that run no test: printing the IAM policy, building and publishing the worker image.

Leaves to others: the policy's statements and the image's making (cloud).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from grapeshot_launcher.cloud.policy import ACCOUNT, policy_text
from grapeshot_launcher.options import ImageOptions, PolicyOptions

if TYPE_CHECKING:
    from grapeshot_launcher.cloud.aws import Session

Say = Callable[[str], None]


def print_policy(options: PolicyOptions, *, say: Say) -> int:
    """Print the policy of whoever runs tests."""
    say(
        policy_text(
            account=options.account or ACCOUNT,
            region=options.region,
            prefix=options.prefix,
            publish=options.publish,
            extras=options.extras,
        )
    )
    return 0


def make_image(options: ImageOptions, *, say: Say, log_in: Callable[[], Session | None] | None = None) -> int:
    """Build the worker image, and publish it where a region is named; ImageFailed when that can't be done.

    `log_in` gives the session to publish with; without it, the SDK finds credentials by itself.
    """
    from grapeshot_launcher.cloud.image import build, publish
    from grapeshot_launcher.cloud.recipe import BASE_IMAGE

    base_image = options.base_image or BASE_IMAGE
    if options.region is None:
        built = build(options.architecture, say=say, base_image=base_image, network=options.network)
        say(built.id)
        return 0
    from grapeshot_launcher.cloud.aws import Aws

    published = publish(
        Aws(options.region, log_in() if log_in else None),
        architecture=options.architecture,
        say=say,
        repository=options.repository,
        prefix=options.prefix,
        base_image=base_image,
        network=options.network,
    )
    say(published.uri)
    return 0
