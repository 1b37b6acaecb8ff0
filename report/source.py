"""The text of the function that a compiled program was written as."""

from __future__ import annotations

import ast
import linecache
import textwrap
from collections import Counter
from dataclasses import dataclass

from ..runtime.model import Model


@dataclass(frozen=True, slots=True)
class Source:
    """Lines of a file, the first of which is line `first`."""

    file: str
    first: int
    lines: tuple[str, ...]


def source_of(model: Model) -> Source | None:
    """The innermost function that holds the lines its values were written on; None where there is no such text.

    A loaded checkpoint names files too, but the names are the checkpoint's: what is on this disk under them is not shown.
    """
    if model.compiled is None and model.natural is None:
        return None
    places = [node.line for node in model.graph.nodes if node.line]
    if not places:
        return None
    file = Counter(place.file for place in places).most_common(1)[0][0]
    wanted = {place.line for place in places if place.file == file}
    text = linecache.getlines(file)
    try:
        tree = ast.parse("".join(text))
    except SyntaxError:
        return None
    holding = [
        (node.end_lineno - first, first, node.end_lineno)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.end_lineno
        for first in [min([node.lineno, *(d.lineno for d in node.decorator_list)])]
        if all(first <= line <= node.end_lineno for line in wanted)
    ]
    if not holding:
        return None
    _, first, last = min(holding)
    lines = textwrap.dedent("".join(text[first - 1 : last])).splitlines()
    return Source(file, first, tuple(lines))
