"""The values of a model by name: which node of its graph each is, and in which places of the stream it can be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ..compiler.calls import close
from ..compiler.domain import Domain, Symbol
from ..compiler.errors import InputError
from ..compiler.graph import Graph
from ..compiler.ops import Position, Token
from ..runtime.classes import classes
from ..runtime.interpreter import Column
from ..runtime.model import Model, Probe
from ..runtime.outputs import read
from ..runtime.tokens import decode_value

NO_VALUE = float("nan")  # what numbers say that are no value's code


@dataclass(frozen=True, slots=True)
class Named:
    """A value that the stream holds: its name, its node in the optimised graph, its domain, and its places, the most telling first."""

    name: str
    node: int
    domain: Domain
    places: tuple[Probe, ...]


def node_of(graph: Graph, value: int | str) -> int | None:
    """The node that a probe's value is; None for the constant one."""
    if isinstance(value, int):
        return value
    kind = {"token": Token, "position": Position}.get(value)
    return next((i for i, node in enumerate(graph.nodes) if kind and isinstance(node.op, kind)), None)


def named_values(model: Model) -> dict[str, Named]:
    """Every value of the optimised program that has a place in the stream, in the order of the graph."""
    places: dict[int, list[Probe]] = {}
    for probe in model.probes:
        node = node_of(model.optimised, probe.value)
        if node is not None and not probe.name.startswith("filling of "):
            places.setdefault(node, []).append(probe)
    found: dict[str, Named] = {}
    for node, probes in sorted(places.items()):
        if any(probe.form.tells for probe in probes):
            telling = sorted(probes, key=lambda p: (not p.form.tells, p.form.kind != "digits", p.form.parts, p.form.off < -(1 << 20)))
            name = model.optimised.nodes[node].name
            found[name] = Named(name, node, model.optimised.nodes[node].domain, tuple(telling))
    return found


def decoded(model: Model, named: Named, stream: Sequence[npt.NDArray[np.floating]]) -> list[Symbol | None]:
    """A value as the stream holds it, in the user's symbols: None is ⊥, NaN what is no value's code.

    Shapes: blocks + 1 states (n + 1, d_model), BOS first -> n.
    """
    probe = named.places[0]
    z = probe.form.decode(stream[probe.block][1:, list(probe.dims)])
    return [NO_VALUE if c < 0 else shown(model, named.domain, None if c == 0 else int(c) + probe.form.off) for c in z]


def shown(model: Model, domain: Domain, value: int | None) -> Symbol | None:
    """A value in the user's symbols; NaN for a token that is none."""
    if value is not None and domain.kind == "token" and not 0 <= value < len(model.alphabet):
        return NO_VALUE
    return decode_value(model.graph.sizes, domain, value)


def shown_column(model: Model, named: Named, column: Column) -> list[Symbol | None]:
    """The interpreter's values in the user's symbols."""
    return [shown(model, named.domain, value) for value in column]


def require_named(known: Mapping[str, Named], name: str, graph: Graph) -> Named:
    """The value of that name. Raises InputError where the model holds none."""
    if name in known:
        return known[name]
    if any(node.name == name for node in graph.nodes):
        fact = f"{name!r} has no place of its own in the stream: it is a view of other values, or part of a head or of the embedding"
        raise InputError(fact, hint=f"values with a place are {', '.join(known)}")
    meant = close(name, known)
    raise InputError(f"there is no value {name!r}", hint=f"did you mean {meant}?" if meant else f"values are {', '.join(known)}")


def outputs(model: Model, columns: Sequence[Column]) -> list[Symbol | None]:
    """What a model returns, from the values of its outputs (the guard's may follow): tuples where the program returns a tuple."""
    graph = model.graph
    return read(graph, columns[: len(graph.outputs)], lambda _, domain, value: shown(model, domain, value))


def said(model: Model, logits: npt.NDArray[np.floating]) -> list[Column]:
    """The values that logits say, an output at a time, the guard's last. Shapes: (n, Σ classes) -> outputs x n."""
    blocks = model.module.split(torch.from_numpy(logits))
    found = [classes(form, block).tolist() for form, block in zip(model.output_forms, blocks, strict=True)]
    return [[c + form.off if c else None for c in column] for form, column in zip(model.output_forms, found, strict=True)]
