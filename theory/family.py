"""Which family a program belongs to: known for the library's programs, stated by the caller for others, never guessed from weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..compiler.codes.numerics import DTYPES
from ..compiler.errors import HeadworkError, InputError
from ..compiler.graph import Graph
from ..programs import Entry, entry, names
from ..programs.compose import PEOPLE
from .measure import READINGS, Measured
from .registry import FAMILIES, REGISTRY
from .statement import Facts, Statement

FORMS = ("previous", "position")
GIVEN = ("k", *(name for name, reading in READINGS.items() if reading.read is None and name not in ("k", "hops")))
IMPLIED: Mapping[str, Mapping[str, int]] = {"induction": {"k": 1}, "composition": {"functions": 2}}
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
        return Facts(values, self.form, measured.masks, self.entry is not None)

    def families(self) -> frozenset[str]:
        """The families whose statements hold of this program: induction is k-hop with k = 1, and the other way round."""
        if self.family is None:
            return frozenset()
        found = {self.family}
        if self.family == "induction" or (self.family == "khop" and self.given.get("k") == 1):
            found |= {"khop", "induction"}
        if self.family == "cycle":
            found.add("connectivity")
        return frozenset(found)

    def statements(self, every: bool = False) -> list[Statement]:
        """The rows that speak of this family, or every row of the registry."""
        families = self.families()
        return [row for row in REGISTRY.values() if every or families & set(row.families)]

    def __str__(self) -> str:
        parts = [f"family {self.family or 'not stated'}", *(f"{name} = {value}" for name, value in self.given.items())]
        return ", ".join(parts + ([f"{self.form} form"] if self.form else []))


def stated(family: str, form: str | None, given: Mapping[str, object]) -> Member:
    """A family the caller states. Raises InputError for an unknown family, form or parameter."""
    if family not in FAMILIES:
        raise InputError(f"there is no family {family!r}", hint=f"the families are {', '.join(FAMILIES)}")
    if form is not None and form not in FORMS:
        raise InputError(f"there is no form {form!r}", hint=f"the forms of k-hop are {' and '.join(FORMS)}")
    values = dict(IMPLIED.get(family, {}))
    for name, value in given.items():
        if name not in GIVEN:
            raise InputError(f"no statement has a parameter {name!r}", hint=f"the parameters are {', '.join(GIVEN)}")
        if isinstance(value, bool) or not isinstance(value, int) or value < (name in ("n", "s")):
            raise InputError(f"{name} is {value!r}", hint=f"give {name} ({READINGS[name].meaning}) as a positive integer")
        values[name] = value
    if family == "induction" and values["k"] != 1:
        raise InputError(f"induction is given with k = {values['k']}", hint="induction is k-hop with k = 1; state the family khop")
    return Member(family, values, form)


def of_entry(found: Entry, settings: Mapping[str, object]) -> Member:
    """What the library's program is, by its name and parameters; programs no statement is about have no family."""
    settled = found.settle(settings)
    match found.name:
        case "khop":
            k = settled["k"]
            assert isinstance(k, int)
            family, given, form = "khop", {"k": k}, "position"
        case "induction":
            family, given, form = "induction", {"k": 1}, "previous"
        case "recall":
            family, given, form = "recall", {}, None
        case "compose":
            family, given, form = "composition", {"n": len(PEOPLE), "functions": 2}, None
        case "sort" | "sort_by":
            family, given, form = "sort", {}, None
        case "automaton" if found.layers(4, **settled) > 1:
            family, given, form = "scan", {}, None
        case "majority" | "bigram":
            family, given, form = found.name, {}, None
        case "ngram" | "ngram_counts" if settled["n"] == 2:
            family, given, form = "bigram", {}, None
        case "ngram" | "ngram_counts":
            family, given, form = "markov", {}, None
        case _:
            family, given, form = None, {}, None
    return Member(family, given, form, found, settled)


def recognised(graph: Graph) -> Member:
    """The library's program whose graph this is, node for node, or a program without a family.

    The name says which program and parameters to build; only an equal graph counts.
    """
    nothing = Member(None, {})
    named = _NAME.fullmatch(graph.name)
    if named is None or named[1] not in names():
        return nothing
    settings: dict[str, object] = {name: int(value) for name, value in _PARAMETER.findall(named[2] or "")}
    try:
        found = entry(named[1])
        dtype = next(d.name for d in DTYPES.values() if d.mantissa == graph.sizes.mantissa)
        built = found.program(**settings).build(graph.sizes.length, graph.sizes.alphabet.symbols, dtype)
    except HeadworkError:
        return nothing
    same = [(n.op, n.args) for n in built.nodes] == [(n.op, n.args) for n in graph.nodes]
    same = same and (built.outputs, built.single, built.sizes.causal) == (graph.outputs, graph.single, graph.sizes.causal)
    return of_entry(found, settings) if same and graph.guard is None else nothing
