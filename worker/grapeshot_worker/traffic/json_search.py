"""Knows how the JSONPaths that need more than look-ups are left to python-jsonpath, and what must be added
around it.

Leaves to others: reading paths and following simple ones (json_path), the expressions in filters
(filter_expression).

Descent, slices and unions are rewritten into the library's words. Filters are JavaScript in scripts, so each
becomes a call of one function, `ask`, that hands the element to the compiled filter of that number. `.length`
of a list, `^` (parent) and `~` (property name) are applied to the library's matches, which is why they may
only end a path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from grapeshot_worker.script.template import MISSING
from grapeshot_worker.traffic.filter_expression import Candidate, compile_filter
from grapeshot_worker.traffic.filter_values import member
from grapeshot_worker.traffic.json_path import Step, key, refuse


def compile_search(expression: str, steps: Sequence[Step]) -> Callable[[Any], list[Any]]:
    """Compile for python-jsonpath, imported here: few scripts need it, and it takes a while to load."""
    from jsonpath import JSONPathEnvironment, JSONPathError, JSONPathMatch
    from jsonpath.function_extensions import ExpressionType, FilterFunction

    class Match(JSONPathMatch):
        """A node that tells the filters on its children who it is."""

        def filter_context(self) -> dict[str, Any]:
            return {"node": self.obj, "key": self.parts[-1] if self.parts else MISSING}

    class Ask(FilterFunction):
        """The one function of the rewritten filters: asks the JavaScript expression with this number."""

        arg_types = [ExpressionType.VALUE] * 6
        return_type = ExpressionType.LOGICAL

        def __call__(self, *arguments: Any) -> bool:
            return bool(filters[arguments[0]](Candidate(*arguments[1:])))

    class Environment(JSONPathEnvironment):
        match_class = Match

        def setup_function_extensions(self) -> None:
            self.function_extensions["ask"] = Ask()

    head, tail = _cut_tail(expression, steps)
    filters: list[Callable[[Candidate], bool]] = []
    rewritten = _rewrite(head, filters)
    try:
        segments = tuple(Environment(filter_caching=False).compile(rewritten).segments)  # type: ignore[union-attr]
    except JSONPathError as error:
        raise refuse(expression, str(error)) from error

    def every(document: Any) -> list[Any]:
        matches: Iterable[JSONPathMatch] = [
            Match(filter_context={}, obj=document, parent=None, path="$", parts=(), root=document)
        ]
        for segment in segments:
            matches = segment.resolve(matches)
        try:
            return [value for match in matches if (value := _finish(match, tail)) is not MISSING]
        except (JSONPathError, RecursionError) as error:
            raise refuse(expression, str(error)) from error

    return every


def _cut_tail(expression: str, steps: Sequence[Step]) -> tuple[Sequence[Step], Sequence[Step]]:
    """Part the steps for the library from those at the end that are applied to its matches."""
    cut = len(steps)
    while cut and steps[cut - 1].kind in ("parent", "property"):
        cut -= 1
    is_length = cut and steps[cut - 1] == Step("name", "length")
    if is_length and cut == len(steps) and (cut < 2 or steps[cut - 2].kind != "descent"):
        cut -= 1
    head, tail = steps[:cut], steps[cut:]
    if any(step.kind in ("parent", "property") for step in head):
        raise refuse(expression, "^ and ~ are only available at its end")
    if head and head[-1].kind == "descent":
        raise refuse(expression, "after .. a name, * or [ ] must follow")
    return head, tail


def _rewrite(steps: Sequence[Step], filters: list[Callable[[Candidate], bool]]) -> str:
    text = "$"
    for step in steps:
        if step.kind == "descent":
            text += ".."
        else:
            selectors = step.parts if step.kind == "union" else (step,)
            text += f"[{', '.join(_selector(selector, filters) for selector in selectors)}]"
    return text


def _selector(step: Step, filters: list[Callable[[Candidate], bool]]) -> str:
    match step.kind:
        case "all":
            return "*"
        case "slice":
            return step.text
        case "filter":
            filters.append(compile_filter(step.text))
            return f"?ask({len(filters) - 1}, @, #, _.node, _.key, $)"
        case _:
            if isinstance(key(step.text), int):
                return step.text
            escaped = step.text.replace("\\", "\\\\").replace("'", "\\'")
            return f"'{escaped}'"


def _finish(match: Any, tail: Sequence[Step]) -> Any:
    for step in tail:
        if step.kind == "name":
            return member(match.obj, step.text)
        if step.kind == "property":
            return match.parts[-1] if match.parts else MISSING
        match = match.parent
        if match is None:
            return MISSING
    return match.obj
