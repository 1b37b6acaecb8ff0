"""Attacks on a certificate: everything in a checkpoint that a liar controls, changed at random, alone and in concert.

Grammar. An attack is one to three moves of one family, or of any two. A move changes a draft of a model, never the compiled one.

| family  | moves                                                                                                          |
|---------|----------------------------------------------------------------------------------------------------------------|
| hints   | a field of a claim's form (kind, off, top, parts, radix), its value, block, dims; claims dropped, doubled, put  |
|         | in another order; an output's form shifted or its kind changed                                                  |
| graphs  | the program beside the lowered graph, from either of the two: an operation's field (number, mask, pick, flag),   |
|         | an argument, the output; a node replaced by its argument; a clip, or_else, exists, sum or maximum put in front;  |
|         | a read through a lookup put in front, or taken away                                                              |
| concert | a dimension scaled where it is written, unscaled where it is read, in all places or all but one; two dimensions, |
|         | heads, channels or units swapped; an offset moved through `one`; a value written in another form and read alike; |
|         | W_Q against W_K, W_V against W_O, W_in against W_out; the depth of totals with their factors in W_O; fillings;   |
|         | channels of one head, or hidden units, that cancel in a dimension that something reads                           |
| weights | one weight zeroed, negated, doubled, halved or moved by a step                                                   |

Concert moves also change the claims they concern, or leave them. Nothing else is changed: the file format has attacks of its own.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

import headwork as hw
from headwork.compiler.codes.forms import Form
from headwork.compiler.graph import Graph, Node
from headwork.compiler.ops import Affine, Clip, Exists, Extreme, Fetch, Lookup, Op, OrElse, Total
from headwork.runtime.model import Probe, assemble

FACTORS = (2.0, 0.5, -1.0, 3.0, 2.75, 1024.0)
NUMBERS = (-2, -1, 1, 2, 7)
READERS = ("W_Q", "W_K", "W_V", "W_in")


@dataclass(slots=True)
class Draft:
    """A model in parts that moves may change."""

    model: hw.Model
    tensors: dict[str, torch.Tensor]
    probes: list[Probe]
    graph: Graph
    output_forms: list[Form]

    @classmethod
    def of(cls, model: hw.Model) -> Draft:
        """The parts of a model, tensors copied."""
        tensors = {name: tensor.clone() for name, tensor in model.module.state_dict().items()}
        return cls(model, tensors, list(model.probes), model.graph, list(model.output_forms))

    def finish(self) -> hw.Model:
        """The model of these parts."""
        module, forms = self.model.module, tuple(self.output_forms)
        if not all(torch.equal(tensor, self.tensors[name]) for name, tensor in module.state_dict().items()):
            module = assemble(module.shape, self.tensors)
        return replace(self.model, module=module, probes=tuple(self.probes), graph=self.graph, output_forms=forms)

    def block(self, rng: random.Random, kind: str) -> str | None:
        """The prefix of the names of some block that has a tensor of this kind."""
        names = [name.removesuffix(kind) for name in self.tensors if name.endswith(kind) and self.tensors[name].numel()]
        return rng.choice(names) if names else None

    def readers(self, after: int) -> list[str]:
        """The tensors whose rows read the stream that block `after` leaves (0 is the embedding), W_U among them."""
        late = [n for n in self.tensors if n.startswith("blocks.") and int(n.split(".")[1]) >= after and n.endswith(READERS)]
        return [*late, "W_U"]

    def writers(self, block: int) -> list[str]:
        """The tensors whose columns a block writes."""
        return (
            ["W_E", "W_pos"]
            if block == 0
            else [n for n in self.tensors if n.startswith(f"blocks.{block - 1}.") and n.endswith(("W_O", "W_out"))]
        )


Move = Callable[[Draft, random.Random], str]


# --- hints -------------------------------------------------------------------------------------------------


def _other_form(form: Form, rng: random.Random) -> Form:
    """A form with one field changed, or two."""
    for _ in range(rng.choice((1, 1, 2))):
        field = rng.choice(("kind", "off", "off", "top", "top", "parts", "radix"))
        if field == "kind":
            form = replace(form, kind=rng.choice(("digits", "norm", "flag", "floor", "signs", "onehot", "fill", "log")))  # pyright: ignore
        else:
            form = replace(form, **{field: getattr(form, field) + rng.choice(NUMBERS)})
    return form


def hint_form(draft: Draft, rng: random.Random) -> str:
    """A claim's form."""
    at = rng.randrange(len(draft.probes))
    draft.probes[at] = replace(draft.probes[at], form=_other_form(draft.probes[at].form, rng))
    return f"{draft.probes[at].name} in {draft.probes[at].form!r}"


