"""The program as the margin checker sees it: nodes, their meanings, and what each can be worth.

A value is a function of one variable. Variables are the token, the position, what is read through a lookup, what a head adds up, and
what is computed from several variables; a variable forgets where it came from, which only adds cases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
NONE = np.iinfo(np.int64).min  # ⊥
TOKEN, POSITION = -1, -2  # variables; others are numbers of nodes
MOST = 4_000_000  # cases of one question


class Unshown(Exception):
    """A margin that is not shown; the text says where, and what fails."""


@dataclass(frozen=True, slots=True)
class Node:
    """An operation, its fields by name, and the nodes it reads."""

    op: str
    fields: Mapping[str, Any]
    args: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """A node's value by case of its variable; a constant has no variable, and one case."""

    variable: int | None
    table: Ints


@dataclass(slots=True)
class Terms:
    """All nodes of a program of length N over V symbols, and the values that variables have by case.

    A total's cases are pairs (matches, sum): `matched` holds the first. What is `free` is a variable of its own, which may also have
    any of the values given: it may be set (`freed.py`); `computed` has those that it has where it is not set. `sums` has of each sum
    multiplied out the first that it is, and `same` of a sum the one before it that it equals.
    """

    length: int
    symbols: int
    nodes: Sequence[Node]
    cases: dict[int, Ints] = field(default_factory=dict[int, Ints])
    matched: dict[int, Ints] = field(default_factory=dict[int, Ints])
    values: list[Value | None] = field(default_factory=list["Value | None"])
    free: Mapping[int, Ints] = field(default_factory=dict[int, Ints])
    computed: dict[int, Ints] = field(default_factory=dict[int, Ints])
    sums: dict[tuple[object, ...], int] = field(default_factory=dict[tuple[object, ...], int])
    same: dict[int, int] = field(default_factory=dict[int, int])

    def __post_init__(self) -> None:
        self.cases[TOKEN] = np.arange(self.symbols)
        self.cases[POSITION] = np.arange(1, self.length + 1)
        for number, node in enumerate(self.nodes):
            if any(not 0 <= a < number for a in node.args):
                raise Unshown(f"node {number} refers to one that is not before it")
            value = self._value(number, node)
            if number in self.free and value is not None and node.op not in ("token", "position"):
                self.computed[number] = np.unique(value.table)
                value = self._variable(number, np.concatenate([value.table, self.free[number]]))
            self.values.append(value)

    def of(self, number: int) -> Value:
        """A node's value. Raises Unshown for a lookup, which has none."""
        value = self.values[number]
        if value is None:
            raise Unshown(f"node {number} is a lookup, not a value")
        return value

    def _value(self, number: int, node: Node) -> Value | None:
        match node.op:
            case "token":
                return Value(TOKEN, self.cases[TOKEN])
            case "position":
                return Value(POSITION, self.cases[POSITION])
            case "const":
                value = node.fields["value"]
                return Value(None, np.array([NONE if value is None else value]))
            case "lookup":
                return None
            case "fetch":
                return self._variable(number, self._read(node), none=True)
            case "total":
                return self._added(number, node)
            case _:
                return self._computed(number, node)

    def _variable(self, number: int, values: Ints, none: bool = False) -> Value:
        found = np.unique(np.append(values, NONE) if none else values)
        self.cases[number] = np.roll(found, -1) if found[0] == NONE else found  # ⊥ last
        return Value(number, self.cases[number])

    def _read(self, node: Node) -> Ints:
        """What may be read through a lookup; a strict one picks an earlier position, so never the last."""
        value = self.of(node.args[1])
        strict = self.nodes[node.args[0]].fields["mask"] == "strict"
        return value.table[:-1] if strict and value.variable == POSITION else value.table

    def _added(self, number: int, node: Node) -> Value:
        """Cases of a total: each number of matches with each sum that it allows."""
        values = self.of(node.args[-1]).table
        values = np.where(values == NONE, 0, values)
        lo, hi = int(values.min()), int(values.max())
        most = self.length - (node.fields["mask"] == "strict") if self.matches(node) else 0
        pairs = [(c, s) for c in range(most + 1) for s in range(c * lo, c * hi + 1)]
        if len(pairs) > MOST:
            raise Unshown(f"node {number} has {len(pairs):,} sums")
        self.matched[number], sums = (np.array(column) for column in zip(*pairs, strict=True))
        self.cases[hidden(number)] = sums
        return self._variable(number, sums)

    def compared(self, node: Node) -> list[tuple[int, int, tuple[int, ...]]]:
        """The parts of a lookup or total: query, key, and the relation, empty for equality."""
        n = node.fields["parts"]
        relations = node.fields["relations"] or ((),) * n
        return [(node.args[p], node.args[n + p], tuple(relations[p])) for p in range(n)]

    def matches(self, node: Node) -> bool:
        """Whether a lookup or total may match anything, as far as values alone say: some two of each part hold."""
        for a, b, relation in self.compared(node):
            left, right = np.unique(self.of(a).table), np.unique(self.of(b).table)
            if relation and len(left) * len(right) > MOST:
                continue
            both = np.intersect1d(left, right)
            if not (holds(relation, left[:, None], right[None, :]).any() if relation else (both != NONE).any()):
                return False
        return True

    def _computed(self, number: int, node: Node) -> Value:
        args = [self.of(a) for a in node.args]
        variables = {a.variable for a in args if a.variable is not None}
        if node.op == "affine":
            form = self._linear(number)
            if form in self.sums and len(variables) > 1:
                return self._again(number, node, self.sums[form])
            if number not in self.free:  # what may be set is no sum any more
                self.sums.setdefault(form, number)
        if len(variables) <= 1:
            variable = next(iter(variables), None)
            size = 1 if variable is None else len(self.cases[variable])
            columns = [np.broadcast_to(a.table, (size,)) if a.variable is None else a.table for a in args]
            return Value(variable, meaning(node, columns))
        return self._variable(number, self._reach(node, [np.unique(a.table) for a in args], number))

    def _linear(self, number: int) -> tuple[object, ...]:
        """A sum multiplied out: its constant, and the multiples of what is no sum, but for what cancels and is never ⊥.

        Two sums with one such form are one value: where a term that stands in it is ⊥ both are, as each of them adds it up; elsewhere both
        are the constant and the multiples, as what cancels is there.
        """
        found, pending, constant = dict[int, int](), {number: 1}, 0
        while pending:  # later nodes first: what they add up is earlier
            here = max(pending)
            factor, some = pending.pop(here), self.nodes[here]
            if some.op == "affine" and (here == number or here not in self.free):
                constant += factor * some.fields["constant"]
                for c, a in zip(some.fields["coefficients"], some.args, strict=True):
                    pending[a] = pending.get(a, 0) + factor * c
            elif some.op == "const" and some.fields["value"] is not None:
                constant += factor * some.fields["value"]
            else:
                found[here] = factor
        return constant, *sorted((a, c) for a, c in found.items() if c or NONE in self.of(a).table)

    def _again(self, number: int, node: Node, same: int) -> Value:
        """A sum that is an earlier one, written otherwise. If nothing has read that one yet, its cases are those that both may have."""
        value, self.same[number] = self.of(same), same
        if value.variable == same and all(v is None or v.variable != same for v in self.values[same + 1 :]):
            reach = self._reach(node, [np.unique(self.of(a).table) for a in node.args], number)
            self.cases[same] = value.table[np.isin(value.table, reach)]
            value = self.values[same] = Value(same, self.cases[same])
        return value

    def _reach(self, node: Node, tables: Sequence[Ints], number: int) -> Ints:
        """All that an operation can give for arguments from these sets, or more."""
        none = any(t[0] == NONE for t in tables)
        inside = [t[t != NONE] for t in tables]
        if node.op == "affine" and all(len(t) for t in inside):
            ends = [sorted((c * int(t[0]), c * int(t[-1]))) for c, t in zip(node.fields["coefficients"], inside, strict=True)]
            lo, hi = (node.fields["constant"] + sum(end[side] for end in ends) for side in (0, 1))
            if hi - lo > MOST:
                raise Unshown(f"node {number} has {hi - lo:,} sums")
            return np.append(np.arange(lo, hi + 1), [NONE] if none else np.array([], np.int64))
        if node.op == "or_else":  # ⊥ only where the second is
            return np.unique(np.concatenate([inside[0], tables[1]]))
        if node.op == "where":  # what the condition never asks for is not read
            asked = [t for t, some in zip(tables[1:], (inside[0] == 1, inside[0] != 1), strict=True) if some.any()]
            return np.unique(np.concatenate([*asked, [NONE] if tables[0][0] == NONE else np.array([], np.int64)]))
        if node.op == "extreme":
            return np.unique(np.append(np.concatenate(inside), NONE) if none else np.concatenate(inside))
        if np.prod([float(len(t)) for t in tables]) > MOST:
            raise Unshown(f"node {number} has too many cases")
        return np.unique(meaning(node, [c.ravel() for c in np.meshgrid(*tables, indexing="ij")]))


