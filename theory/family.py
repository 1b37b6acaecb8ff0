"""Which family a program belongs to: known for the library's, shown by the graph, or stated by the caller; never guessed from weights."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .. import protocols
from ..compiler.codes.numerics import DTYPES
from ..compiler.errors import HeadworkError, InputError
from ..compiler.graph import Graph
from ..compiler.language import Program
from ..compiler.rewrite import optimise
from ..compiler.tied.parts import parts_of
from ..mpc import Protocol
from ..programs import Entry, entry, names
from ..runtime.looped import Looped
from .measure import READINGS, Measured
from .registry import FAMILIES, REGISTRY
from .scans import scanned
from .statement import Facts, Statement
from .tasks import task

FORMS = ("previous", "position")
IMPLIED: Mapping[str, Mapping[str, int]] = {"induction": {"k": 1}, "composition": {"functions": 2}}
WIDER: Mapping[str, frozenset[str]] = {
    "induction": frozenset({"khop"}),
    "cycle": frozenset({"connectivity"}),
    "looped-khop": frozenset({"khop"}),
    "looped-automaton": frozenset({"scan"}),
}
POSITIVE = ("n", "s")  # parameters that are at least 1
MOST_HOPS = 64  # hops that a program's graph is compared with
_NAME = re.compile(r"(\w+)(?:\((.*)\))?")
_PARAMETER = re.compile(r"(\w+)=(-?\d+)")


@dataclass(frozen=True, slots=True)
class Member:
    """A program's family and its parameters; `entry` and `settings` where it is a program of the library.

    `form` is how k-hop is written: "previous" (it copies the previous token, matches, then doubles) or "position".
    """

    family: str | None
    given: Mapping[str, int]
    form: str | None = None
    entry: Entry | None = None
    settings: Mapping[str, object] | None = None

    def facts(self, measured: Measured) -> Facts:
        """The symbols' values: read off the model, or given by the family; k is the number of hops that count."""
        values = {name: reading.read(measured) for name, reading in READINGS.items() if reading.read is not None}
        values |= {name: value for name, value in self.given.items() if name != "k"}
        if "k" in self.given:
            values |= {"hops": self.given["k"], "k": min(self.given["k"], max(1, measured.length - 1))}
        return Facts(values, self.form, measured.masks, self.entry is not None, measured.places)

    def families(self) -> frozenset[str]:
        """The families whose statements hold of this program: induction is k-hop with k = 1, and the other way round."""
        if self.family is None:
            return frozenset()
        one_hop = {"induction"} if self.family == "khop" and self.given.get("k") == 1 else set[str]()
        return frozenset({self.family, *one_hop}) | WIDER.get(self.family, frozenset())

    def statements(self, own: Sequence[Statement] = (), every: bool = False) -> list[tuple[Statement, bool]]:
        """The rows that speak of this family, each with True, and with `every` the others; the caller's `own` rows first.

        A row of the caller's that names no family speaks of every program; it stands in for a row of ours of the same id.
        """
        families, ids = self.families(), {row.id for row in own}
        rows = [*own, *(row for row in REGISTRY.values() if row.id not in ids)]
        judged = [(row, bool(families & set(row.families)) or (row.id in ids and not row.families)) for row in rows]
        return [(row, speaks) for row, speaks in judged if speaks or every]

    def __str__(self) -> str:
        parts = [f"family {self.family or 'not stated'}", *(f"{name} = {value}" for name, value in self.given.items())]
        return ", ".join(parts + ([f"{self.form} form"] if self.form else []))


def stated(family: str, form: str | None, given: Mapping[str, object], own: Sequence[Statement] = ()) -> Member:
    """A family the caller states, of ours or of the caller's `own` rows. Raises InputError for an unknown family, form or parameter."""
    families = tuple(dict.fromkeys([*(f for row in own for f in row.families), *FAMILIES]))
    if family not in families:
        raise InputError(f"there is no family {family!r}", hint=f"the families are {', '.join(families)}; rows= may name others")
    if form is not None and form not in FORMS:
        raise InputError(f"there is no form {form!r}", hint=f"the forms of k-hop are {' and '.join(FORMS)}")
    values = dict(IMPLIED.get(family, {}))
    known = parameters(own)
    for name, value in given.items():
        if name not in known:
            raise InputError(f"no statement has a parameter {name!r}", hint=f"the parameters are {', '.join(known)}")
        if isinstance(value, bool) or not isinstance(value, int) or value < (name in POSITIVE):
            meaning = f" ({READINGS[name].meaning})" if name in READINGS else ""
            raise InputError(f"{name} is {value!r}", hint=f"give {name}{meaning} as a positive integer")
        values[name] = value
    if family == "induction" and values["k"] != 1:
        raise InputError(f"induction is given with k = {values['k']}", hint="induction is k-hop with k = 1; state the family khop")
    return Member(family, values, form)