def hint_place(draft: Draft, rng: random.Random) -> str:
    """A claim's value, block or dimensions: another claim's."""
    at, other = rng.randrange(len(draft.probes)), rng.choice(draft.probes)
    field = rng.choice(("value", "block", "dims", "name"))
    draft.probes[at] = replace(draft.probes[at], **{field: getattr(other, field)})
    return f"{field} of {draft.probes[at].name} from {other.name}"


def hint_list(draft: Draft, rng: random.Random) -> str:
    """Claims dropped, doubled, or in another order."""
    at, what = rng.randrange(len(draft.probes)), rng.choice(("drop", "double", "order", "turn"))
    probe = draft.probes[at]
    if what == "drop" and len(draft.probes) > 1:
        del draft.probes[at]
    elif what == "double":
        draft.probes.insert(rng.randrange(len(draft.probes) + 1), replace(probe, block=rng.randint(0, len(draft.model.module.blocks))))
    elif what == "turn":
        draft.probes[at] = replace(probe, dims=probe.dims[::-1])
    else:
        rng.shuffle(draft.probes)
    return f"{what} {probe.name}"


def hint_output(draft: Draft, rng: random.Random) -> str:
    """An output's form, mostly with as many classes as before."""
    at = rng.randrange(len(draft.output_forms))
    form = draft.output_forms[at]
    draft.output_forms[at] = replace(form, off=form.off + rng.choice(NUMBERS)) if rng.random() < 0.5 else _other_form(form, rng)
    return f"output in {draft.output_forms[at]!r}"


# --- graphs ------------------------------------------------------------------------------------------------


def _changed(op: Op, rng: random.Random) -> Op:
    """An operation with one field changed."""
    fields = [f.name for f in dataclasses.fields(op)]
    if not fields:
        return op
    name = rng.choice(fields)
    old = getattr(op, name)
    if isinstance(old, bool):
        new: object = not old
    elif isinstance(old, int):
        new = old + rng.choice(NUMBERS)
    elif name == "mask":
        new = rng.choice(("causal", "strict", "full"))
    elif name == "pick":
        new = rng.choice(("latest", "earliest", "only", "largest", "smallest"))
    elif isinstance(old, tuple) and old and all(isinstance(x, int) for x in old):
        at = rng.randrange(len(old))
        new = (*old[:at], old[at] + rng.choice(NUMBERS), *old[at + 1 :])
    else:
        return op
    return replace(op, **{name: new})  # pyright: ignore[reportCallIssue]


def _values(graph: Graph) -> list[int]:
    return [i for i, n in enumerate(graph.nodes) if not isinstance(n.op, Lookup)]


def graph_op(draft: Draft, rng: random.Random) -> str:
    """A field of one operation, or one argument."""
    graph = draft.graph
    at = rng.randrange(len(graph.nodes))
    node = graph.nodes[at]
    if node.args and rng.random() < 0.5:
        place = rng.randrange(len(node.args))
        lookup = isinstance(graph.nodes[node.args[place]].op, Lookup)
        fit = [i for i in range(at) if isinstance(graph.nodes[i].op, Lookup) == lookup]
        args = list(node.args)
        args[place] = rng.choice(fit)
        if rng.random() < 0.3:
            args = [a for _, a in zip(args, node.args, strict=True)] if isinstance(node.op, Fetch) else args[::-1]
        fetches = [isinstance(graph.nodes[a].op, Lookup) for a in args]
        if fetches == [isinstance(graph.nodes[a].op, Lookup) for a in node.args]:
            node = replace(node, args=tuple(args))
    else:
        node = replace(node, op=_changed(node.op, rng))
    draft.graph = _checked(replace(graph, nodes=(*graph.nodes[:at], node, *graph.nodes[at + 1 :])))
    return f"%{at} is {node.op} {node.args}"


