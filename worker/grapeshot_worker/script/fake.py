"""Fake data for templates: `$internetEmail()`, `$personFirstName()` …, and the older `$randEmail()` names.

Leaves to others: calling the functions (template), when the plugin is on (parse), what each makes (makers),
and the data itself (the Faker library, imported only when a script asks for it).

Options stand in the plugin's settings under the function's name: `plugins: {fake-data: {personFirstName:
{sex: female}}}`. A number in the call, `{{ $loremWords(5) }}`, stands for the function's first option.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from grapeshot_worker.script.makers import MAKERS, Maker, Options, Source
from grapeshot_worker.script.template import Functions


def fake_functions(
    options: Mapping[str, Any], seed: int | str, *, now: Callable[[], float] = time.time
) -> Functions:
    """Give every fake-data function under its `$name`; equal seeds give equal values, dates aside."""
    from faker import Factory  # slow to import, and most scripts have no use for it

    generator = Factory.create("en_US", use_weighting=False)  # weighted names take ten times as long
    generator.seed_instance(seed)
    source = Source(generator, generator.random, now)
    return {f"${name}": _bound(maker, source, _options_of(options, name)) for name, maker in MAKERS.items()}


def nearest(name: str) -> str | None:
    """Suggest the function meant by an unknown `$name`; None when nothing is alike."""
    folded = {known.lower(): known for known in MAKERS}
    found = difflib.get_close_matches(name.removeprefix("$").lower(), folded, n=1, cutoff=0.6)
    return f"${folded[found[0]]}" if found else None


def option_problems(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield, in words, each setting of the plugin that means nothing to it."""
    for name, value in options.items():
        maker = MAKERS.get(name.removeprefix("$"))
        if maker is None:
            meant = nearest(name)
            yield f"there is no fake-data function `{name}`" + (
                f"; did you mean `{meant[1:]}`?" if meant else ""
            )
        elif value is not None and not isinstance(value, Mapping):
            yield f"the options of `{name}` must be an object"
        else:
            known = ", ".join(f"`{option}`" for option in maker.options) or "none"
            yield from (
                f"`{name}` has no option `{option}`; it has {known}"
                for option in value or {}
                if option not in maker.options
            )


def _options_of(options: Mapping[str, Any], name: str) -> Options:
    written = options.get(name, options.get(f"${name}"))
    return written if isinstance(written, Mapping) else {}


def _bound(maker: Maker, source: Source, options: Options) -> Callable[..., Any]:
    make, first = maker.make, maker.options[0] if maker.options else None

    def call(*words: int | str) -> Any:
        if words and first is not None and isinstance(words[0], int):
            return make(source, {**options, first: words[0]})
        return make(source, options)

    return call
