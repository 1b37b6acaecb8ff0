"""The pass from an optimised graph to a natural plan: what each node is (`_coded`), and what the outputs need of it.

Only what depends on several features is computed, by gates and staircases (`computed.py`), or brought by heads (`attends.py`),
and gets directions of its own (`draft.py`).
"""

from __future__ import annotations

from ..codes.forms import Form, offset
from ..errors import ExactnessError, InputError
from ..graph import Node
from ..ops import Const, Fetch, Local, Lookup, Position, Token, Total
from .attends import fetched, total
from .computed import local
from .digits import Spelled
from .draft import Code, Draft
from .heads import sharpness
from .stage import ONE, Output, Plan, prune

CODES = ("auto", "onehot", "binary")


def plan(sums: Spelled, lead: float | None, code: str = "auto") -> Plan:
    """Choose features and heads. `lead` is the sharpness in nats, None for what the inequality of `heads.py` gives.

    Raises ExactnessError where a value has too many directions, naming it; InputError for an unknown code or sharpness.
    """
    if code not in CODES:
        raise InputError(f"code {code!r} is none of the natural style", hint=f"use one of {', '.join(CODES)}")
    if lead is not None and (isinstance(lead, bool) or not (isinstance(lead, (int, float)) and 0 < lead <= 1024)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"the sharpness is {lead!r}", hint="give the lead of a winner in nats, such as 14")
    graph = sums.graph
    draft = Draft(sums, sharpness(graph.sizes.length) if lead is None else float(lead), code)
    spelled = {total: index for index, total in sums.sums.items()}
    for index, node in enumerate(graph.nodes):
        try:
            code_of = None if isinstance(node.op, Lookup) else draft.at(spelled[index]) if index in spelled else _coded(draft, index, node)
            draft.codes.append(code_of)
        except ExactnessError as error:
            draft.codes.append(ExactnessError(error.fact, error.line or node.line, error.hint))
    outputs = tuple(_output(draft, root) for root in graph.roots)
    return prune(Plan(graph, draft.lead, draft.width, tuple(draft.features), tuple(draft.heads), outputs, draft.shares))


def _coded(draft: Draft, index: int, node: Node) -> Code:
    match node.op:
        case Token():
            return draft.identity(draft.origin("token"))
        case Position():
            return draft.identity(draft.origin("position"))
        case Const(value=value):
            return Code(None, (value,))
        case Fetch():
            return fetched(draft, index, node)
        case Total():
            return total(draft, index, node)
        case Local() as op:
            return local(draft, index, node, op)
        case _:
            raise AssertionError(f"no natural form of {node.op}")


def _output(draft: Draft, root: int) -> Output:
    """An output's logits: 1 for what it is, 0 for what it is not, 1/2 for ⊥."""
    domain = draft.graph.nodes[root].domain
    lins = draft.read(root)
    off = offset(domain) if domain.lo <= 1 + domain.size else domain.lo - 1
    top = max(1, domain.hi - off)
    if top + 1 > 1 << 20:
        fact = f"output {draft.graph.nodes[root].name} has {top + 1:,} classes"
        raise ExactnessError(fact, draft.graph.nodes[root].line, "use the compact style")
    return Output(Form("onehot", off, top), ({ONE: 0.5}, *(lins.get(z + off, {}) for z in range(1, top + 1))))