def graph_base(draft: Draft, rng: random.Random) -> str:
    """The lowered graph in the place of the program."""
    draft.graph = replace(draft.model.optimised, name=draft.graph.name)
    return "the program is the lowered graph"


def graph_output(draft: Draft, rng: random.Random) -> str:
    """Another node as an output."""
    outputs = list(draft.graph.outputs)
    outputs[rng.randrange(len(outputs))] = rng.choice(_values(draft.graph))
    draft.graph = replace(draft.graph, outputs=tuple(outputs))
    return f"outputs {outputs}"


def graph_skip(draft: Draft, rng: random.Random) -> str:
    """A value replaced by one of its arguments wherever it is used: a guard, a clip, an or_else, a read dropped."""
    graph = draft.graph
    fit = [i for i in _values(graph) if any(not isinstance(graph.nodes[a].op, Lookup) for a in graph.nodes[i].args)]
    if not fit:
        return "nothing"
    at = rng.choice(fit)
    instead = rng.choice([a for a in graph.nodes[at].args if not isinstance(graph.nodes[a].op, Lookup)])
    draft.graph = _checked(_rerouted(graph, at, instead, from_=at + 1))
    return f"%{at} is %{instead}"


def _rerouted(graph: Graph, old: int, new: int, from_: int) -> Graph:
    """The graph in which nodes from one on, and the outputs, use another value."""
    nodes = [replace(n, args=tuple(new if a == old and i >= from_ else a for a in n.args)) for i, n in enumerate(graph.nodes)]
    return replace(graph, nodes=tuple(nodes), outputs=tuple(new if o == old else o for o in graph.outputs))


def graph_wrap(draft: Draft, rng: random.Random) -> str:
    """A value cut, added to, replaced where ⊥, or read elsewhere, before it is used."""
    graph = draft.graph
    values = _values(graph)
    at = rng.choice(values)
    n, earlier = graph.sizes.length, [i for i in values if i <= at]
    lookups = [i for i in range(at) if isinstance(graph.nodes[i].op, Lookup)]
    choices: list[tuple[Op, tuple[int, ...]]] = [
        (Clip(rng.choice((0, 1, 2)), rng.choice((n - 1, n, n + 1))), (at,)),
        (OrElse(), (at, rng.choice(earlier))),
        (Exists(), (at,)),
        (Affine("int", (1, rng.choice((0, 0, 1, -1))), rng.choice((0, 0, 1))), (at, rng.choice(earlier))),
        (Extreme(rng.random() < 0.5), (at, rng.choice(earlier))),
        *([(Fetch(), (rng.choice(lookups), at))] * 2 if lookups else []),
    ]
    op, args = rng.choice(choices)
    node = Node(op, args, graph.nodes[at].domain, "put in front")
    nodes = [replace(x, args=tuple(a + (a > at) for a in x.args)) for x in graph.nodes]
    wide = replace(graph, nodes=(*nodes[: at + 1], node, *nodes[at + 1 :]), outputs=tuple(o + (o > at) for o in graph.outputs))
    if wide.guard is not None:
        wide = replace(wide, guard=replace(wide.guard, node=wide.guard.node + (wide.guard.node > at), deliveries=()))
    draft.graph = _checked(_rerouted(wide, at, at + 1, from_=at + 2))
    return f"{op} {args} in front of %{at}"


def _checked(graph: Graph) -> Graph:
    """A graph with its domains found again, as reading a checkpoint does. Raises HeadworkError where it is none."""
    nodes: list[Node] = []
    for node in graph.nodes:
        domains = [nodes[a].domain for a in node.args]
        if problem := node.op.problem(domains, graph.sizes):
            raise hw.InputError(problem)
        nodes.append(replace(node, domain=node.op.domain(domains, graph.sizes)))
    return replace(graph, nodes=tuple(nodes))


