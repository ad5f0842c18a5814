"""JSON that came from anywhere, taken apart with care: what isn't as it should be is named by its path (pure).

Leaves to others: what the parts mean (reading).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeGuard

LARGEST: Final = 1e300  # of a number that can be calculated with
_DIGITS: Final = 20


class Odd(Exception):
    """Something is not as it should be; says where and what."""


def parsed(data: bytes) -> Part:
    """Parse a file's bytes; Odd for what is no JSON object."""
    try:
        value = json.loads(data, parse_constant=_no_number, parse_int=_whole, parse_float=_float)
    except (ValueError, RecursionError) as error:  # a wrong encoding is a ValueError too
        raise Odd(
            f"it is not JSON, or it was cut short: {error}" if data.strip() else "it is empty"
        ) from None
    if not isinstance(value, dict):
        raise Odd("it is no JSON object")
    return Part(value, "")


def _whole(text: str) -> int:
    return int(text) if len(text) <= _DIGITS else _no_number(text)


def _float(text: str) -> float:
    value = float(text)
    return value if abs(value) < LARGEST else _no_number(text)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text[:_DIGITS]} is no number to calculate with")


@dataclass(frozen=True, slots=True)
class Part:
    """An object of the file, and its path there, such as `grapeshot.books`."""

    value: Mapping[str, Any]
    path: str

    def has(self, key: str) -> bool:
        """Say if a key is there, with another value than null."""
        return self.value.get(key) is not None

    def where(self, key: str) -> str:
        """Give the path of a key."""
        return f"`{self.path}.{key}`" if self.path else f"`{key}`"

    def any(self, key: str) -> Any:
        """Give any value; None where there is none."""
        return self.value.get(key)

    def text(self, key: str) -> str:
        """Give a text."""
        found = self.value.get(key)
        return found if isinstance(found, str) else self._odd(key, "is no text")

    def flag(self, key: str) -> bool:
        """Give true or false."""
        found = self.value.get(key)
        return found if isinstance(found, bool) else self._odd(key, "is neither true nor false")

    def whole(self, key: str) -> int:
        """Give a whole number from 0."""
        found = self.value.get(key)
        return found if type(found) is int and 0 <= found < LARGEST else self._odd(key, "is no count")

    def number(self, key: str) -> float:
        """Give a number as it stands: an int stays one."""
        found = self.value.get(key)
        return found if is_number(found) else self._odd(key, "is no number, or not one that can be")

    def texts(self, key: str) -> tuple[str, ...]:
        """Give a list of texts."""
        found = self._list(key)
        return (
            tuple(found)
            if all(isinstance(each, str) for each in found)
            else self._odd(key, "has more than texts")
        )

    def numbers(self, key: str) -> dict[str, float]:
        """Give an object of numbers."""
        found = dict(self.part(key).value)
        return found if all(map(is_number, found.values())) else self._odd(key, "has more than numbers")

    def counts(self, key: str) -> dict[str, int]:
        """Give an object of whole numbers; hooks may count below 0."""
        found = dict(self.part(key).value)
        known = all(type(count) is int and abs(count) < LARGEST for count in found.values())
        return found if known else self._odd(key, "has more than counts")

    def part(self, key: str) -> Part:
        """Give an object."""
        found = self.value.get(key)
        return (
            Part(found, self.where(key)[1:-1]) if isinstance(found, dict) else self._odd(key, "is no object")
        )

    def parts(self, key: str) -> Iterator[Part]:
        """Give a list of objects, one by one."""
        for number, each in enumerate(self._list(key)):
            where = f"{self.where(key)[1:-1]}[{number}]"
            if not isinstance(each, dict):
                raise Odd(f"`{where}` is no object")
            yield Part(each, where)

    def odd(self, key: str, fault: str) -> Odd:
        """Say that a key is at fault."""
        return Odd(f"{self.where(key)} {fault}")

    def _list(self, key: str) -> list[Any]:
        found = self.value.get(key)
        return found if isinstance(found, list) else self._odd(key, "is no list")

    def _odd(self, key: str, fault: str) -> NoReturn:
        raise self.odd(key, fault if key in self.value else "is missing")


def is_number(value: Any) -> TypeGuard[float]:
    """Say if something is a number that can be calculated with."""
    return type(value) in (int, float) and math.isfinite(value) and abs(value) < LARGEST
