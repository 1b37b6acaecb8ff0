"""The kernel's one entry: a checkpoint and a proof script in, what is proved out, or the first step that is not accepted.

By induction over the blocks: before each, every dimension of the stream is exactly zero or holds one dimension of the code of a term,
at every position, for every sequence of 1..N tokens. No matrix has a bias and BOS attends to itself, so BOS stays the zero vector.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from .blocks import Fact, attention, mlp
from .logits import logits
from .numbers import ARITHMETICS, Reals, Rejected, rejecting, require_stored
from .rewrite import step
from .stream import BLOCK, Form, Stream, claims
from .terms import POSITION, TOKEN, Term, Terms
from .totals import EXP_BITS

Row = tuple[str, tuple[Any, ...], tuple[int, ...]]  # a node: operation, fields, arguments


class Checkpoint(NamedTuple):
    """What is proved of: sizes, the program's nodes, its outputs, tensors, and how logits are read.

    `blocks` has each attention block's masks, head by head, and () for an MLP. `forms` say which class is which value of each output.
    """

    length: int
    symbols: int
    dtype: str
    nodes: tuple[Row, ...]
    outputs: tuple[int, ...]
    forms: tuple[Form, ...]
    blocks: tuple[tuple[str, ...], ...]
    tensors: Mapping[str, Reals]


def statement(name: str, checkpoint: Checkpoint, outputs: str, values: int, totals: bool) -> str:
    """What an accepted script proves, in words."""
    rule = ARITHMETICS[checkpoint.dtype]
    exp = f" and off by a relative 2^{EXP_BITS - rule.sums} at most" if totals else ""
    return (
        f"For every sequence of 1..{checkpoint.length:,} tokens over {checkpoint.symbols:,} symbols, {outputs} of {name} and all "
        f"{values:,} values it writes equal the interpreter's, in {checkpoint.dtype}, for any order of summation and any exp with "
        f"exp(0) = 1 that is zero below -{rule.underflow:g}{exp}."
    )


@rejecting("the script is malformed")
def verify(checkpoint: Checkpoint, script: Mapping[str, Any]) -> list[Fact]:
    """Replay a proof script: what was shown of each part. Raises Rejected where a step does not hold; no other exception leaves it."""
    require_tensors(checkpoint)
    terms, facts = Terms(checkpoint.length, checkpoint.symbols), list[Fact]()
    equalities(terms, program(terms, checkpoint.nodes), checkpoint.outputs, script)
    stream = embedding(checkpoint, terms, script["embedding"])
    stream = blocks(checkpoint, range(1, len(checkpoint.blocks) + 1), stream, script, facts)
    logits(stream, checkpoint.tensors["W_U"], checkpoint.forms, script, checkpoint.dtype, facts)
    return facts


def frozen(value: Any) -> Any:
    """JSON's lists as tuples, however deep."""
    return tuple(map(frozen, value)) if isinstance(value, (list, tuple)) else value


def blocks(
    checkpoint: Checkpoint,
    numbers: Sequence[int],
    stream: Stream,
    script: Mapping[str, Any],
    facts: list[Fact],
    after: Callable[[Stream, int, Mapping[str, Any]], Stream] = lambda stream, *_: stream,
) -> Stream:
    """What some blocks leave, one after the other, counted from 1; `after` says what becomes of it after each."""
    if len(script["blocks"]) != len(numbers):
        raise Rejected("the script is for another number of blocks")
    for number, said in zip(numbers, script["blocks"], strict=True):
        masks, w, dtype = checkpoint.blocks[number - 1], block(checkpoint, number), checkpoint.dtype
        stream = attention(stream, w, masks, said, dtype, number, facts) if masks else mlp(stream, w, said, dtype, number, facts)
        stream = after(stream, number, said)
    return stream


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


def program(terms: Terms, nodes: Sequence[Row], inputs: Mapping[Any, int] = {}) -> list[int]:
    """The terms of a program's nodes. What stands for an input, by operation and fields, is that term."""
    found = list[int]()
    for op, fields, args in nodes:
        if any(not 0 <= a < len(found) for a in args):
            raise Rejected(f"node {len(found)} of the program refers to one that is not before it")
        known = inputs.get((op, *fields))
        found.append(terms.ensure(Term(op, fields, tuple(found[a] for a in args))) if known is None else known)
    return found


def equalities(terms: Terms, found: Sequence[int], outputs: Sequence[int], script: Mapping[str, Any]) -> list[int]:
    """The terms that a script shows the program's outputs to be, by terms that it adds and steps that show terms equal."""
    for op, fields, args in script["terms"]:
        terms.add(Term(op, frozen(fields), frozen(args)))
    for rule, a, b in script["steps"]:
        step(terms, rule, a, b)
    for root, shown in zip(outputs, script["outputs"], strict=True):
        if not 0 <= root < len(found) or terms.list[found[root]].op == "lookup" or not terms.same(found[root], shown):
            raise Rejected(f"output {root} is not shown to be term {shown}")
    return list(script["outputs"])


def embedding(checkpoint: Checkpoint, terms: Terms, rows: Sequence[Sequence[Any]], token: int = TOKEN, zeros: bool = True) -> Stream:
    """Rule EMBEDDING: each dimension is in W_E the code of what depends on the token alone, or in W_pos on the position; the others are
    zero, or left out where they need not be `zeros`. `token` is the term that W_E has rows of."""
    w_e, w_pos = checkpoint.tensors["W_E"], checkpoint.tensors["W_pos"]
    due = claims(terms, rows, w_e.shape[1], checkpoint.dtype)
    if w_e[0].any() or w_pos[0].any():
        raise Rejected("BOS (row 0 of W_E and W_pos) is not zero")
    columns: dict[tuple[int, int], list[int]] = {}  # by the table that writes them and the term they hold
    for dim in range(w_e.shape[1]):
        used = bool(w_e[:, dim].any()), bool(w_pos[:, dim].any())
        if all(used) or (zeros and dim not in due and any(used)):
            raise Rejected(f"dimension {dim} of the embedding holds no known value, or is written by both W_E and W_pos")
        if dim in due:
            columns.setdefault((token if used[0] else POSITION, due[dim].term), []).append(dim)
    for (kind, term), dims in columns.items():
        name, table = ("W_pos", w_pos) if kind == POSITION else ("W_E", w_e)
        # What is computed from both, but from one in name only, is compared for every token at every position.
        over = [kind] if terms.behind([term], {terms.find(kind)}) is not None else [token, POSITION]
        for cases in terms.cases(over, f"term {term}", most=BLOCK):
            at, value = terms.values([kind, term], cases, f"term {term}")
            places = at + (kind != POSITION)  # tokens count from 0, positions from 1; row 0 is BOS
            for dim in dims:
                wanted = due[dim].form.codes(value, due[dim].dim)
                for row, code in zip(places[wrong := table[places, dim] != wanted], wanted[wrong], strict=True):
                    raise Rejected(f"{name}[{row}, {dim}] is {table[row, dim]:g}, term {term} needs {code}")
    return Stream(terms, tuple(due.get(dim) for dim in range(w_e.shape[1])))