# --- tensors and hints in concert --------------------------------------------------------------------------


def _mostly(names: list[str], rng: random.Random) -> list[str]:
    """All names, or all but one."""
    return [name for name in names if name != rng.choice(names)] if rng.random() < 0.3 else names


def scale(draft: Draft, rng: random.Random) -> str:
    """A claimed dimension scaled where it is written and unscaled where it is read."""
    probe, by = rng.choice(draft.probes), rng.choice(FACTORS)
    for dim in probe.dims if rng.random() < 0.5 else [rng.choice(probe.dims)]:
        for name in draft.writers(probe.block):
            draft.tensors[name][..., dim] *= by
        for name in _mostly(draft.readers(probe.block), rng):
            draft.tensors[name][..., dim, :] /= by
    if rng.random() < 0.5:
        at = draft.probes.index(probe)
        draft.probes[at] = replace(probe, form=_other_form(probe.form, rng))
    return f"{probe.name} times {by:g}"


def shift(draft: Draft, rng: random.Random) -> str:
    """An embedded value's offset moved through `one`, in the tensors that read it too."""
    fit = [p for p in draft.probes if p.block == 0 and p.form.kind in ("digits", "fill")]
    ones = [p for p in draft.probes if p.value == "one" and p.form.kind != "fill"]
    if not fit or not ones:
        return "nothing"
    probe, one, by = rng.choice(fit), ones[0].dims[0], rng.choice(NUMBERS)
    dim = rng.choice(probe.dims)
    table = "W_E" if draft.tensors["W_E"][:, dim].any() else "W_pos"
    draft.tensors[table][1:, dim] += by
    for name in _mostly(draft.readers(0), rng):
        draft.tensors[name][..., one, :] -= by * draft.tensors[name][..., dim, :]
    if rng.random() < 0.8:
        form = replace(probe.form, top=probe.form.top + by, off=probe.form.off - (by if probe.form.kind != "fill" else rng.choice((0, by))))
        draft.probes[draft.probes.index(probe)] = replace(probe, form=form)
    return f"{probe.name} moved by {by}"


def recode(draft: Draft, rng: random.Random) -> str:
    """An embedded value in another form of the same width, claimed and written so; sometimes read so too."""
    fit = [p for p in draft.probes if p.block == 0]
    probe = rng.choice(fit)
    form = _other_form(probe.form, rng)
    names: dict[object, list[int]] = {"one": [1] * draft.model.length, "position": list(range(1, draft.model.length + 1))}
    values = names.get(probe.value, list(range(len(draft.model.alphabet))))
    try:
        codes, old = ([f.code(v) for v in values] for f in (form, probe.form))
    except (ArithmeticError, TypeError, ValueError, MemoryError):  # the form is none
        return "nothing"
    if form.width != len(probe.dims):
        return "nothing"
    table = draft.tensors["W_E" if draft.tensors["W_E"][:, list(probe.dims)].any() else "W_pos"]
    if len(codes) != len(table) - 1:
        return "nothing"
    table[1:, list(probe.dims)] = torch.tensor(codes, dtype=table.dtype)
    draft.probes[draft.probes.index(probe)] = replace(probe, form=form)
    if len(values) and codes[0][0] and rng.random() < 0.6:  # what reads it, by the ratio of the first code
        for name in _mostly(draft.readers(0), rng):
            draft.tensors[name][..., probe.dims[0], :] *= old[0][0] / codes[0][0]
    return f"{probe.name} as {form!r}"


