"""The functions every template can call: `$randomNumber` and `$randomString`.

Leaves to others: reading the call (template) and the functions of plugins (fake).
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from typing import Any

_ALPHABET = string.ascii_letters + string.digits


def builtin_functions(rng: random.Random) -> dict[str, Callable[..., Any]]:
    """Give the built-in functions, drawing from `rng`; words that are no numbers count as not written."""

    def random_number(*words: int | str) -> int:
        """Draw an integer, bounds included: `()` 0..1, `(n)` 0..n, `(a, b)` a..b in either order."""
        numbers = [word for word in words if isinstance(word, int)]
        low, high = sorted(numbers[:2] if len(numbers) > 1 else (0, *(numbers or [1])))
        return rng.randint(low, high)

    def random_string(*words: int | str) -> str:
        """Draw `n` (default 10) letters and digits."""
        length = words[0] if words and isinstance(words[0], int) else 10
        return "".join(rng.choices(_ALPHABET, k=length))

    return {"$randomNumber": random_number, "$randomString": random_string}
