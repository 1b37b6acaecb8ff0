"""The certificate: a compiled model is right for every input, proved by induction over its blocks.

The checker reads the tensors; the places of values that travel with a checkpoint are hints that it verifies.
`docs/certificate.md` states the theorem, its assumptions and the rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ..compiler.calls import public
from ..compiler.errors import InputError
from ..compiler.forms import Form
from ..compiler.graph import Graph
from ..compiler.ops import Fetch
from ..compiler.shown import Tabled
from ..runtime.module import Attention
from .attention import ALONE, HeadProof, exact_scores, prove_head
from .bilinear import scores
from .exact import ARITHMETICS, NONE, Ints, Reals, Refused, Scaled, add_up, raised, require_stored, scaled
from .hints import check_shapes, claims
from .mlp import prove_mlp
from .normal import same_meaning
from .question import Answer, Question
from .stream import Cell, Stream
from .sums import either_way
from .total import EXP_BITS, Path, prove_rounding, prove_totals, totals_of
from .values import Meanings, Var, coded

if TYPE_CHECKING:
    from ..runtime.model import Model, Probe


@dataclass(frozen=True, repr=False)
class Certificate(Tabled):
    """What was proved. For every sequence of 1..length tokens every value and `outputs` equal the interpreter's.

    `sums` has for each cell that rounds a sum the block, the dimension, and how far off all that its heads add may be.
    """

    program: str
    dtype: str
    length: int
    alphabet: int
    heads: tuple[HeadProof, ...]
    mlp_cases: int
    values: int
    smallest_gap: float
    mantissa_bits: int
    logit_margin: float
    outputs: str = "the output"
    logs: bool = False
    sums: tuple[tuple[int, int, float], ...] = ()

    @property
    def statement(self) -> str:
        """The theorem, in words."""
        return (
            f"For every sequence of 1..{self.length:,} tokens over {self.alphabet:,} symbols, {self.outputs} of {self.program} and all "
            f"{self.values} values it writes equal the interpreter's, in {self.dtype}, for any order of summation and any exp "
            f"with exp(0) = 1 that is zero below -{ARITHMETICS[self.dtype].underflow:g}{self._exp}."
        )

    @property
    def _exp(self) -> str:
        """What totals ask of exp besides."""
        totals = any(h.error for h in self.heads)
        return f" and off by a relative 2^{EXP_BITS - ARITHMETICS[self.dtype].sums} at most" if totals else ""

    def as_dict(self) -> dict[str, object]:
        """The certificate as JSON-ready values."""
        return {"certified": True, "statement": self.statement, **asdict(self)}

    def table(self) -> tuple[str, Sequence[tuple[str, str]]]:
        """The theorem, and what its proof found of each part."""
        rows = [("theorem", self.statement)]
        for h in self.heads:
            what = f"sums are within {h.error:.3g} of their integer, 1/2 is allowed" if h.error else f"winners lead by {h.gap:g} nats"
            rows.append((f"block {h.block}, head {h.head} ({h.lookup})", f"{what}; sums to {h.steps:,} steps"))
        rows.append(("MLPs", f"enumerated over {self.mlp_cases:,} cases; {self.mantissa_bits} mantissa bits are used"))
        what = "each is the logarithm of its count, different ones are" if self.logs else "the right class leads by"
        rows.append(("logits", f"{what} at least {self.logit_margin:g}{' apart' * self.logs}"))
        return f"certified: {self.program} in {self.dtype}", rows

    def __str__(self) -> str:
        title, rows = self.table()
        between = {"theorem": "", "MLPs": "MLPs "}
        return "\n".join([title, *(f"  {between.get(name, f'{name}: ')}{said}" for name, said in rows)])

    def __repr__(self) -> str:
        return f"<Certificate of {self.program} in {self.dtype}: 1..{self.length:,} tokens over {self.alphabet:,} symbols>"


@public
def certify(model: Model, dtype: str | None = None) -> Certificate:
    """Prove a model right for every input of its length and alphabet, in its own arithmetic or in another `dtype`.

    Raises Refused, naming the block, head or value and the reason, where it is wrong or cannot be shown right.
    """
    from ..runtime.model import require_model

    require_model("certify()", model)
    if dtype is not None:
        if dtype not in ARITHMETICS:
            raise InputError(f"there is no rule for {dtype}", hint=f"dtypes are {', '.join(ARITHMETICS)}")
        model = replace(model, dtype=dtype)
    if not same_meaning(model.graph, model.optimised):
        raise Refused("the optimised graph is not shown to mean what the program means", hint="this is a limit of the checker or a fault")
    meanings = Meanings(model.optimised)
    for name, tensor in model.module.state_dict().items():
        if dtype is None and str(tensor.dtype) != f"torch.{model.dtype}":
            raise Refused(f"{name} is {tensor.dtype}, the model is said to be {model.dtype}")
    tensors: dict[str, Reals] = {k: v.detach().cpu().double().numpy() for k, v in model.module.state_dict().items()}
    check_shapes(model, tensors)
    claimed = claims(model)
    for name, tensor in tensors.items():
        require_stored(tensor, model.dtype, name)
    stream = Stream(meanings, [None] * tensors["W_E"].shape[1])
    _prove_embedding(stream, tensors["W_E"], tensors["W_pos"], claimed[0])
    stream.require(model.dtype)
    heads: list[HeadProof] = []
    sums: list[tuple[int, int, float]] = []
    answers: dict[Question, Answer] = {}
    cases, steps = 0, 0
    for number, block in enumerate(model.module.blocks, 1):
        part, due = {name: tensors[f"blocks.{number - 1}.{name}"] for name, _ in block.named_parameters()}, claimed[number]
        paths = _set_aside(stream, part, due) if isinstance(block, Attention) else []
        part = {name: _scaled(tensor, f"blocks.{number - 1}.{name}") for name, tensor in part.items()}
        if isinstance(block, Attention):
            proofs, errors = _prove_attention(stream, part, paths, block.masks, due, model.dtype, number)
            heads, sums = heads + proofs, sums + [(number, dim, error) for dim, error in errors]
        else:
            cells = [(Cell(_written(meanings, p), p.form, d, p.name), dim) for p in due for d, dim in enumerate(p.dims)]
            seen, used = prove_mlp(stream, part["W_in"], part["W_out"], cells, model.dtype, number, answers)
            cases, steps = cases + seen, max(steps, used)
        stream.require(model.dtype)
    margin, used = _prove_output(stream, model, scaled(tensors["W_U"], "W_U"))
    steps = max([steps, used, *(max(h.steps, h.cell) for h in heads)])
    gap = min((h.gap for h in heads), default=float("inf"))
    sizes = model.graph.sizes
    return Certificate(
        model.name,
        model.dtype,
        sizes.length,
        len(sizes.alphabet),
        tuple(heads),
        cases,
        len(model.probes),
        gap,
        max(0, steps - 1).bit_length(),
        margin,
        _outputs(model.graph),
        any(form.kind == "log" for form in model.output_forms),
        tuple(sums),
    )


def _outputs(graph: Graph) -> str:
    """The outputs, in words."""
    what = "the output" if len(graph.outputs) == 1 else f"the {len(graph.outputs)} outputs"
    return what if graph.guard is None else f"{what} and the guard"


def _scaled(tensor: Reals, name: str) -> Scaled:
    """A block's tensor as integers: what carries codes over whole steps at most, scores over their own grid."""
    return scaled(tensor, name, None if name.endswith(("W_Q", "W_K")) else 0)


