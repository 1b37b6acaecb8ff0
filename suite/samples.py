"""Inputs of a model of the suite, drawn and sorted, with the right answers: nobody has to write a generator of data.

Rows all have the model's length. Where there are few, every one is there; else random ones, those that constructions like these have
been seen to fail on, and the library's own samples. Sets are lists of rows:

- `all` (every sequence of that length) or `random`;
- `balanced`: equally many for each answer that the last position can have;
- `all_true`, `all_false`, `mixed`: of a program whose answer is a truth, by what it says at all positions; of others true is an answer
  and false is ⊥;
- `pairs`: clean and corrupt rows whose last answers differ.

`interchanges` say, for values inside, what is right on a row where the value is what it is on another row, at every position.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

from ..compiler.domain import Symbol
from ..compiler.graph import Graph
from ..compiler.ops import Lookup
from ..lab.names import named_values, shown
from ..lab.settable import settable
from ..lab.wiring import wiring_of
from ..runtime import cases
from ..runtime.fixed import Fixed
from ..runtime.interpreter import Column, interpret_graph, interpret_roots
from ..runtime.model import Model
from ..runtime.serial import Json

EVERY = 128  # sequences of the model's length, where all of them are taken
MANY = 128  # rows where they are not
EACH = 32  # rows of a set of truths, and pairs
SWAPS = 8  # interchanges of a value
VALUES = 6  # of a model that are swapped
Ids: TypeAlias = list[int]
Answers: TypeAlias = list[list[int]]  # n x outputs, classes


@dataclass(frozen=True)
class Samples:
    """Rows of token ids with the classes of the right answers, sets of them, and interchanges, as samples.json holds them."""

    rows: list[Ids]
    answers: list[Answers]
    sets: dict[str, Json]
    interchanges: list[Json]

    def as_dict(self, model: Model) -> dict[str, Json]:
        """The file: ids and classes, and the same in the program's own symbols."""
        symbols = model.alphabet.symbols
        rows: list[Json] = []
        for ids, answers in zip(self.rows, self.answers, strict=True):
            said = [[value_of(model, o, c) for o, c in enumerate(at)] for at in answers]
            rows.append({"ids": ids, "tokens": [symbols[i] for i in ids], "classes": answers, "answers": said})  # pyright: ignore[reportArgumentType]
        return {"rows": rows, "sets": self.sets, "interchanges": self.interchanges}


def value_of(model: Model, output: int, cls: int) -> Symbol | None:
    """What a class of an output says, in the program's symbols; None is ⊥."""
    domain = model.graph.nodes[model.graph.outputs[output]].domain
    return shown(model, domain, cls + model.output_forms[output].off if cls else None)


def classes_of(model: Model, columns: Sequence[Sequence[int | None]]) -> Answers:
    """Values of the outputs as classes, position by position."""
    offs = [form.off for form in model.output_forms]
    return [[0 if v is None else v - off for v, off in zip(at, offs, strict=True)] for at in zip(*columns, strict=True)]


def interpreted(model: Model, ids: Sequence[int], fixed: Fixed | None = None) -> Answers:
    """The interpreter's answers, with values of the optimised program set where there are any."""
    if not fixed:
        return classes_of(model, interpret_roots(model.graph, ids))
    columns = interpret_graph(model.optimised, ids, fixed)
    return classes_of(model, [columns[root] for root in model.optimised.roots])


