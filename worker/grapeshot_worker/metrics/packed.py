"""The sketches of a period as one block of columns, made to be added up without being opened (pure).

Leaves to others: what a sketch is and how block after block is summed (sketch), the rest of a period (period).

A launcher of ten thousand workers reads a hundred thousand sketches a second. So a block has the names in one list,
each of the exact side values in another, and the counts of all sketches in one row of bytes: for each sketch those of
its lowest bucket to its highest, empty ones too. Nothing is done per bucket when it is read: the counts of a sketch
become one whole number whose digits ("lanes") they are, and sketches are added as numbers. A sketch stays outside the
block (`fits`) if it has negative values, a count of more than a byte, or so few buckets so far apart that a row of
them would be large.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from itertools import accumulate, chain
from typing import Any, Final

from grapeshot_worker.metrics.sketch import LANE, MOST_IN_LANE, Sketch

_SPARSE: Final = 64  # buckets in a row, for each that is not empty
_FARTHEST: Final = 40_000  # no index of a float's bucket is farther from 0
_COLUMNS: Final = ("low", "span", "zeros", "sum", "min", "max")

# A sketch as it is added up: name, lowest bucket, counts from there on, zeros, sum, min, max.
Lanes = tuple[str, int, int, int, float, float, float]


def fits(sketch: Sketch) -> bool:
    """Say whether a sketch can be in a block."""
    bins = sketch.bins
    if not sketch.count or sketch.negative_bins:
        return False
    return not bins or (max(bins.values()) <= MOST_IN_LANE and max(bins) - min(bins) < _SPARSE * len(bins))


class PackedSketches(Mapping[str, Sketch]):
    """Sketches by name, in a `block` that was read, and `others` beside it; one that is asked for is opened."""

    __slots__ = ("_counts", "_places", "block", "others")

    def __init__(self, block: Mapping[str, Any], others: Mapping[str, Sketch]) -> None:
        """Take a block as it came; ValueError for anything else."""
        try:
            names, columns = block["names"], [block[name] for name in _COLUMNS]
            self._counts = base64.b64decode(block["counts"], validate=True)
            _check(names, columns, len(self._counts))
            if not others.keys().isdisjoint(names):
                raise ValueError("not a block of sketches: one of them is beside it too")
        except (KeyError, TypeError, binascii.Error) as fault:
            raise ValueError(f"not a block of sketches: {fault}") from None
        self.block, self.others = block, others
        self._places: dict[str, int] | None = (
            None  # name → its place in the columns; made when one is asked for
        )

    @staticmethod
    def pack(sketches: Mapping[str, Sketch]) -> PackedSketches:
        """Put those that fit into a block, the others beside it."""
        fitting = {name: sketch for name, sketch in sketches.items() if fits(sketch)}
        others = {name: sketch for name, sketch in sketches.items() if name not in fitting}
        counts = bytearray()
        columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
        for sketch in fitting.values():
            bins = sketch.bins or {0: 0}
            low = min(bins)
            row = bytearray(max(bins) - low + 1)
            for index, count in bins.items():
                row[index - low] = count
            side = sketch.zeros, sketch.sum, sketch.min, sketch.max
            for name, value in zip(_COLUMNS, (low, len(row), *side), strict=True):
                columns[name].append(value)
            counts += row
        text = base64.b64encode(counts).decode("ascii")
        return PackedSketches({"names": [*fitting], **columns, "counts": text}, others)

    def __getitem__(self, name: str) -> Sketch:
        if name in self.others:
            return self.others[name]
        if self._places is None:
            self._places = {each: place for place, each in enumerate(self.block["names"])}
        place = self._places[name]
        low, span, zeros, total, lowest, highest = (self.block[column][place] for column in _COLUMNS)
        start = sum(self.block["span"][:place])
        row = self._counts[start : start + span]
        bins = {low + place: count for place, count in enumerate(row) if count}
        return Sketch(
            bins=bins,
            zeros=zeros,
            count=sum(row) + zeros,
            sum=float(total),
            min=float(lowest),
            max=float(highest),
        )

    def __iter__(self) -> Iterator[str]:
        return chain(self.block["names"], self.others)

    def __len__(self) -> int:
        return len(self.block["names"]) + len(self.others)

    def lanes(self) -> Iterator[Lanes]:
        """Give each sketch of the block as it is added up."""
        block = self.block
        row = bytearray(LANE * len(self._counts))
        row[::LANE] = self._counts
        ends = accumulate(block["span"])
        start, number = 0, int.from_bytes
        for name, low, end, zeros, total, lowest, highest in zip(
            block["names"], block["low"], ends, *(block[side] for side in _COLUMNS[2:]), strict=True
        ):
            yield name, low, number(row[LANE * start : LANE * end], "little"), zeros, total, lowest, highest
            start = end


def _check(names: Any, columns: list[Any], length: int) -> None:
    """Raise ValueError or TypeError for columns that are none; each is looked at as a whole, for speed."""
    if any(type(column) is not list or len(column) != len(names) for column in (names, *columns)):
        raise ValueError("not a block of sketches: its columns must be lists of one length")
    if len({name for name in names if type(name) is str}) != len(names):
        raise ValueError("not a block of sketches: its names must be texts, each there once")
    low, span, zeros, *sides = columns
    # A sum is an int if all its terms are, and can't be made of texts and lists.
    if any(type(sum(column)) is not int for column in (low, span, zeros)):
        raise ValueError("not a block of sketches: buckets must be whole numbers")
    if any(type(sum(column)) not in (int, float) for column in sides):
        raise ValueError("not a block of sketches: sums, lowest and highest values must be numbers")
    if names and (min(low) < -_FARTHEST or max(low) > _FARTHEST or min(span) < 1 or min(zeros) < 0):
        raise ValueError("not a block of sketches: it has buckets that can't be")
    if sum(span) != length:
        raise ValueError("not a block of sketches: its counts are not as many as its buckets")