def swap(draft: Draft, rng: random.Random) -> str:
    """Two dimensions, heads, channels or units swapped everywhere, or all but somewhere."""
    what = rng.choice(("dims", "heads", "units", "channels"))
    if what == "dims":
        d = draft.tensors["W_E"].shape[1]
        a, b = rng.randrange(d), rng.randrange(d)
        for name in _mostly(list(draft.tensors), rng):
            _swap(draft.tensors, name, -2 if name in draft.readers(0) else -1, a, b)
        if rng.random() < 0.8:
            move = {a: b, b: a}
            draft.probes = [replace(p, dims=tuple(move.get(x, x) for x in p.dims)) for p in draft.probes]
        return f"dimensions {a} and {b}"
    block = draft.block(rng, "W_in" if what == "units" else "W_Q")
    if block is None:
        return "nothing"
    groups = {
        "heads": [("W_Q", 0), ("W_K", 0), ("W_V", 0), ("W_O", 0)],
        "units": [("W_in", 1), ("W_out", 0)],
        "channels": rng.choice(([("W_Q", 2), ("W_K", 2)], [("W_V", 2), ("W_O", 1)])),
    }[what]
    size = draft.tensors[block + groups[0][0]].shape[groups[0][1]]
    a, b = rng.randrange(size), rng.randrange(size)
    for name in _mostly([name for name, _ in groups], rng):
        _swap(draft.tensors, block + name, dict(groups)[name], a, b)
    return f"{block}{what} {a} and {b}"


def _swap(tensors: dict[str, torch.Tensor], name: str, axis: int, a: int, b: int) -> None:
    order = list(range(tensors[name].shape[axis]))
    order[a], order[b] = order[b], order[a]
    tensors[name] = tensors[name].index_select(axis, torch.tensor(order))


def gauge(draft: Draft, rng: random.Random) -> str:
    """One factor of a product against the other: W_Q and W_K, W_V and W_O, W_in and W_out."""
    left, right = rng.choice((("W_Q", "W_K"), ("W_V", "W_O"), ("W_in", "W_out")))
    block, by = draft.block(rng, left), rng.choice(FACTORS)
    if block is None:
        return "nothing"
    a, b = draft.tensors[block + left], draft.tensors[block + right]
    u = rng.randrange(a.shape[-1])
    head = rng.randrange(a.shape[0]) if a.dim() == 3 else ...
    every = rng.random() < 0.3
    column = (head, slice(None), slice(None) if every else u)
    row = (head, slice(None), column[2]) if right == "W_K" else (head, column[2], slice(None))
    back = by if rng.random() < 0.7 else rng.choice(FACTORS)
    a[column if a.dim() == 3 else column[1:]] *= by
    b[row if b.dim() == 3 else row[1:]] /= back
    return f"{block}{left} times {by:g}, {right} by {back:g}"


def depth(draft: Draft, rng: random.Random) -> str:
    """The scores of an attention layer scaled, and what W_O multiplies weights e^-D by, to suit."""
    block, by = draft.block(rng, "W_O"), rng.choice((0.5, 0.75, 2.0, 2.5, 2.75, 3.0))
    if block is None:
        return "nothing"
    draft.tensors[block + rng.choice(("W_Q", "W_K"))] *= by
    w_o = draft.tensors[block + "W_O"]
    large = w_o.abs() > 1e6
    w_o[large] = w_o[large].sign() * w_o[large].abs().double().pow(by).clamp(max=torch.finfo(w_o.dtype).max).to(w_o.dtype)
    return f"{block} scores times {by:g}"


def filling(draft: Draft, rng: random.Random) -> str:
    """A filling's number: where it is embedded, in its claim, and in the form of the total that is added to it."""
    fit = [p for p in draft.probes if p.form.kind == "fill"]
    if not fit:
        return "nothing"
    probe, by = rng.choice(fit), rng.choice((*NUMBERS, 2**22, -(2**22), -(2**23)))
    dim = probe.dims[0]
    if probe.block == 0 and rng.random() < 0.8:
        draft.tensors["W_pos"][1:, dim] += by
    if rng.random() < 0.8:
        draft.probes[draft.probes.index(probe)] = replace(probe, form=replace(probe.form, top=probe.form.top + by))
    for at, p in enumerate(draft.probes):
        if p.dims == probe.dims and p.block > probe.block and rng.random() < 0.8:
            draft.probes[at] = replace(p, form=replace(p.form, off=p.form.off - by, top=p.form.top + by))
    one = next((p.dims[0] for p in draft.probes if p.value == "one" and p.form.kind != "fill"), None)
    if one is not None and rng.random() < 0.8:
        for name in draft.readers(1):
            if not name.endswith(("W_Q", "W_K", "W_V")):
                draft.tensors[name][..., one, :] -= by * draft.tensors[name][..., dim, :]
    return f"{probe.name} by {by}"


