"""An AWS on this machine, for one run: what its workers are, and how the SDK is led to it.

Leaves to others: being it (platforms' emulator), the run (run_lambda).

Workers are processes of this Python, or containers of the worker image as they are on Lambda. The image is made only
when the script has been found right: that takes a minute the first time.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

from grapeshot_launcher.bundle.wheels import Machine
from grapeshot_launcher.options import LambdaOptions

if TYPE_CHECKING:
    from grapeshot_launcher.platforms.emulator.body import Bodies

# What would log the SDK in as somebody whom only the real AWS knows.
OTHERS_LOGIN = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN")


class Emulation:
    """What a run with `--emulate` has in place of AWS. Use it as a context: at its end nothing of it is left."""

    def __init__(self, options: LambdaOptions, *, say: Callable[[str], None]) -> None:
        self._options, self._say = options, say
        self._containers: Bodies | None = None
        self._undo = ExitStack()

    def __enter__(self) -> Emulation:
        """Begin; nothing is made yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the containers away."""
        self._undo.close()

    def machine(self) -> Machine:
        """Say what packages must be for, once; containers get their image now. Raises ImageFailed without an engine."""
        if self._options.emulate == "docker":
            return self._image()
        architecture = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
        return Machine(architecture, f"{sys.version_info.major}.{sys.version_info.minor}")

    def _image(self) -> Machine:
        # Imported late: only containers need the docker SDK.
        from grapeshot_launcher.cloud.engine import Engine
        from grapeshot_launcher.platforms.emulator.container import CONNECTIONS, Containers, labelled
        from grapeshot_launcher.platforms.emulator.local_image import local_image

        engine = self._undo.enter_context(Engine.connect(connections=CONNECTIONS))
        label = self._undo.enter_context(labelled(engine))
        image = local_image(engine, label=label, asked=self._options.image, say=self._say)
        self._containers = Containers(engine.api, image.id, label=label)
        return Machine(image.architecture, image.python)

    @contextmanager
    def aws(self) -> Iterator[str]:
        """Have the AWS stand, lead the SDK to it, and give the address of its worker image, after `machine`."""
        # Imported late: it is an extra of its own.
        from grapeshot_launcher.platforms.emulator import EmbeddedAws

        options = self._options
        with EmbeddedAws(
            region=options.region,
            others=options.regions[1:],
            repository=options.repository,
            containers=self._containers,
        ) as aws:
            before = dict(os.environ)
            for name in OTHERS_LOGIN:
                os.environ.pop(name, None)
            os.environ.update(aws.environ)
            try:
                yield (None if self._containers else options.image) or aws.image_uri()
            finally:
                os.environ.clear()
                os.environ.update(before)