def samples(model: Model, rng: random.Random, own: Callable[[], Ids] | None) -> Samples | None:
    """Rows, answers and sets for a model; `own` draws a row of the kind that its program is meant for. None where all answers are alike."""
    v, n = len(model.alphabet), model.length
    every = v**n <= EVERY
    if every:
        rows = list(cases.exhaustive(v, n))[-(v**n) :]
    else:
        drawn = [*cases.sampled(v, [n], MANY // 2, rng), *([rng.randrange(v) for _ in range(n)] for _ in range(MANY))]
        drawn += [row for _ in range(MANY // 2) if own is not None and len(row := own()) == n]
        rng.shuffle(drawn)
        rows = [list(row) for row in dict.fromkeys(map(tuple, drawn))][:MANY]
    said = model.classes(rows)  # the model, in one batch, says whether more is asked of the interpreter, whose answers are those kept
    if (said == said[:1]).all():
        return None
    answers = [interpreted(model, row) for row in rows]
    sets: dict[str, Json] = {"all" if every else "random": list(range(len(rows)))}
    sets["balanced"] = _balanced(answers, rng)
    sets |= _truths(model.graph, model, answers, rng)
    sets["pairs"] = _pairs(answers, rng)
    return Samples(rows, answers, sets, _interchanges(model, rows, answers, rng))


def _balanced(answers: list[Answers], rng: random.Random) -> list[Json]:
    """Rows of which each last answer has equally many."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for i, said in enumerate(answers):
        groups.setdefault(tuple(said[-1]), []).append(i)
    least = min(map(len, groups.values()))
    return list[Json](sorted(i for group in groups.values() for i in rng.sample(group, least)))


def _truths(graph: Graph, model: Model, answers: list[Answers], rng: random.Random) -> dict[str, Json]:
    """Rows by what the first output says at all positions."""
    form = model.output_forms[0]
    truth = graph.nodes[graph.outputs[0]].domain.kind == "bool"
    true = [[bool(at[0] and (at[0] + form.off if truth else 1)) for at in said] for said in answers]
    found = {
        "all_true": [i for i, said in enumerate(true) if all(said)],
        "all_false": [i for i, said in enumerate(true) if not any(said)],
        "mixed": [i for i, said in enumerate(true) if any(said) and not all(said)],
    }
    return {name: list[Json](sorted(rng.sample(rows, min(EACH, len(rows))))) for name, rows in found.items()}


def _pairs(answers: list[Answers], rng: random.Random) -> list[Json]:
    """Pairs of rows whose last answers differ."""
    found: list[Json] = []
    for _ in range(8 * EACH):
        a, b = rng.randrange(len(answers)), rng.randrange(len(answers))
        if answers[a][-1] != answers[b][-1] and len(found) < EACH:
            found.append([a, b])
    return found


def swappable(model: Model) -> dict[str, int]:
    """The values that can be swapped in the stream, so that the model says what its meaning says: name to node."""
    why = settable(wiring_of(model))
    return {
        name: value.node
        for name, value in named_values(model).items()
        if not why[value.node] and not isinstance(model.optimised.nodes[value.node].op, Lookup) and all(p.block for p in value.places)
    }


def _interchanges(model: Model, rows: list[Ids], answers: list[Answers], rng: random.Random) -> list[Json]:
    """For each value that can be swapped pairs of rows, and the right answers; half of them, where there are such, with an effect."""
    found: list[Json] = []
    known: dict[int, list[Column]] = {}  # the interpreter's columns on rows

    def column(row: int, node: int) -> Column:
        if row not in known:
            known[row] = interpret_graph(model.optimised, rows[row])
        return known[row][node]

    names = swappable(model)
    for name in sorted(rng.sample(list(names), min(VALUES, len(names)))):
        told: list[tuple[int, int, Answers]] = []
        idle: list[tuple[int, int, Answers]] = []
        node = names[name]
        for _ in range(3 * SWAPS):
            base, source = rng.randrange(len(rows)), rng.randrange(len(rows))
            swapped = dict(enumerate(column(source, node), 1))
            same = list(swapped.values()) == list(column(base, node))
            said = answers[base] if same else interpreted(model, rows[base], {node: swapped})
            (told if said != answers[base] else idle).append((base, source, said))
            if len(told) >= SWAPS // 2 and len(told) + len(idle) >= SWAPS:
                break
        chosen = [*told[: SWAPS // 2], *idle][:SWAPS]
        found.append({"value": name, "swaps": [{"base": b, "source": s, "classes": cast(Json, said)} for b, s, said in chosen]})
    return found
