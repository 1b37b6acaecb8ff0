"""Expressions made by Tracr's own module, as ours: told by their classes' names, so that Tracr need not be installed to ask."""

from __future__ import annotations

from typing import Any, cast

from ..compiler.errors import ProgramError
from . import selectors, sops
from .expr import Encoding, RASPExpr, annotate

MODULE = "tracr.rasp.rasp"
SOURCES: dict[str, RASPExpr] = {"TokensType": sops.tokens, "IndicesType": sops.indices, "LengthType": sops.length}


def is_theirs(x: object) -> bool:
    """Whether an object is an expression of Tracr's."""
    return any(kind.__module__ == MODULE and kind.__name__ == "RASPExpr" for kind in type(x).__mro__)


def is_operation(x: object) -> bool:
    """Whether an object is a sequence operation, ours or Tracr's: what can be made a program."""
    theirs = any(kind.__module__ == MODULE and kind.__name__ == "SOp" for kind in type(x).__mro__)
    return isinstance(x, sops.SOp) or theirs


def ours(x: object) -> RASPExpr:
    """Tracr's expression as ours, shared parts shared, with its name and encoding. Raises ProgramError for what is none."""
    known: dict[int, RASPExpr] = {}
    if not is_theirs(x):
        raise ProgramError(f"{x!r} is no expression of Tracr's", hint="give what tracr.rasp.rasp makes")

    def of(e: Any) -> Any:
        if id(e) not in known:
            known[id(e)] = _annotated(e, _made(e, of))
        return known[id(e)]

    return cast("RASPExpr", of(x))


def _made(e: Any, of: Any) -> RASPExpr:
    kind = next(k.__name__ for k in type(e).__mro__ if k.__module__ == MODULE)
    match kind:
        case "TokensType" | "IndicesType" | "LengthType":
            return SOURCES[kind]
        case "Map":
            return sops.Map(e.f, of(e.inner), simplify=False)
        case "LinearSequenceMap":
            return sops.LinearSequenceMap(of(e.fst), of(e.snd), e.fst_fac, e.snd_fac)
        case "SequenceMap":
            return sops.SequenceMap(e.f, of(e.fst), of(e.snd))
        case "Full":
            return sops.Full(e.fill)
        case "ConstantSOp":
            return sops.ConstantSOp(e.value, e.check_length)
        case "Select":
            return selectors.Select(of(e.keys), of(e.queries), _predicate(e.predicate))
        case "ConstantSelector":
            return selectors.ConstantSelector(e.value, e.check_length)
        case "SelectorWidth":
            return selectors.SelectorWidth(of(e.selector))
        case "SelectorAnd":
            return selectors.SelectorAnd(of(e.fst), of(e.snd))
        case "SelectorOr":
            return selectors.SelectorOr(of(e.fst), of(e.snd))
        case "SelectorNot":
            return selectors.SelectorNot(of(e.inner))
        case "Aggregate":
            return selectors.Aggregate(of(e.selector), of(e.sop), e.default)
        case _:
            raise ProgramError(f"Tracr's {kind} has no meaning of its own", hint="give a sequence operation")


def _predicate(predicate: Any) -> Any:
    """Their comparison as ours; a function as it is."""
    if type(predicate).__module__ == MODULE and type(predicate).__name__ == "Comparison":
        return selectors.Comparison(predicate.value)
    return predicate


def _annotated(e: Any, mine: RASPExpr) -> RASPExpr:
    if isinstance(mine, sops.Source):
        return mine
    given = {k: Encoding(v.value) if k == "encoding" else v for k, v in e.annotations.items()}
    return annotate(mine, **given) if given else mine