def hidden(number: int) -> int:
    """The variable of a total's pairs of matches and sum, as long as the stream holds shares."""
    return -11 - 2 * number


def counted(number: int) -> int:
    """The variable of how many matches the head of a total has."""
    return -10 - 2 * number


def meaning(node: Node, args: Sequence[Ints]) -> Ints:
    """What a local operation gives, case by case; strict ones are ⊥ where an argument is."""
    f = node.fields
    missing = np.zeros(len(args[0]), bool)
    for a in args:
        missing |= a == NONE
    full = [np.where(a == NONE, 0, a) for a in args]
    match node.op:
        case "affine":
            found = f["constant"] + sum((c * a for c, a in zip(f["coefficients"], full, strict=True)), np.zeros(len(missing), np.int64))
        case "extreme":
            found = np.maximum(*full) if f["largest"] else np.minimum(*full)
        case "exists":
            return (args[0] != NONE).astype(np.int64)
        case "clip":
            found = np.where((full[0] >= f["lo"]) & (full[0] <= f["hi"]), full[0], NONE)
        case "divide":
            found = full[0] // f["divisor"]
        case "at_least":
            found = (full[0] - full[1] >= f["threshold"]).astype(np.int64)
        case "equal":
            found = (full[0] == full[1]).astype(np.int64)
        case "where":
            return np.where(args[0] == NONE, NONE, np.where(args[0] == 1, args[1], args[2]))
        case "or_else":
            return np.where(args[0] == NONE, args[1], args[0])
        case "table":
            found = _table(f, full)
        case _:
            raise Unshown(f"there is no meaning for {node.op}")
    return np.where(missing, NONE, found)


