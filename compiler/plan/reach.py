"""How far what is read reaches: a head copies a number as it stands there, greater ones than are ever read included.

`hit.fetch(hit.position)` of an earlier match is at most N - 2, for what it finds lies one place back; but hit.position, which the head
copies, is at most N - 1. The form in which the copy is written must have that number's code too, or that code would be said to be ⊥'s.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..codes.forms import Form
from ..graph import Graph
from ..ops import Const, Fetch, Local, Position


@dataclass(frozen=True, slots=True)
class Reach:
    """For each node the greatest number that its cell may hold, and whether the position alone determines it."""

    most: tuple[int, ...]
    placed: tuple[bool, ...]

    @classmethod
    def of(cls, graph: Graph) -> Reach:
        """Node by node. What the position alone determines is known place by place, and is never copied from where it reaches further."""
        most, placed = list[int](), list[bool]()
        for node in graph.nodes:
            placed.append(isinstance(node.op, (Position, Const)) or (isinstance(node.op, Local) and all(placed[a] for a in node.args)))
            further = isinstance(node.op, Fetch) and not placed[node.args[1]]
            most.append(max(node.domain.hi, most[node.args[1]]) if further else node.domain.hi)
        return cls(tuple(most), tuple(placed))

    def written(self, value: int, form: Form) -> Form | None:
        """The form in which a head writes a value that is asked for in a form; None where it is not copied but computed from the number.

        A number and a flag are written alike in a form that reaches further.
        """
        most = self.most[value]
        if form.off + form.top >= most or self.placed[value]:
            return form
        return replace(form, top=most - form.off) if form.kind == "flag" or (form.kind, form.parts) == ("digits", 1) else None
