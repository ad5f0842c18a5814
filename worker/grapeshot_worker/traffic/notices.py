"""What is printed while load is made: each notice once, results of checks within a budget.

Leaves to others: what is worth telling. A line for each of thirty thousand responses a second would slow down what
it tells about.
"""

from __future__ import annotations

from collections.abc import Callable

DIFFERENT_NOTICES = 100  # told at the most; ten thousand different ones would be noise
RESULTS_PER_SECOND = 100  # responses whose check results are printed, for each engine process

Print = Callable[[str], None]


class Notices:
    """Tells each line once."""

    def __init__(self, print_line: Print) -> None:
        self._print = print_line
        self._told: set[str] = set()

    def tell(self, line: str) -> None:
        """Print a line unless it was printed before."""
        if line not in self._told and len(self._told) < DIFFERENT_NOTICES:
            self._told.add(line)
            self._print(line)


class Results:
    """Prints the results of checks, up to a number each second; says how many it kept back. `clock` gives seconds.

    >>> lines, moments = [], iter([0.0, 0.1, 0.2, 1.5])
    >>> results = Results(lines.append, lambda: next(moments), per_second=1)
    >>> for text in "abcd":
    ...     results.show(lambda text=text: text)
    >>> lines
    ['a', '(2 more results of checks were not printed)', 'd']
    """

    def __init__(
        self, print_line: Print, clock: Callable[[], float], *, per_second: int = RESULTS_PER_SECOND
    ) -> None:
        self._print = print_line
        self._clock = clock
        self._per_second = per_second
        self._second = -1
        self._shown = self._kept_back = 0

    def show(self, write: Callable[[], str]) -> None:
        """Print what `write` gives, the results of one response, if this second's budget allows it."""
        second = int(self._clock())
        if second != self._second:
            self.close()
            self._second, self._shown = second, 0
        if self._shown < self._per_second:
            self._shown += 1
            self._print(write())
        else:
            self._kept_back += 1

    def close(self) -> None:
        """Say what was kept back since the last time."""
        if self._kept_back:
            self._print(f"({self._kept_back} more results of checks were not printed)")
            self._kept_back = 0