def _written(meanings: Meanings, probe: Probe) -> Var:
    """The variable that a block is said to write: a node's, or the constant 1 that fills a total's cell."""
    return "one" if probe.value == "one" and probe.form.kind == "fill" else meanings.var(_node(probe))


def _node(probe: Probe) -> int:
    if not isinstance(probe.value, int):
        raise Refused(f"{probe.name} is said to be written by a block, but it is {probe.value}")
    return probe.value


def _prove_embedding(stream: Stream, w_e: Reals, w_pos: Reals, claims: Sequence[Probe]) -> None:
    """Every dimension of W_E and W_pos is zero or the code of a value of the token alone, or of the position alone."""
    if w_e[0].any() or w_pos[0].any():
        raise Refused("BOS (row 0 of W_E and W_pos) is not zero")
    for probe in claims:
        var = stream.meanings.var(probe.value)
        support = {var} if isinstance(var, str) else stream.meanings.support(var, set(), f"embedded value {probe.name}")
        sources: list[Var] = ["token", "position"]
        if not support <= {"token", "position", "one"}:
            raise Refused(f"embedded value {probe.name} depends on {sorted(map(str, support))}")
        joint = {"token", "position"} <= support  # it may depend on one of them in name only: each must find its table right
        source = ("position" if w_pos[:, list(probe.dims)].any() else "token") if joint else "token" if support == {"token"} else "position"
        cases = stream.meanings.cases(sources if joint else [source], probe.name)
        codes = Meanings.codes(probe.form, stream.meanings.evaluate(var, cases))
        own, other = (w_e, w_pos) if source == "token" else (w_pos, w_e)
        rows = cases.column(source) + (source == "token")  # token ids count from 0, positions from 1; row 0 is BOS
        for d, dim in enumerate(probe.dims):
            wrong = np.flatnonzero(own[rows, dim] != codes[:, d])
            if len(wrong):
                table, row = "W_E" if source == "token" else "W_pos", rows[wrong[0]]
                raise Refused(f"{table}[{row}, {dim}] is {own[row, dim]:g}, {probe.name} needs {codes[wrong[0], d]}")
            if other[:, dim].any():
                raise Refused(f"dimension {dim} ({probe.name}) is written by both W_E and W_pos")
            stream.place(dim, Cell(var, probe.form, d, probe.name))
    for dim in range(w_e.shape[1]):
        if stream.cells[dim] is None and (w_e[:, dim].any() or w_pos[:, dim].any()):
            raise Refused(f"dimension {dim} of the embedding holds no known value")