def parameters(own: Sequence[Statement] = ()) -> list[str]:
    """What a family may be given: k, what our rows read, and what the caller's rows name besides."""
    ours = [name for name, reading in READINGS.items() if reading.read is None and name not in ("k", "hops")]
    return list(dict.fromkeys(["k", *ours, *sorted(set().union(*(row.parameters() for row in own)) - {"hops"})]))


def of_entry(found: Entry, settings: Mapping[str, object]) -> Member:
    """What the library's program is, by its name and parameters."""
    settled = found.settle(settings)
    family, given, form = task(found, settled)
    return Member(family, given, form, found, settled)


def of_program(program: Program) -> Member | None:
    """What a program of the library is by the call that made it, whatever its parameters; None for others."""
    make, given = program.origin or (None, ())
    found = next((e for e in map(entry, names()) if e.make is make), None)
    if found is None or found.program(**dict(given)).function.__code__ is not program.function.__code__:
        return None
    return of_entry(found, dict(given))


def recognised(graph: Graph) -> Member:
    """What a program is, where its graph shows it: the library's program of that name node for node, or, once both are
    optimised, any of the library's that computes the same by the same operations; else a scan, where it shows one; else a program
    without a family.
    """
    if (known := _named(graph) or _alike(graph)) is not None:
        return known
    scan = scanned(graph)
    return Member(None, {}) if scan is None else Member("scan", scan)


def recognised_loop(model: Looped) -> Member:
    """What a looped model is: the library's program of that name, where each of its parts is the model's, node for node."""
    loop, _ = model.whole()
    named = _NAME.fullmatch(model.name)
    if named is None or named[1] not in names():
        return Member(None, {})
    settings: dict[str, object] = {name: int(value) for name, value in _PARAMETER.findall(named[2] or "")}
    found = entry(named[1])
    try:
        parts = parts_of(found.program(**settings), model.length, model.alphabet.symbols, model.dtype)
    except HeadworkError:
        return Member(None, {})
    same = all(
        [(n.op, n.args) for n in a.nodes] == [(n.op, n.args) for n in b.nodes] and a.outputs == b.outputs
        for a, b in zip(parts.graphs(), loop.parts.graphs(), strict=True)
    )
    return of_entry(found, settings) if same and parts.times == model.times else Member(None, {})


def of_protocol(subject: Protocol) -> str:
    """The family of a protocol: what the library says where its function is the library's, else "mpc"."""
    return next(
        (e.family for e in map(protocols.entry, protocols.names()) if e.protocol().function.__code__ is subject.function.__code__), "mpc"
    )


def _named(graph: Graph) -> Member | None:
    named = _NAME.fullmatch(graph.name)
    if named is None or named[1] not in names():
        return None
    settings: dict[str, object] = {name: int(value) for name, value in _PARAMETER.findall(named[2] or "")}
    found = entry(named[1])
    built = _built(found, settings, graph)
    same = built is not None and [(n.op, n.args) for n in built.nodes] == [(n.op, n.args) for n in graph.nodes]
    return of_entry(found, settings) if built is not None and same and _shape(built) == _shape(graph) else None


def _alike(graph: Graph) -> Member | None:
    """The library's programs with their defaults, and k-hop at the depth that this graph has."""
    if graph.guard is not None or len(graph.outputs) > 1:
        return None
    mine, interned = optimise(graph), dict[object, int]()
    wanted = _key(mine, interned)
    hops = range(1 << max(0, mine.depth - 2), min(MOST_HOPS, (1 << max(1, mine.depth - 1)) - 1) + 1)
    candidates: list[tuple[Entry, dict[str, object]]] = [(entry("khop"), {"k": k}) for k in hops if mine.depth > 1]
    symbols = graph.sizes.alphabet.symbols
    candidates += [(e, {}) for e in map(entry, names()) if not e.alphabet_fixed or e.alphabet == symbols]
    for found, settings in candidates:
        built = _built(found, settings, graph)
        if built is not None and _shape(built) == _shape(graph) and built.guard is None and _key(optimise(built), interned) == wanted:
            member = of_entry(found, settings)
            return Member(member.family, member.given, member.form)
    return None


def _built(found: Entry, settings: Mapping[str, object], like: Graph) -> Graph | None:
    """The library's program at the sizes of another graph, None where it does not exist there."""
    try:
        dtype = next(d.name for d in DTYPES.values() if d.mantissa == like.sizes.mantissa)
        return found.program(**settings).build(like.sizes.length, like.sizes.alphabet.symbols, dtype)
    except HeadworkError:
        return None


def _shape(graph: Graph) -> tuple[object, ...]:
    return len(graph.outputs), graph.single, graph.sizes.causal, graph.guard is None


def _key(graph: Graph, interned: dict[object, int]) -> int:
    """A number for the graph's output that two graphs share only where they are the same operations on the same values."""
    keys: list[int] = []
    for node in graph.nodes:
        keys.append(interned.setdefault((node.op, tuple(keys[a] for a in node.args)), len(interned)))
    return keys[graph.output]