def _table(f: Mapping[str, Any], args: Sequence[Ints]) -> Ints:
    entries = np.array([NONE if e is None else e for e in f["entries"]] or [NONE], np.int64)
    index, inside = np.zeros(len(args[0]), np.int64), np.ones(len(args[0]), bool)
    for a, start, size in zip(args, f["starts"], f["shape"], strict=True):
        inside &= (a >= start) & (a < start + size)
        index = index * size + (a - start)
    return np.where(inside, entries[np.where(inside, index, 0)], NONE)


def holds(relation: Sequence[int], query: Ints, key: Ints) -> NDArray[np.bool_]:
    """Whether a part matches, for arrays that broadcast: equality where the relation is empty; ⊥ matches nothing."""
    there = (query != NONE) & (key != NONE)
    if not relation:
        return there & (query == key)
    lo, rows, key_lo, columns = relation[:4]
    table = np.array(relation[4:], bool).reshape(rows, columns)
    r, c = np.where(there, query - lo, -1), np.where(there, key - key_lo, -1)
    inside = there & (r >= 0) & (r < rows) & (c >= 0) & (c < columns)
    return inside & table[np.where(inside, r, 0), np.where(inside, c, 0)]


def product(sizes: Sequence[int], what: str) -> list[Ints]:
    """Every combination of cases: one array of indices for each variable. Raises Unshown where there are too many."""
    if np.prod([float(s) for s in sizes]) > MOST:
        raise Unshown(f"{what}: {' x '.join(f'{s:,}' for s in sizes)} cases are too many")
    return [g.ravel() for g in np.meshgrid(*(np.arange(s) for s in sizes), indexing="ij")]