def _prove_attention(
    stream: Stream,
    part: dict[str, Scaled],
    paths: Sequence[list[Path]],
    masks: Sequence[str],
    due: Sequence[Probe],
    dtype: str,
    number: int,
) -> tuple[list[HeadProof], list[tuple[int, float]]]:
    """Every head attends as the lookup of the values it writes, and writes exactly those, into zero dimensions.

    Or it adds up the totals it is said to write, and nothing else: then also each dimension of a sum, and how far off it may be.
    """
    before = Stream(stream.meanings, list(stream.cells))
    graph, proofs = stream.meanings.graph, []
    added: list[tuple[int, int, int, float]] = []
    errors: list[tuple[int, float]] = []
    pending = {dim: (probe, d) for probe in due for d, dim in enumerate(probe.dims)}
    live = np.array([c is not None for c in before.cells])
    _prove_projection(before, part["W_V"], part["W_O"], dtype, f"block {number}")
    for head, mask in enumerate(masks):
        w = {name: Scaled(tensor.ints[head], tensor.shift) for name, tensor in part.items()}
        w |= {name: w[name].coarsest() for name in ("W_Q", "W_K")}  # totals have a finer grid than the lookups beside them
        what = f"block {number}, head {head}"
        add_up(before.magnitude(w["W_V"].ints), w["W_V"].shift, dtype, f"{what}: a value", enters=True)
        effect = w["W_V"].ints @ w["W_O"].ints  # (d_model, d_model): what the winner's stream adds to the query's
        written = np.flatnonzero(effect[live].any(axis=0))
        lookup: int | None = None
        if paths[head]:
            if len(written):
                raise Refused(f"{what} adds up and writes dimension {written[0]} besides")
            taken = {(dim, total) for dim, _, total, _ in added}
            free = [replace(p, totals=tuple(t for t in p.totals if (p.dim, t[1]) not in taken)) for p in paths[head]]
            proof, sums = prove_totals(before, free, mask, w, dtype, number, head)
            proofs.append(proof)
            added += sums
            continue
        for dim in map(int, written):
            if dim not in pending:
                raise Refused(f"{what} writes dimension {dim}, where no value of it belongs")
            probe, d = pending.pop(dim)
            node = graph.nodes[_node(probe)]
            if not isinstance(node.op, Fetch) or lookup not in (None, node.args[0]):
                raise Refused(f"{what} writes {probe.name}, which is not read through its lookup")
            lookup = node.args[0]
            _prove_value(before, effect[:, [dim]], w["W_V"].shift + w["W_O"].shift, node.args[1], probe, d, mask, what)
            stream.place(dim, Cell(stream.meanings.var(probe.value), probe.form, d, probe.name))
        if lookup is not None:
            proofs.append(prove_head(before, lookup, mask, w["W_Q"], w["W_K"], dtype, number, head))
        else:  # its weights may be anything between 0 and 1, so what it reads must meet zeros; and they must be numbers
            if (w["W_V"].ints[live].any(axis=0) & w["W_O"].ints.any(axis=1)).any():
                raise Refused(f"{what} reads for nobody")
            exact_scores(before, w["W_Q"], w["W_K"], (), dtype, what)
    for dim, (probe, d) in list(pending.items()):
        totals = totals_of(stream.meanings, graph.nodes[_node(probe)], _node(probe))
        if totals is not None:
            name, cell = f"block {number}, {probe.name}", Cell(stream.meanings.var(probe.value), probe.form, d, probe.name)
            if sorted(totals) != sorted((c, total) for at, c, total, _ in added if at == dim):
                raise Refused(f"{name}: its heads do not add up each of its {len(totals)} totals once")
            errors.append((dim, sum(error for at, *_, error in added if at == dim)))
            largest = prove_rounding(before, dim, cell, errors[-1][1], dtype, name)
            proofs = [replace(p, cell=max(p.cell, largest)) if p.error else p for p in proofs]
            stream.cells[dim] = cell
            del pending[dim]
    for dim, (probe, d) in pending.items():
        var = stream.meanings.var(probe.value)
        if stream.meanings.largest(var, probe.form, d):
            raise Refused(f"block {number}: no head writes {probe.name} into dimension {dim}")
        stream.place(dim, Cell(var, probe.form, d, probe.name))  # its code is zero there whatever the value
    return proofs, errors


