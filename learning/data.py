"""Batches to learn a program from: texts it has something to say on, and what its reference, or the interpreter, says there."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from ..compiler.calls import public
from ..compiler.domain import Domain, Symbol
from ..compiler.errors import InputError
from ..compiler.graph import Graph
from ..compiler.language import Program
from ..compiler.language.program import require_program
from ..compiler.plan.heads import output_forms
from ..programs import Entry
from ..runtime.interpreter import interpret_roots
from ..runtime.model import Model
from ..theory.family import recognised

MASKED = -100  # the target that torch's cross_entropy leaves out
TRIES = 50  # texts drawn for each that is wanted, before a length is given up
Texts: TypeAlias = list[list[Symbol]]


class Batch(NamedTuple):
    """Token ids and target classes. Shapes: ids (B, n); classes (B, n), or (B, n, outputs) where a program returns a tuple."""

    ids: Tensor
    classes: Tensor


@dataclass(frozen=True, slots=True)
class _Task:
    """A program at sizes, and the library's entry and parameters where it is one of the library's.

    `ids` are the token ids of the entry's symbols, `own` says that they are those symbols themselves, so that the reference knows them;
    over another alphabet each of the entry's symbols stands for the one in its place there.
    """

    graph: Graph
    entry: Entry | None
    parameters: Mapping[str, object]
    ids: Mapping[Symbol, int]
    own: bool


@public
def data(
    program: Program | Model | Entry,
    batch: int,
    *,
    length: int | None = None,
    seed: int = 0,
    alphabet: int | Sequence[Symbol] | None = None,
    none: int = MASKED,
    uniform: bool = False,
) -> Batch:
    """A batch of `batch` texts of one length, at most `length`, with the class of the right answer at every position.

    Of a library program the texts are its entry's samples and the answers those of its plain reference; of your own, or with
    `uniform`, symbols are drawn alike and the interpreter answers. Classes are those of a compiled model's logits; where the answer is
    ⊥ the class is `none`: −100, which cross_entropy leaves out, or 0, the class of ⊥, to learn it too. Equal seeds give equal batches.
    Raises InputError for sizes that make no sense, and where the program has no texts of a common length.
    """
    task = _task(program, length, alphabet)
    limit = task.graph.sizes.length if length is None else length
    for what, number, least in (("batch", batch, 1), ("length", limit, 1), ("seed", seed, 0)):
        if isinstance(number, bool) or not isinstance(number, int) or number < least:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"{what} is {number!r}", hint=f"give {what} as an integer of at least {least}")
    if limit > task.graph.sizes.length:
        raise InputError(f"length is {limit:,}, more than the {task.graph.sizes.length:,} of {task.graph.name}", hint="compile it for more")
    rng = random.Random(seed)
    alphabet_ = task.graph.sizes.alphabet
    if task.entry is None or uniform:
        rows = [[rng.randrange(len(alphabet_)) for _ in range(limit)] for _ in range(batch)]
    else:
        texts = _alike(_drawn(task, rng, limit), batch, task.entry.name)
        rows = [[task.ids[symbol] for symbol in text] for text in texts]
    answer = _reference(task) if task.own else lambda row: _interpreted(task.graph, row)
    offs = [next(output_forms(task.graph.nodes[root].domain)).off for root in task.graph.outputs]
    classes = [[[none if v is None else v - off for v in column] for off, column in zip(offs, answer(row), strict=True)] for row in rows]
    targets = torch.tensor(classes).transpose(1, 2)  # (B, n, outputs)
    return Batch(torch.tensor(rows), targets[..., 0] if task.graph.single else targets)


def _task(program: Program | Model | Entry, length: int | None, alphabet: int | Sequence[Symbol] | None) -> _Task:
    if isinstance(program, Model):
        if alphabet is not None:
            raise InputError("an alphabet is given with a model", hint="the model has its own")
        return _known(program.graph)
    if length is None:
        raise InputError("no length is given", hint="pass length=, the most tokens of a text")
    if isinstance(program, Entry):
        program = program.program()
    require_program("data()", program)
    return _known(program.build(length, alphabet))


@lru_cache(maxsize=8)
def _known(graph: Graph) -> _Task:
    """A graph with the library's entry for it, if it is one of the library's."""
    found = recognised(graph)
    if found.entry is None:
        return _Task(graph, None, {}, {}, own=False)
    alphabet = graph.sizes.alphabet
    symbols = range(found.entry.alphabet) if isinstance(found.entry.alphabet, int) else found.entry.alphabet
    ids = {symbol: alphabet.id(symbol) for symbol in symbols}
    own = None not in ids.values()
    placed = {symbol: i % len(alphabet) if not own or (known := ids[symbol]) is None else known for i, symbol in enumerate(symbols)}
    return _Task(graph, found.entry, found.settings or {}, placed, own)


def _drawn(task: _Task, rng: random.Random, length: int) -> Callable[[], list[Symbol]]:
    entry = task.entry
    assert entry is not None
    return lambda: entry.sample(rng, length, **task.parameters)


def _alike(draw: Callable[[], list[Symbol]], batch: int, name: str) -> Texts:
    """So many texts of one length: the one that is reached first, longer ones preferred as they are more common."""
    by_length: dict[int, Texts] = {}
    for _ in range(TRIES * batch):
        text = draw()
        if text:
            same = by_length.setdefault(len(text), [])
            same.append(text)
            if len(same) == batch:
                return same
    most = Counter({n: len(same) for n, same in by_length.items()}).most_common(1)
    found = f"at most {most[0][1]} of one length were drawn" if most else "none was drawn"
    raise InputError(f"{name} has no {batch:,} texts of a common length: {found}", hint="ask for a smaller batch or a longer text")


def _reference(task: _Task) -> Callable[[list[int]], list[list[int | None]]]:
    entry, graph = task.entry, task.graph
    assert entry is not None

    def answer(row: list[int]) -> list[list[int | None]]:
        said = entry.reference([graph.sizes.alphabet.symbols[i] for i in row], **task.parameters)
        columns = [said] if graph.single else list(zip(*said, strict=True))  # pyright: ignore[reportArgumentType]
        domains = [graph.nodes[root].domain for root in graph.outputs]
        return [[_number(graph, domain, v) for v in column] for domain, column in zip(domains, columns, strict=True)]

    return answer


def _number(graph: Graph, domain: Domain, value: object) -> int | None:
    """A value of the user's as the interpreter counts it: a token's id, 0 and 1 for booleans."""
    if value is None:
        return None
    found = graph.sizes.alphabet.id(value) if domain.kind == "token" else int(value)  # pyright: ignore[reportArgumentType]
    assert found is not None, value
    return found


def _interpreted(graph: Graph, row: list[int]) -> list[list[int | None]]:
    return interpret_roots(graph, row)[: len(graph.outputs)]
