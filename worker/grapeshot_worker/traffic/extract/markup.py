"""Knows XPath and CSS selectors on bodies: lxml underneath, imported when the first such expression is
compiled.

Leaves to others: what is done with the value (capture). Bodies are not trusted: no network, no DTD, no entity
is expanded, and lxml's limits on depth and size stay on. XPath sees XML, and HTML where the body is no XML or
its root is `html`; selectors always see HTML.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Literal

from grapeshot_worker.script.template import MISSING
from grapeshot_worker.traffic.extract.javascript import ExpressionError
from grapeshot_worker.traffic.response import Response

Trees = dict[str, Any]  # the documents made of one response so far: "xml", "html" → root element or None
Find = Callable[[Response, Trees], Any]


def compile_xpath(expression: str) -> Find:
    """Compile an XPath: gives the text of the first node it selects, or its number, boolean or string.

    Prefixes declared at the document's root may be used. ExpressionError if it is no XPath.
    """
    from lxml import etree

    try:
        compiled = etree.XPath(expression, smart_strings=False)
    except etree.XPathError as error:
        raise ExpressionError(f"the XPath {expression} can't be used: {error}") from error

    def find(response: Response, trees: Trees) -> Any:
        root = xml_or_html(response, trees)
        if root is None:
            raise ExpressionError("the body is neither XML nor HTML")
        try:
            if ":" in expression:  # may be a prefix
                names = {prefix: name for prefix, name in root.nsmap.items() if prefix}
                return _plain(root.xpath(expression, namespaces=names or None, smart_strings=False))
            return _plain(compiled(root))
        except etree.XPathError as error:
            raise ExpressionError(f"the XPath {expression} can't be used: {error}") from error

    return find


def compile_selector(
    selector: str, attr: str | None, index: int | Literal["last", "random"], *, rng: random.Random
) -> Find:
    """Compile a CSS selector: gives attribute `attr`, or the text, of the element at `index` of those
    selected.

    ExpressionError if it is no selector. MISSING when there is no such element or attribute.
    """
    from cssselect import HTMLTranslator, SelectorError
    from lxml import etree

    try:
        compiled = etree.XPath(HTMLTranslator().css_to_xpath(selector))
    except (SelectorError, etree.XPathError) as error:
        raise ExpressionError(f"the selector {selector} can't be used: {error}") from error

    def find(response: Response, trees: Trees) -> Any:
        root = html(response, trees)
        found: Any = compiled(root) if root is not None else []
        position = (
            len(found) - 1
            if index == "last"
            else int(rng.random() * len(found))
            if index == "random"
            else index
        )
        if not 0 <= position < len(found):
            return MISSING
        element = found[position]
        return _text(element) if attr is None else element.get(attr, MISSING)

    return find


def xml_or_html(response: Response, trees: Trees) -> Any:
    """Give the root of the body as XML, or as HTML; None if it is neither."""
    if "xml" not in trees:
        from lxml import etree

        parser = etree.XMLParser(
            encoding="utf-8" if response.encoding else None,
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
        )
        try:
            root: Any = etree.fromstring(_source(response), parser)
            is_html = etree.QName(root).localname.lower() == "html"
        except (etree.XMLSyntaxError, ValueError):
            root, is_html = None, True
        trees["xml"] = html(response, trees) if is_html else root
    return trees["xml"]


def html(response: Response, trees: Trees) -> Any:
    """Give the root of the body as HTML; None if there is nothing in it."""
    if "html" not in trees:
        from lxml import etree

        try:
            trees["html"] = etree.fromstring(
                _source(response), etree.HTMLParser(encoding="utf-8", no_network=True)
            )
        except (etree.XMLSyntaxError, ValueError):
            trees["html"] = None
    return trees["html"]


def _source(response: Response) -> bytes:
    return response.text.encode() if response.encoding else response.body


def _text(element: Any) -> str:
    return "".join(element.itertext())


def _plain(result: Any) -> Any:
    if isinstance(result, list):
        if not result:
            return MISSING
        first = result[0]
        return _text(first) if hasattr(first, "itertext") else str(first)
    if isinstance(result, float) and result.is_integer():
        return int(result)
    return result