def _set_aside(stream: Stream, part: dict[str, Reals], due: Sequence[Probe]) -> list[list[Path]]:
    """Take the entries of W_O that totals go through out of it, by head: totals have a rule of their own."""
    w_o = part["W_O"] = part["W_O"].copy()  # (heads, d_head, d_model)
    paths: list[list[Path]] = [[] for _ in w_o]
    for probe in due:
        totals = totals_of(stream.meanings, stream.meanings.graph.nodes[_node(probe)], _node(probe))
        for dim in probe.dims if totals is not None else ():
            for head, channel in np.argwhere(w_o[:, :, dim]):
                paths[head].append(Path(dim, int(channel), float(w_o[head, channel, dim]), tuple(totals or ())))
            w_o[:, :, dim] = 0
    return paths


def _prove_projection(before: Stream, w_v: Scaled, w_o: Scaled, dtype: str, what: str) -> None:
    """The output projection's sums over all heads are exact: Σ |v|·|W_O| fits the mantissa, and so the checker's int64."""
    v = np.zeros(w_v.ints.shape[::2])  # (heads, d_head)
    for d, cell in enumerate(before.cells):
        if cell is not None:
            v += before.meanings.largest(cell.var, cell.form, cell.dim) * np.abs(w_v.ints[:, d].astype(np.float64))
    total = (v[:, :, None] * np.abs(w_o.ints.astype(np.float64))).sum(axis=(0, 1))  # (d_model,)
    add_up(int(total.max(initial=0)), w_v.shift + w_o.shift, dtype, f"{what}: the output projection")


def _prove_value(before: Stream, column: Ints, shift: int, source: int, probe: Probe, d: int, mask: str, what: str) -> None:
    """What the head adds to one dimension is the code of the fetched value, whatever position it comes from."""
    name = f"{what}, value {probe.name}"
    span, form = before.meanings.ranges[source], probe.form
    present = form.kind == "flag" and not span.none and form.off < span.lo <= span.hi <= form.off + form.top  # whatever its value

    def compare(stream: Stream, column: Ints) -> None:
        support = set[Var]() if present else stream.support(source, stream.reads(column), name)
        variables = support | stream.reads(column)
        cases = stream.cases(variables, name, cut=int(mask == "strict"))
        got = stream.combine(column, cases)[:, 0]
        values = np.full(cases.count, span.lo) if present else stream.meanings.evaluate(source, cases)
        wanted = coded(form, d, values)
        if (got != raised(wanted, shift, name)).any():
            raise Refused(f"{name}: what is read is not the code of {stream.meanings.graph.nodes[source].name}")

    either_way(compare, before, column, [source])