def cancel(draft: Draft, rng: random.Random) -> str:
    """Two channels of a head, or hidden units, that cancel in a dimension; something later reads it, times a power of two."""
    first, second = rng.choice((("W_V", "W_O"), ("W_in", "W_out")))
    block = draft.block(rng, first)
    if block is None:
        return "nothing"
    a, b = draft.tensors[block + first], draft.tensors[block + second]
    source, dim = rng.choice(rng.choice(draft.probes).dims), rng.randrange(b.shape[-1])
    head = rng.randrange(a.shape[0]) if a.dim() == 3 else None
    a, b = (a, b) if head is None else (a[head], b[head])
    free = [c for c in range(a.shape[1]) if not a[:, c].any() or not b[c].any()]
    if len(free) < 2:
        return "nothing"
    x, y, size = rng.choice((37.0, 3.0, 1.0)), rng.choice((41.0, 5.0, 1.0)), 2.0 ** rng.choice((0, 11, 30))
    a[:, free[:2]], b[free[:2]] = 0.0, 0.0
    a[source, free[0]], a[source, free[1]] = x, y
    b[free[0], dim], b[free[1], dim] = y * size, -x * size
    late = [n for n in draft.readers(int(block.split(".")[1]) + 1) if n.endswith("W_in")]
    if late and rng.random() < 0.8:
        reader = draft.tensors[rng.choice(late)]
        reader[dim, rng.randrange(reader.shape[1])] += rng.choice((1.0, 2.0**30, 2.0**60))
    return f"{block} {x:g}·{y:g} cancels in {dim}"


def weight(draft: Draft, rng: random.Random) -> str:
    """One weight."""
    name = rng.choice([n for n, t in draft.tensors.items() if t.numel()])
    tensor = draft.tensors[name]
    index = tuple(rng.randrange(n) for n in tensor.shape)
    for _ in range(8):
        if tensor[index]:
            break
        index = tuple(rng.randrange(n) for n in tensor.shape)
    old = tensor[index].item()
    most = torch.finfo(tensor.dtype).max
    tensor[index] = max(-most, min(most, rng.choice((0.0, -old, 2 * old, old / 2, old + 1, old - 1))))
    return f"{name}{list(index)} from {old:g} to {tensor[index].item():g}"


FAMILIES: dict[str, tuple[Move, ...]] = {
    "hints": (hint_form, hint_form, hint_place, hint_list, hint_output),
    "graphs": (graph_op, graph_op, graph_output, graph_skip, graph_wrap, graph_wrap),
    "concert": (scale, shift, recode, swap, gauge, depth, filling, cancel),
    "weights": (weight,),
}


def attack(model: hw.Model, family: str, rng: random.Random) -> tuple[str, hw.Model] | None:
    """An attack of a family, or of `mixed` ones: what was done, and the model; None where the file would not be read."""
    draft, done = Draft.of(model), list[str]()
    families = rng.sample(list(FAMILIES), 2) if family == "mixed" else [family]
    moves = [rng.choice(FAMILIES[name]) for name in families for _ in range(rng.choice((1, 1, 2, 3) if family != "mixed" else (1, 1, 2)))]
    if family == "graphs" and rng.random() < 0.3:
        moves.insert(0, graph_base)
    try:
        done = [move(draft, rng) for move in moves]
    except hw.HeadworkError:
        return None
    if any(not math.isfinite(t.abs().max().item()) for t in draft.tensors.values() if t.numel()):
        return None
    return "; ".join(done), draft.finish()


def has_totals(model: hw.Model) -> bool:
    """Whether something adds up in the model."""
    return any(isinstance(node.op, Total) for node in model.optimised.nodes)
