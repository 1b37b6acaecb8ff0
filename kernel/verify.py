"""The kernel's one entry: a checkpoint and a proof script in, what is proved out, or the first step that is not accepted.

By induction over the blocks: before each, every dimension of the stream is exactly zero or holds one dimension of the code of a term,
at every position, for every sequence of 1..N tokens. No matrix has a bias and BOS attends to itself, so BOS stays the zero vector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .blocks import Fact, attention, mlp
from .logits import logits
from .numbers import ARITHMETICS, Reals, Rejected, require_stored
from .rewrite import step
from .stream import BLOCK, Form, Stream, claims
from .terms import POSITION, TOKEN, Term, Terms
from .totals import EXP_BITS


class Checkpoint(NamedTuple):
    """What is proved of: sizes, the program's nodes as (op, fields, args), its outputs, tensors, and how logits are read.

    `blocks` has each attention block's masks, head by head, and () for an MLP. `forms` say which class is which value of each output.
    """

    length: int
    symbols: int
    dtype: str
    nodes: tuple[tuple[str, tuple[Any, ...], tuple[int, ...]], ...]
    outputs: tuple[int, ...]
    forms: tuple[Form, ...]
    blocks: tuple[tuple[str, ...], ...]
    tensors: Mapping[str, Reals]


FAULTS = (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, RecursionError, StopIteration)  # of what is malformed


def statement(name: str, checkpoint: Checkpoint, outputs: str, values: int, totals: bool) -> str:
    """What an accepted script proves, in words."""
    rule = ARITHMETICS[checkpoint.dtype]
    exp = f" and off by a relative 2^{EXP_BITS - rule.sums} at most" if totals else ""
    return (
        f"For every sequence of 1..{checkpoint.length:,} tokens over {checkpoint.symbols:,} symbols, {outputs} of {name} and all "
        f"{values:,} values it writes equal the interpreter's, in {checkpoint.dtype}, for any order of summation and any exp with "
        f"exp(0) = 1 that is zero below -{rule.underflow:g}{exp}."
    )


def verify(checkpoint: Checkpoint, script: Mapping[str, Any]) -> list[Fact]:
    """Replay a proof script: what was shown of each part. Raises Rejected where a step does not hold; no other exception leaves it."""
    try:
        return _replay(checkpoint, script)
    except FAULTS as fault:
        if isinstance(fault, Rejected):
            raise
        raise Rejected(f"the script is malformed: {type(fault).__name__}: {fault}") from fault


def frozen(value: Any) -> Any:
    """JSON's lists as tuples, however deep."""
    return tuple(map(frozen, value)) if isinstance(value, (list, tuple)) else value


def _replay(checkpoint: Checkpoint, script: Mapping[str, Any]) -> list[Fact]:
    require_tensors(checkpoint)
    terms, dtype, facts = equalities(checkpoint, script), checkpoint.dtype, list[Fact]()
    stream = embedding(checkpoint, terms, script["embedding"])
    if len(script["blocks"]) != len(checkpoint.blocks):
        raise Rejected("the script is for another number of blocks")
    for number, (masks, part) in enumerate(zip(checkpoint.blocks, script["blocks"], strict=True), 1):
        w = block(checkpoint, number)
        stream = attention(stream, w, masks, part, dtype, number, facts) if masks else mlp(stream, w, part, dtype, number, facts)
    logits(stream, checkpoint.tensors["W_U"], checkpoint.forms, script, dtype, facts)
    return facts


def block(checkpoint: Checkpoint, number: int) -> dict[str, Reals]:
    """The tensors of a block, counted from 1."""
    return {name.rpartition(".")[2]: t for name, t in checkpoint.tensors.items() if name.startswith(f"blocks.{number - 1}.")}


