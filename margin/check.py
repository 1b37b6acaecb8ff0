"""The checker's one entry: a program, tensors and a script of what holds which value in; what is shown out, or where a margin is lost.

By induction over the blocks: before each, every dimension of the stream at a token is within its error of a number that a case of one
variable decides, and at BOS within its error of a number. All sums are bounded in any order, products fused or not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from . import heads
from .state import ZERO, Cell, Noise, Reals, State, rounding
from .terms import MOST, NONE, POSITION, TOKEN, Ints, Node, Terms, Unshown, Value, hidden, meaning, product

CHUNK = 1 << 22


@dataclass(frozen=True, slots=True)
class Model:
    """What is shown of: sizes, the program's nodes and outputs, each output's least value less one, masks by block, tensors in float64."""

    length: int
    symbols: int
    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]
    classes: tuple[tuple[int, int], ...]  # of each output: the offset, and how many
    blocks: tuple[tuple[str, ...], ...]  # masks of heads, () for an MLP
    tensors: Mapping[str, Reals]


@dataclass(slots=True)
class Shown:
    """What was shown: the least lead of each head, how far values are off their codes, the least margin of a logit, and cases."""

    leads: list[tuple[int, int, int, float]] = field(default_factory=list[tuple[int, int, int, float]])
    off: dict[int, float] = field(default_factory=dict[int, float])
    margin: float = math.inf
    cases: int = 0
    where: str = ""


def check(model: Model, script: Sequence[Mapping[str, Any]], noise: Noise) -> Shown:
    """Show a model right. Raises Unshown at the head, unit or logit where a margin is not there."""
    terms = Terms(model.length, model.symbols, model.nodes)
    require(model, script)
    return _Checker(model, terms, noise).run(script)


def require(model: Model, script: Sequence[Mapping[str, Any]]) -> None:
    """Shapes of tensors, and that they are numbers."""
    d = model.tensors["W_E"].shape[1]
    wanted = {"W_E": (model.symbols + 1, d), "W_pos": (model.length + 1, d), "W_U": (d, sum(size for _, size in model.classes))}
    for i, masks in enumerate(model.blocks):
        e, h, name = model.tensors[f"blocks.{i}.{'W_Q' if masks else 'W_in'}"].shape[-1], len(masks), f"blocks.{i}."
        shapes = {"W_Q": (h, d, e), "W_K": (h, d, e), "W_V": (h, d, e), "W_O": (h, e, d)} if masks else {"W_in": (d, e), "W_out": (e, d)}
        wanted |= {name + key: shape for key, shape in shapes.items()}
    for name in sorted({*wanted, *model.tensors}):
        if name not in wanted or name not in model.tensors or model.tensors[name].shape != wanted[name]:
            raise Unshown(f"{name} has not the shape of the program's sizes")
        if not np.isfinite(model.tensors[name]).all():
            raise Unshown(f"{name} holds a number that is not finite")
    if len(script) != len(model.blocks) or len(model.classes) != len(model.outputs):
        raise Unshown("the script is for another model")


class _Checker:
    def __init__(self, model: Model, terms: Terms, noise: Noise) -> None:
        self.model, self.terms, self.noise, self.shown = model, terms, noise, Shown()
        self.width = model.tensors["W_E"].shape[1]
        self.joined: dict[int, tuple[int, Ints]] = {}  # of a total: the variable of its head's matches, and which case that is

    def run(self, script: Sequence[Mapping[str, Any]]) -> Shown:
        state = self.embedding()
        for number, (masks, part) in enumerate(zip(self.model.blocks, script, strict=True), 1):
            w = {k.rpartition(".")[2]: t for k, t in self.model.tensors.items() if k.startswith(f"blocks.{number - 1}.")}
            state = self.attention(state, w, masks, part, number) if masks else self.mlp(state, w, part, number)
            if self.noise.stream:
                cells = [replace(c, ind=c.ind + self.noise.stream * (1 + 2 * c.scale)) for c in state.cells]
                state = State(cells, state.bos, state.off + self.noise.stream)
        self.logits(state)
        return self.shown

    # --- embedding ----------------------------------------------------------------------------------------

    def embedding(self) -> State:
        """A dimension is of the token or of the position; what both write is off by what the other writes."""
        w_e, w_pos = self.model.tensors["W_E"], self.model.tensors["W_pos"]
        cells: list[Cell] = []
        for d in range(self.width):
            e, p = w_e[1:, d], w_pos[1:, d]
            own, other, variable = (e, p, TOKEN) if np.abs(e).max() >= np.abs(p).max() else (p, e, POSITION)
            if not own.any():
                cells.append(ZERO)
                continue
            ind = np.full(len(own), np.abs(other).max() * (1 + self.noise.weights) + self.noise.unit * np.abs(own).max())
            com = self.noise.weights * np.abs(own)
            if (own == own[0]).all():  # the same everywhere
                cells.append(Cell(None, own[:1].copy(), np.zeros(1), (com + ind)[:1]))
            else:
                cells.append(Cell(variable, own.copy(), com, ind))
        bos = w_e[0] + w_pos[0]
        return State(cells, bos, (self.noise.weights + self.noise.unit) * (np.abs(w_e[0]) + np.abs(w_pos[0])))

    # --- attention ----------------------------------------------------------------------------------------

    def attention(self, state: State, w: Mapping[str, Reals], masks: Sequence[str], part: Mapping[str, Any], number: int) -> State:
        cells, written = list(state.cells), set[int]()
        bos, off = state.bos.copy(), state.off.copy()
        if len(part["heads"]) != len(masks):
            raise Unshown(f"block {number}: the script has another number of heads")
        for h, (mask, said) in enumerate(zip(masks, part["heads"], strict=True)):
            what = f"block {number}, head {h}"
            out = [int(d) for d in np.flatnonzero(np.abs(w["W_O"][h]).max(axis=0))]
            self.at_bos(state, w["W_V"][h], w["W_O"][h], bos, off)
            if said["node"] is None:
                if out and np.abs(w["W_V"][h] @ w["W_O"][h]).any():
                    raise Unshown(f"{what}: nothing is said of what it writes")
                continue
            node = self.terms.nodes[said["node"]]
            if node.op not in ("lookup", "total") or node.fields["mask"] != mask:
                raise Unshown(f"{what} has the mask {mask}, and is no such {node.op}")
            found = heads.scores(state, self.terms, node, w["W_Q"][h], w["W_K"][h], self.noise, what)
            claims = {int(d): row for d, *row in said["writes"]}
            if set(out) - set(claims) or set(claims) & written:
                raise Unshown(f"{what}: what it writes is not claimed, or claimed twice")
            written |= set(claims)
            if node.op == "lookup":
                leak = heads.lookup(found, self.terms, node, self.noise, what)
                self.shown.leads.append((number, h, said["node"], leak.lead))
                for d, (fetch,) in claims.items():
                    cells[d] = self.copied(state, w, h, d, said["node"], int(fetch), leak, what)
            else:
                shares = heads.total(found, self.terms, self.noise, what)
                self.shown.leads.append((number, h, said["node"], -math.log(max(shares.rivals, 1e-300) / self.terms.length)))
                for d, (which,) in claims.items():
                    cells[d] = self.share(state, w, h, d, said["node"], which, shares, what)
        return State(cells, bos, off)

    def at_bos(self, state: State, w_v: Reals, w_o: Reals, bos: Reals, off: Reals) -> None:
        """BOS attends to itself alone."""
        eps, gamma = self.noise.weights, (self.width + 2) * self.noise.unit
        v = state.bos @ w_v
        v_off = (
            state.off @ np.abs(w_v)
            + (eps + rounding(w_v, self.noise.unit)) * ((np.abs(state.bos) + state.off) @ np.abs(w_v))
            + self.noise.exp * np.abs(v)
        )
        bos += v @ w_o
        off += v_off @ np.abs(w_o) + (eps + gamma) * ((np.abs(v) + v_off) @ np.abs(w_o))

    def brought(
        self, state: State, w: Mapping[str, Reals], h: int, d: int, what: str
    ) -> tuple[int | None, Reals, Reals, Reals, float, float]:
        """What a head brings to dimension d from a token: its variable, numbers and errors by case; and from BOS."""
        w_v, w_o = w["W_V"][h], w["W_O"][h][:, d]
        used = np.flatnonzero(w_o)
        matrix = w_v[:, used]
        dims = [int(r) for r in np.flatnonzero(np.abs(matrix).max(axis=1))] if len(used) else []
        eps, gamma = self.noise.weights, (np.count_nonzero(matrix, axis=0).max(initial=0) + len(used) + 2) * self.noise.unit
        size = np.abs(w_o[used])
        bos = float(state.bos @ matrix @ w_o[used])
        bos_sizes = (np.abs(state.bos) + state.off) @ np.abs(matrix) @ size
        bos_off = float(state.off @ np.abs(matrix) @ size + (2 * eps + eps * eps + 2 * gamma) * bos_sizes)
        groups = state.variables(dims)
        constant = groups.pop(None, [])
        if len(groups) > 1:
            raise Unshown(f"{what}: dimension {d} brings what several variables decide")
        variable, own = next(iter(groups.items()), (None, []))
        direct = matrix @ w_o[used]  # (d_model,)
        x, com, ind, sizes = np.zeros(1), np.zeros(1), np.zeros(1), np.zeros(1)
        for some in (own, constant):
            if not some:
                continue
            cx, cc, ci = state.stack(some)
            line = np.abs(direct[some])
            x, com, ind = x + cx @ direct[some], com + cc @ line, ind + ci @ line
            sizes = sizes + (np.abs(cx) + cc + ci) @ (np.abs(matrix[some]) @ size)
        com, ind = com + (2 * eps + eps * eps) * sizes, ind + 2 * gamma * sizes
        return variable, x, com, ind, bos, bos_off

    def copied(self, state: State, w: Mapping[str, Reals], h: int, d: int, lookup: int, fetch: int, leak: heads.Leak, what: str) -> Cell:
        """A dimension that a lookup brings, by case of what is read; ⊥ is what BOS holds."""
        node = self.terms.nodes[fetch]
        if node.op != "fetch" or node.args[0] != lookup:
            raise Unshown(f"{what}: node {fetch} is not read through it")
        variable, x, com, ind, bos, bos_off = self.brought(state, w, h, d, what)
        source = self.terms.of(node.args[1])
        if variable is not None and source.variable not in (variable, None):
            raise Unshown(f"{what}: dimension {d} holds another variable than node {node.args[1]}")
        values = self.terms.cases[fetch]
        table = np.broadcast_to(source.table, x.shape if source.variable is None else source.table.shape)
        x, com, ind = (np.broadcast_to(a, table.shape) for a in (x, com, ind))
        most = max(float((np.abs(x) + com + ind).max()), abs(bos) + bos_off)
        fresh = 2 * most * leak.found + most * (self.noise.exp + self.terms.length * self.noise.unit)
        made, made_com, made_ind = np.zeros(len(values)), np.zeros(len(values)), np.zeros(len(values))
        for row, value in enumerate(values):
            at = table == value
            if value == NONE:  # nothing was found, or ⊥ was
                made[row], made_ind[row] = bos, bos_off + 2 * most * leak.missing + most * self.noise.exp
                if at.any():
                    made_ind[row] = max(made_ind[row], float((np.abs(x[at] - bos) + com[at] + ind[at]).max()) + fresh)
                continue
            middle = (x[at].max() + x[at].min()) / 2
            alike = at.sum() == 1
            made[row] = middle
            made_com[row] = com[at].max() if alike else 0.0
            made_ind[row] = (ind[at] + (0 if alike else 1) * com[at] + np.abs(x[at] - middle)).max() + fresh
        return Cell(fetch, made, made_com, made_ind)

    def share(
        self, state: State, w: Mapping[str, Reals], h: int, d: int, head: int, which: int | None, shares: heads.Shares, what: str
    ) -> Cell:
        """A dimension that a total's head brings: BOS's share (`which` is None), or that of a total's values."""
        variable, x, com, ind, bos, bos_off = self.brought(state, w, h, d, what)
        r = math.sqrt(shares.lo * shares.hi)
        lo, hi, rivals = shares.lo, shares.hi, shares.rivals
        error = 2 * self.noise.exp + 2 * self.terms.length * self.noise.unit
        # BOS's weight is 1/D, the sums are Σ r·v / D: the factor is what D is off, and errors of Σ r·v are apart from it.
        most_c = self.terms.length
        factor = max((1 + most_c * r) / (1 + most_c * lo) - 1, 1 - (1 + most_c * r) / (1 + most_c * hi + rivals), rivals) + error
        if which is None:
            counted = -10 - head
            most = self.terms.length
            self.terms.cases.setdefault(counted, np.arange(most + 1))
            c = np.arange(most + 1)
            if np.abs(x).max() > 0:
                raise Unshown(f"{what}: dimension {d} is BOS's share, and tokens bring something")
            token = float((com + ind).max())
            middle = 1 / (1 + c * r)
            return Cell(counted, bos * middle, np.zeros(len(c)), middle * (abs(bos) * error + bos_off) + token, factor, head + 1)
        node = self.terms.nodes[which]
        mine = self.terms.nodes[head]
        same = (node.op, node.args[:-1], node.fields) == (mine.op, mine.args[:-1], mine.fields)
        if not same:
            raise Unshown(f"{what}: node {which} is another total")
        value = self.terms.of(node.args[-1])
        if variable is not None and value.variable not in (variable, None):
            raise Unshown(f"{what}: dimension {d} does not hold node {node.args[-1]}")
        table = np.where(value.table == NONE, 0, value.table)
        table = np.broadcast_to(table, x.shape if value.variable is None else table.shape)
        x, com, ind = (np.broadcast_to(a, table.shape) for a in (x, com, ind))
        wrong = float((np.abs(x - table) + com + ind).max())
        most = float(np.abs(table).max()) + wrong
        if abs(bos) > 0:
            raise Unshown(f"{what}: dimension {d} is a share of tokens, and BOS brings something")
        c, s = self.terms.matched[which], self.terms.cases[hidden(which)]
        size = np.abs(s) if table.min() >= 0 or table.max() <= 0 else c * np.abs(table).max()
        middle = s * r / (1 + c * r)
        spread = size * max(hi - r, r - lo) + wrong * c * hi + rivals * most + error * size * hi
        off = spread / (1 + c * r) + bos_off
        counted = -10 - head
        self.terms.cases.setdefault(counted, np.arange(self.terms.length + 1))
        self.joined[hidden(which)] = (counted, c)
        return Cell(hidden(which), middle, np.zeros(len(c)), off, factor, head + 1)

    # --- MLPs ---------------------------------------------------------------------------------------------

    def mlp(self, state: State, w: Mapping[str, Reals], part: Mapping[str, Any], number: int) -> State:
        w_in, w_out = w["W_in"], w["W_out"]
        cells = list(state.cells)
        written: set[int] = set()
        for said in part["writes"]:
            node, dims = said["node"], [int(d) for d in said["dims"]]
            if written & set(dims):
                raise Unshown(f"block {number}: a dimension is claimed twice")
            written |= set(dims)
            what = f"block {number}, {said.get('name', f'node {node}')}"
            for d, cell in zip(dims, self.computed(state, w_in, w_out, int(node), dims, said["values"], what), strict=True):
                cells[d] = cell
        if set(map(int, np.flatnonzero(np.abs(w_out).max(axis=0)) if w_out.size else [])) - written:
            raise Unshown(f"block {number}: an MLP writes what is not claimed")
        bos, off = self.mlp_at_bos(state, w_in, w_out)
        return State(cells, bos, off)

    def mlp_at_bos(self, state: State, w_in: Reals, w_out: Reals) -> tuple[Reals, Reals]:
        eps, gamma = self.noise.weights, rounding(w_in, self.noise.unit)
        pre = state.bos @ w_in
        e = state.off @ np.abs(w_in) + (eps + gamma) * ((np.abs(state.bos) + state.off) @ np.abs(w_in))
        act = np.maximum(pre, 0)
        e = np.where(pre + e <= 0, 0, e)
        more = e @ np.abs(w_out) + (eps + (w_out.shape[0] + 2) * self.noise.unit) * ((act + e) @ np.abs(w_out))
        return state.bos + act @ w_out, state.off + more + self.noise.unit * np.abs(state.bos)

    def computed(
        self, state: State, w_in: Reals, w_out: Reals, number: int, dims: list[int], values: Sequence[int], what: str
    ) -> list[Cell]:
        """What an MLP leaves in the dimensions of a node: of dimension j, by case, 1 where the value is `values[j]`, else 0, or nearly."""
        units = np.flatnonzero(np.abs(w_out[:, dims]).max(axis=1)) if w_out.size else np.array([], int)
        read = np.flatnonzero(np.abs(w_in[:, units]).max(axis=1)) if len(units) else np.array([], int)
        all_dims = [int(d) for d in dict.fromkeys([*read, *dims])]
        target = self.terms.of(number)
        node = self.terms.nodes[number]
        variables = [v for v in state.variables(all_dims) if v is not None]
        summed = node.op == "total" and hidden(number) in variables
        if summed:
            pass
        elif target.variable not in variables and target.variable is not None:
            if target.variable != number or node.op in ("fetch", "total", "token", "position"):
                raise Unshown(f"{what}: it is not computed from what it is said to be")
            for a in node.args:
                v = self.terms.of(a).variable
                if v is not None and v not in variables:
                    variables.append(v)
            if node.op == "affine" and math.prod(len(self.terms.cases[v]) for v in variables) > 1 << 10:
                return self.summed(state, w_in, w_out, number, dims, values, what)
        counted = {self.joined[v][0]: v for v in variables if v in self.joined and self.joined[v][0] in variables}
        free = [v for v in variables if v not in counted]
        index = product([len(self.terms.cases[v]) for v in free], what)
        rows: dict[int | None, Ints] = dict(zip(free, index, strict=True))
        rows |= {c: self.joined[v][1][rows[v]] for c, v in counted.items()}
        count = len(index[0]) if index else 1
        self.shown.cases += count
        if summed:
            wanted = self.terms.cases[hidden(number)][rows[hidden(number)]]
        elif target.variable is None:
            wanted = np.repeat(target.table, count)
        elif target.variable in rows:
            wanted = target.table[rows[target.variable]]
        else:
            args = [self.terms.of(a) for a in node.args]
            wanted = meaning(node, [a.table[rows[a.variable]] if a.variable is not None else np.repeat(a.table, count) for a in args])
        # Rounded in place: cases stay what they are. So do a total's levels; once they are rounded, matches do not matter any more.
        raw = summed and not any(state.cells[d].x.any() for d in dims)
        if raw:
            target = Value(hidden(number), self.terms.cases[hidden(number)])
        own = len(free) == 1 and target.variable == free[0]
        scale = state.scaled(all_dims)
        x, e = state.gathered(all_dims, rows, count, apart=scale > 0)
        place = {d: i for i, d in enumerate(all_dims)}
        made = [
            self.one(x, e, all_dims, place, w_in, w_out, d, np.asarray(wanted == v, float), wanted, target, rows, own, state, scale)
            for d, v in zip(dims, values, strict=True)
        ]
        if not raw and (worst := max(float(cell.error().max()) for cell in made)) >= 0.5:
            raise Unshown(f"{what} may be {worst:.3g} off its code")
        return made

    def one(
        self, x: Reals, e: Reals, all_dims: list[int], place: Mapping[int, int], w_in: Reals, w_out: Reals, d: int, nominal: Reals,
        wanted: Ints, target: Value, rows: Mapping[int | None, Ints], own: bool, state: State, scale: float,
    ) -> Cell:  # fmt: skip
        """One dimension after an MLP, in all joint cases."""
        units = np.flatnonzero(w_out[:, d]) if w_out.size else np.array([], int)
        dims = [int(r) for r in np.flatnonzero(np.abs(w_in[:, units]).max(axis=1))] if len(units) else []
        dims = list(dict.fromkeys([*dims, d]))
        cols = [place[i] for i in dims]
        matrix, out = w_in[dims][:, units], w_out[units, d]
        center, error = self.layer(x[:, cols], e[:, cols], matrix, out, dims.index(d))
        error = error + scale * (np.abs(center) + error)  # without constants everything is in proportion
        if own:  # what it is by case is known: a number for each
            com = np.zeros(len(center))
            if len(state.variables(dims)) <= 2 and state.cells[d].com.any() and target.variable == state.cells[d].variable:
                com = self.alike(state, dims, d, matrix, out, x[:, cols], e[:, cols])
                com = np.minimum(com, error)
            if target.variable in self.joined and np.abs(center - nominal).max() < 0.2:  # levels of few matches
                return Cell(target.variable, nominal, np.zeros(len(center)), error + np.abs(center - nominal))
            return Cell(target.variable, center, com, error - com)
        wrong = np.abs(center - nominal) + error
        if target.variable is None:
            return Cell(None, nominal[:1].copy(), np.zeros(1), wrong.max(keepdims=True))
        number = target.variable
        cases = self.terms.cases[number]
        order = np.argsort(cases, kind="stable")
        at = order[np.searchsorted(cases[order], wanted)] if number not in rows else rows[number]
        ind = np.zeros(len(cases))
        np.maximum.at(ind, at, wrong)
        value = np.zeros(len(cases))
        value[at] = nominal
        return Cell(number, value, np.zeros(len(cases)), ind)

    def layer(self, x: Reals, e: Reals, w: Reals, out: Reals, self_at: int) -> tuple[Reals, Reals]:
        """x[self] + relu(x·W)·out by case, and how far off. Shapes: x, e (cases, dims); w (dims, units)."""
        eps, unit = self.noise.weights, self.noise.unit
        gamma, gamma_out = rounding(w, unit), (len(out) + 4) * unit
        center, error = np.empty(len(x)), np.empty(len(x))
        alone = (np.count_nonzero(w, axis=0) == 1) & (w[self_at] != 0)  # units that read the cell itself, and nothing else
        self_w, self_out = w[self_at, alone], out[alone]
        w, out = w[:, ~alone], out[~alone]
        gamma = gamma[~alone]
        step = max(1, CHUNK // max(1, w.size, w.shape[1]))
        size = np.abs(w)
        for start in range(0, len(x), step):
            part, off = x[start : start + step], e[start : start + step]
            pre = part @ w  # (cases, units)
            fresh = (eps + gamma) * ((np.abs(part) + off) @ size)
            spread = off @ size + fresh
            active, crossing = pre - spread > 0, (pre - spread <= 0) & (pre + spread > 0)
            act = np.maximum(pre, 0)
            lines = (active * out) @ w.T  # (cases, dims): what a change of each input changes
            own, reach = part[:, self_at], off[:, self_at]
            kept, moved = _bent(own, reach, self_w, self_out)
            single = len(self_out) > 0
            if not single:
                lines[:, self_at] += 1
            found = (np.abs(lines) * off).sum(axis=1) + (active * fresh) @ np.abs(out) * (1 + eps) + (crossing * spread) @ np.abs(out)
            sizes = ((act + spread) * (active | crossing)) @ np.abs(out)
            if single:
                found = found + moved + (2 * eps + gamma_out + 4 * unit) * (np.abs(own) + reach) * float(np.abs(self_w) @ np.abs(self_out))
            center[start : start + step] = kept + act @ out
            error[start : start + step] = found + (eps + gamma_out) * sizes + unit * (np.abs(own) + reach)
        return center, error

    def alike(self, state: State, dims: list[int], d: int, w: Reals, out: Reals, x: Reals, e: Reals) -> Reals:
        """How much of the error of a cell rounded in place is alike wherever its case is: what comes of its own and of the weights."""
        cell = state.cells[d]
        i = dims.index(d)
        only = np.zeros_like(e)
        only[:, i] = cell.com
        full = self.layer(x, e, w, out, i)[1]
        quiet = replace(self.noise, weights=0.0)
        without, kept = np.array(e), self.noise
        without[:, i] = cell.ind
        self.noise = quiet
        rest = self.layer(x, without, w, out, i)[1]
        self.noise = kept
        return np.maximum(full - rest, 0)

    def summed(self, state: State, w_in: Reals, w_out: Reals, number: int, dims: list[int], values: Sequence[int], what: str) -> list[Cell]:
        """A staircase over a sum of many values: units that read α·(sum + β) are looked at once for each value of the sum."""
        node = self.terms.nodes[number]
        args = [self.terms.of(a) for a in node.args]
        units = np.flatnonzero(np.abs(w_out[:, dims]).max(axis=1))
        eps, gamma = self.noise.weights, (self.width + 2) * self.noise.unit
        owners = [a.variable for a in args]
        if len(set(owners)) < len(owners) or None in owners:
            raise Unshown(f"{what}: a sum of values that are of one variable, or constant")
        read = [int(r) for r in np.flatnonzero(np.abs(w_in[:, units]).max(axis=1))]
        groups = state.variables(read)
        constant = groups.pop(None, [])
        if set(groups) - set(owners):
            raise Unshown(f"{what}: it reads what is no part of the sum")
        bias, spread = np.zeros(len(units)), np.zeros(len(units))
        if constant:
            x, com, ind = state.stack(constant)
            size = np.abs(w_in[constant][:, units])
            bias = (x @ w_in[constant][:, units])[0]
            spread = ((com + ind) @ size + (eps + gamma) * ((np.abs(x) + com + ind) @ size))[0]
        least_over = np.full(len(units), -np.inf)  # the greatest pre-activation where an argument is ⊥
        tops, missing = [], []
        for c, a in zip(node.fields["coefficients"], args, strict=True):
            assert a.variable is not None
            own = groups.get(a.variable, [])
            x, com, ind = state.stack(own)
            matrix = w_in[own][:, units]
            pre, size = x @ matrix, np.abs(matrix)
            off = (com + ind) @ size + (eps + gamma) * ((np.abs(x) + com + ind) @ size)
            there = a.table != NONE
            line = c * a.table[there][:, None]
            wrong = pre[there] - line  # units count in the sum itself
            middle = (wrong.max(axis=0) + wrong.min(axis=0)) / 2
            bias = bias + middle
            spread = spread + (np.abs(wrong - middle) + off[there]).max(axis=0)
            tops.append((pre + off)[there].max(axis=0))
            missing.append((pre + off)[~there].max(axis=0) if (~there).any() else np.full(len(units), -np.inf))
        fixed = (state.stack(constant)[0] @ w_in[constant][:, units])[0] if constant else np.zeros(len(units))
        for i, gone in enumerate(missing):
            others = sum((np.maximum(t, m) for j, (t, m) in enumerate(zip(tops, missing, strict=True)) if j != i), np.zeros(len(units)))
            least_over = np.maximum(least_over, gone + others + fixed + spread)
        if (least_over > 0).any():
            raise Unshown(f"{what}: a unit may fire where a part of the sum is ⊥")
        cases = self.terms.cases[number]
        sums = cases[cases != NONE]
        pre = (sums - node.fields["constant"])[:, None] + bias
        off = np.broadcast_to(spread, pre.shape)
        self.shown.cases += len(sums)
        made: list[Cell] = []
        for d, v in zip(dims, values, strict=True):
            if state.cells[d] is not ZERO and np.abs(state.cells[d].x).max() > 0:
                raise Unshown(f"{what}: dimension {d} held something")
            out = w_out[units, d]
            use = np.flatnonzero(out)
            p, s, o = pre[:, use], off[:, use], out[use]
            active, crossing = p - s > 0, (p - s <= 0) & (p + s > 0)
            net = np.abs((active * o).sum(axis=1))  # inputs that all of them share cancel; the rest is bounded one by one
            error = net * s.max(axis=1) + (crossing * s) @ np.abs(o) + (eps + gamma) * 4 * ((np.abs(p) + s) @ np.abs(o))
            error = error + (active * (s.max(axis=1, keepdims=True) * 0 + self._odd(state, read, units[use], w_in))) @ np.abs(o)
            center = np.maximum(p, 0) @ o
            wrong = np.abs(center - (sums == v)) + error + state.cells[d].ind.max()
            value, ind = np.zeros(len(cases)), np.zeros(len(cases))
            value[cases != NONE], ind[cases != NONE] = sums == v, wrong
            ind[cases == NONE] = state.cells[d].ind.max()
            if ind.max() >= 0.5:
                raise Unshown(f"{what} may be {ind.max():.3g} off its code")
            made.append(Cell(number, value, np.zeros(len(cases)), ind))
        return made

    def _odd(self, state: State, read: list[int], units: Ints, w_in: Reals) -> float:
        """How much units may differ in what they read, the constants left out: 0 where they read one sum."""
        own = [r for r in read if state.cells[r].variable is not None]
        matrix = w_in[own][:, units]
        spread = matrix - matrix[:, :1]
        sizes = np.array([(np.abs(state.cells[r].x) + state.cells[r].com + state.cells[r].ind).max() for r in own])
        return float((np.abs(spread).max(axis=1) * sizes).sum()) if len(own) else 0.0

    # --- logits -------------------------------------------------------------------------------------------

    def logits(self, state: State) -> None:
        w_u, start = self.model.tensors["W_U"], 0
        eps = self.noise.weights
        for number, (off, size) in zip(self.model.outputs, self.model.classes, strict=True):
            matrix = w_u[:, start : start + size]
            start += size
            value = self.terms.of(number)
            dims = [int(d) for d in np.flatnonzero(np.abs(matrix).max(axis=1))]
            variables = [v for v in state.variables(dims) if v is not None]
            if len(variables) > 1 or (variables and value.variable not in (variables[0], None)):
                raise Unshown(f"output {number}: its logits read another variable")
            variable = variables[0] if variables else value.variable
            count = 1 if variable is None else len(self.terms.cases[variable])
            rows: dict[int | None, Ints] = {} if variable is None else {variable: np.arange(count)}
            table = value.table if value.variable is not None else np.repeat(value.table, count)
            x, e = state.gathered(dims, rows, count)
            line = np.abs(matrix[dims])
            logits = x @ matrix[dims]
            errors = e @ line + (eps + rounding(matrix, self.noise.unit)) * ((np.abs(x) + e) @ line)
            right = np.where(table == NONE, 0, table - off)
            if ((right < 0) | (right >= size) | ((right == 0) & (table != NONE))).any():
                raise Unshown(f"output {number} may be worth what has no class")
            at = np.arange(count)
            best = logits[at, right] - errors[at, right]
            others = logits + errors
            others[at, right] = -np.inf
            margin = float((best - others.max(axis=1)).min()) if size > 1 else math.inf
            self.shown.margin = min(self.shown.margin, margin)
            if margin <= 0:
                raise Unshown(f"output {number}: the right class leads by {margin:.3g}")


def _bent(x: Reals, reach: Reals, w: Reals, out: Reals) -> tuple[Reals, Reals]:
    """y + Σ out·relu(w·y) at y = x, and how far it may be from that for y within `reach`: a bend at 0, lines beside it."""

    def at(y: Reals) -> Reals:
        return y + np.maximum(y[:, None] * w, 0) @ out

    here = at(x)
    far = np.maximum(np.abs(at(x - reach) - here), np.abs(at(x + reach) - here))
    bend = np.abs(x) < reach
    return here, np.where(bend, np.maximum(far, np.abs(here)), far)  # at 0 it is 0


__all__ = ["MOST", "Model", "Noise", "Shown", "Unshown", "check"]