def _prove_output(stream: Stream, model: Model, w_u: Scaled) -> tuple[float, int]:
    """The right class has the greatest logit of its block, by a margin, for every value of every output, and logits are exact."""
    steps = add_up(stream.magnitude(w_u.ints), w_u.shift, model.dtype, "a logit")
    forms = model.output_forms
    blocks = np.split(w_u.ints, np.cumsum([form.classes for form in forms])[:-1], axis=1)
    margins: list[int] = []
    for node, form, block, what in zip(model.optimised.roots, forms, blocks, model.graph.titles(), strict=True):
        prove = partial(_log if form.kind == "log" else _margin, node=node, form=form, shift=w_u.shift, what=what)
        margins.append(either_way(prove, stream, block, [node]))
    return min(margins) / 4 * 2.0**-w_u.shift, steps


def _as_code(x: Ints, w_u: Ints, unary: Ints, form: Form, shift: int) -> tuple[Ints, Ints, Ints]:
    """Logits x·W_U + unary as q·code(class) - |code(class)|², where they are that: q is what the stream says of the code.

    Shapes: x (cases, d_model), W_U (d_model, classes), unary (classes,), in units of 2**-shift. Else q is x and the keys W_U.
    """
    codes = form.encode(np.arange(len(unary)))  # (classes, width)
    units = [np.flatnonzero((codes == unit).all(axis=1)) for unit in np.eye(codes.shape[1], dtype=np.int64)]
    squares = (codes * codes).sum(axis=1)
    if 0 <= shift <= 30 and all(len(unit) for unit in units):
        of_unit = [int(unit[0]) for unit in units]
        weights, constant = w_u[:, of_unit], unary[of_unit] + (1 << shift)
        live = x.any(axis=0)
        if (w_u[live] == weights[live] @ codes.T).all() and (unary == codes @ constant - (squares << shift)).all():
            return x @ weights + constant, codes, -(squares << shift)
    return x, w_u.T, unary


def _log(stream: Stream, w_u: Ints, node: int, form: Form, shift: int, what: str) -> int:
    """Four times the least difference between two counts' logits, after every one was shown to be exactly what its form says."""
    meanings = stream.meanings
    variables = stream.support(node, stream.reads(w_u), what) | stream.reads(w_u)
    cases = stream.cases(variables, what)
    values = meanings.evaluate(node, cases)
    if ((values == NONE) | (values - form.off < 1) | (values - form.off > form.top)).any():
        raise Refused(f"{what} can take a value that has no logarithm")
    weights = np.array([1, form.lead])
    if (stream.combine(w_u, cases)[:, 0] != raised(Meanings.codes(form, values) @ weights, shift, what)).any():
        raise Refused(f"{what}: the logit is not the logarithm of {meanings.graph.nodes[node].name}")
    apart = np.diff(Meanings.codes(form, np.unique(values)) @ weights)
    if (apart <= 0).any():
        raise Refused(f"{what}: two counts have the same logit")
    return 4 * int(apart.min(initial=form.lead)) << shift


def _margin(stream: Stream, w_u: Ints, node: int, form: Form, shift: int, what: str) -> int:
    """Four times the least lead of the right class's logit, in steps of W_U's grid. Shape: one output's block of W_U."""
    meanings = stream.meanings
    variables = stream.support(node, stream.reads(w_u), what) | stream.reads(w_u)
    cases = stream.cases(variables, what)
    keep = np.array([c is not None and c.var == "one" for c in stream.cells])
    unary = stream.combine(np.where(keep[:, None], w_u, 0), ALONE)[0]  # (classes,)
    live = w_u.any(axis=1) & ~keep
    x = np.stack([stream.column(d, cases) if live[d] else np.zeros(cases.count, np.int64) for d in range(len(live))], axis=1)
    values = meanings.evaluate(node, cases)
    if ((values != NONE) & ((values - form.off < 1) | (values - form.off > form.top))).any():
        raise Refused(f"{what} can take a value that has no class")
    classes = np.arange(form.top + 1, dtype=np.int64) + form.off
    # ⊥ is class 0: as a meaning of its own it is compared like any other value.
    meaning = np.where(values == NONE, form.off, values)
    # Twice the code against twice the class's code: a multiple of a distance, as the rule of scores wants it.
    query, key, rest = _as_code(x, w_u, unary, form, shift)
    found = scores(2 * query, key, np.zeros(cases.count, np.int64), 2 * rest, meaning[:, None], classes[:, None], what)
    margin = int((found.least - found.rival).min())
    if margin <= 0:
        raise Refused(f"{what}: a wrong class can have the greatest logit")
    return margin