def require_tensors(checkpoint: Checkpoint) -> None:
    """The tensors have the shapes of the program's sizes and outputs, and hold numbers of their arithmetic."""
    dtype, tensors, d = checkpoint.dtype, checkpoint.tensors, checkpoint.tensors["W_E"].shape[1]
    if dtype not in ARITHMETICS or checkpoint.length < 1 or checkpoint.symbols < 1 or len(checkpoint.forms) != len(checkpoint.outputs):
        raise Rejected("the checkpoint's sizes are none")
    classes = sum(form.check("an output").logits for form in checkpoint.forms)
    wanted = {"W_E": (checkpoint.symbols + 1, d), "W_pos": (checkpoint.length + 1, d), "W_U": (d, classes)}
    for i, masks in enumerate(checkpoint.blocks):
        h, name = len(masks), f"blocks.{i}."
        e = tensors[name + ("W_Q" if masks else "W_in")].shape[-1]
        shapes = {"W_Q": (h, d, e), "W_K": (h, d, e), "W_V": (h, d, e), "W_O": (h, e, d)} if masks else {"W_in": (d, e), "W_out": (e, d)}
        wanted |= {name + key: shape for key, shape in shapes.items()}
    for name in sorted({*tensors, *wanted}):
        if name not in wanted or name not in tensors or tensors[name].shape != wanted[name]:
            found = tensors[name].shape if name in tensors else "nothing"
            raise Rejected(f"{name} has shape {found}, which is not {wanted.get(name)}: the program's sizes and outputs")
        require_stored(tensors[name], dtype, name)


def equalities(checkpoint: Checkpoint, script: Mapping[str, Any]) -> Terms:
    """The program's terms, those the script adds, and what its steps show equal."""
    terms, program = Terms(checkpoint.length, checkpoint.symbols), list[int]()
    for op, fields, args in checkpoint.nodes:
        if any(not 0 <= a < len(program) for a in args):
            raise Rejected(f"node {len(program)} of the program refers to one that is not before it")
        term = Term(op, fields, tuple(program[a] for a in args))
        program.append(terms.add(term) if (number := terms.known(term)) is None else number)
    for op, fields, args in script["terms"]:
        terms.add(Term(op, frozen(fields), frozen(args)))
    for rule, a, b in script["steps"]:
        step(terms, rule, a, b)
    for root, shown in zip(checkpoint.outputs, script["outputs"], strict=True):
        if not 0 <= root < len(program) or terms.list[program[root]].op == "lookup" or not terms.same(program[root], shown):
            raise Rejected(f"output {root} is not shown to be term {shown}")
    return terms


def embedding(checkpoint: Checkpoint, terms: Terms, rows: Sequence[Sequence[Any]]) -> Stream:
    """Rule EMBEDDING: each dimension is zero, or in W_E the code of what depends on the token alone, or in W_pos on the position."""
    w_e, w_pos = checkpoint.tensors["W_E"], checkpoint.tensors["W_pos"]
    due = claims(terms, rows, w_e.shape[1], checkpoint.dtype)
    if w_e[0].any() or w_pos[0].any():
        raise Rejected("BOS (row 0 of W_E and W_pos) is not zero")
    columns: dict[tuple[int, int], list[int]] = {}  # by the table that writes them and the term they hold
    for dim in range(w_e.shape[1]):
        used = bool(w_e[:, dim].any()), bool(w_pos[:, dim].any())
        if all(used) or (dim not in due and any(used)):
            raise Rejected(f"dimension {dim} of the embedding holds no known value, or is written by both W_E and W_pos")
        if dim in due:
            columns.setdefault((TOKEN if used[0] else POSITION, due[dim].term), []).append(dim)
    for (kind, term), dims in columns.items():
        name, table = ("W_E", w_e) if kind == TOKEN else ("W_pos", w_pos)
        # What is computed from both, but from one in name only, is compared for every token at every position.
        over = [kind] if terms.behind([term], {kind}) is not None else [TOKEN, POSITION]
        for cases in terms.cases(over, f"term {term}", most=BLOCK):
            at, value = terms.values([kind, term], cases, f"term {term}")
            places = at + (kind == TOKEN)  # tokens count from 0, positions from 1; row 0 is BOS
            for dim in dims:
                wanted = due[dim].form.codes(value, due[dim].dim)
                for row, code in zip(places[wrong := table[places, dim] != wanted], wanted[wrong], strict=True):
                    raise Rejected(f"{name}[{row}, {dim}] is {table[row, dim]:g}, term {term} needs {code}")
    return Stream(terms, tuple(due.get(dim) for dim in range(w_e.shape[1])))
