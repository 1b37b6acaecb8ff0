"""A program as text: one line an operation, parts before what is made of them, under the names they were given."""

from __future__ import annotations

from .expr import RASPExpr
from .selectors import Aggregate, Comparison, ConstantSelector, Select, SelectorAnd, SelectorNot, SelectorOr, SelectorWidth
from .sops import Choice, ConstantSOp, Full, LinearSequenceMap, Map, SequenceMap, Source


def written(expr: RASPExpr) -> str:
    """The program, a line for each operation that is no source and no constant."""
    names: dict[int, str] = {}
    used: dict[str, int] = {}
    lines: list[str] = []

    def name(e: RASPExpr) -> str:
        if id(e) not in names:
            text = _written(e, [name(part) for part in e.children])
            if isinstance(e, (Source, Full)):
                names[id(e)] = text
            else:
                used[e.name] = count = used.get(e.name, 0) + 1
                names[id(e)] = e.name if count == 1 else f"{e.name}.{count}"
                lines.append(f"{names[id(e)]} = {text}")
        return names[id(e)]

    last = name(expr)
    return "\n".join(lines or [last])


def _written(e: RASPExpr, parts: list[str]) -> str:
    match e:
        case Source():
            return e.kind
        case Full(fill=fill):
            return repr(fill)
        case ConstantSOp(value=value):
            return f"ConstantSOp({list(value)!r})"
        case ConstantSelector():
            return "ConstantSelector(…)"
        case LinearSequenceMap(fst_fac=a, snd_fac=b):
            return f"{a} * {parts[0]} + {b} * {parts[1]}"
        case Map(f=f) | SequenceMap(f=f):
            return f"{type(e).__name__}({getattr(f, '__name__', 'f').strip('<>')}, {', '.join(parts)})"
        case Choice():
            return f"{parts[1]} if {parts[0]} else {parts[2]}"
        case Select(predicate=predicate):
            relation = predicate.value if isinstance(predicate, Comparison) else getattr(predicate, "__name__", "f").strip("<>")
            return f"Select({parts[0]}, {parts[1]}, {relation})"
        case SelectorAnd():
            return f"{parts[0]} & {parts[1]}"
        case SelectorOr():
            return f"{parts[0]} | {parts[1]}"
        case SelectorNot():
            return f"~{parts[0]}"
        case SelectorWidth():
            return f"SelectorWidth({parts[0]})"
        case Aggregate(default=default):
            return f"Aggregate({parts[0]}, {parts[1]}{'' if default is None else f', default={default!r}'})"
        case _:
            return type(e).__name__
