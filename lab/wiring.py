"""Who writes and who reads which value: read off the tensors and the places of values, not off the compiler's plan.

A value lives in its dimensions from the block that writes it until another value is written there. A component reads a
dimension where the matrices that it reads with have a row there that is not zero; it then reads whatever lives there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ..compiler.ops import Fetch, Lookup, Total
from ..runtime.model import Model, Probe
from ..runtime.module import Attention, Mlp
from .names import node_of

Kind: TypeAlias = Literal["token", "position", "head", "mlp", "clear", "unembed"]
Path: TypeAlias = Literal["q", "k", "v", "mlp", "logits"]
Reals: TypeAlias = npt.NDArray[np.float64]
FILLING = "filling of "


@dataclass(frozen=True, slots=True)
class Component:
    """A part that adds to the stream: an embedding, a head, the units of an MLP that write one value, or those that only clear.

    `block` counts from 0, as in `module.blocks`; it is -1 for embeddings and the number of blocks for the unembedding.
    `writes` are numbers of probes, `units` those of the MLP's hidden units.
    """

    name: str
    kind: Kind
    block: int
    head: int | None = None
    writes: tuple[int, ...] = ()
    units: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Read:
    """A component reads a probe's value by one of its paths, from these dimensions, to write probe `into` (None: scores, or logits)."""

    component: str
    path: Path
    probe: int
    dims: tuple[int, ...]
    into: int | None = None


@dataclass(frozen=True)
class Wiring:
    """Components, what they read, and for each probe the components that write it. Probes are numbered as in `model.probes`."""

    model: Model
    components: tuple[Component, ...]
    reads: tuple[Read, ...]
    writers: tuple[tuple[str, ...], ...]

    def component(self, name: str) -> Component:
        """The component of that name."""
        return next(c for c in self.components if c.name == name)

    def label(self, block: int, head: int) -> str:
        """What a head matches, and the lookup's or total's own name: `strict latest: token = token`."""
        nodes = self.lookups(block, head)
        return "; ".join(f"{self.model.optimised.nodes[n].name}: {self._matches(n)}" for n in nodes)

    def _matches(self, index: int) -> str:
        nodes, node = self.model.optimised.nodes, self.model.optimised.nodes[index]
        assert isinstance(node.op, (Lookup, Total))
        names, parts = [nodes[a].name for a in node.args], node.op.parts
        pairs = ", ".join(f"{q} = {k}" for q, k in zip(names[:parts], names[parts : 2 * parts], strict=True))
        return f"{node.op.label().removeprefix('lookup ')}: {pairs}"

    def lookups(self, block: int, head: int) -> list[int]:
        """The nodes of the lookup or of the totals that a head computes: one, or none where it writes no value."""
        found = [c for c in self.components if (c.kind, c.block, c.head) == ("head", block, head)]
        nodes: dict[int, None] = {}
        for probe in (self.model.probes[p] for c in found for p in c.writes):
            node = self.model.optimised.nodes[probe.value] if isinstance(probe.value, int) else None
            if node is None:
                continue
            if isinstance(node.op, Fetch):
                nodes[node.args[0]] = None
            elif isinstance(node.op, Total):
                nodes[int(probe.value)] = None
            else:  # a sum of totals, which several heads add to one cell
                nodes.update((a, None) for a in node.args if isinstance(self.model.optimised.nodes[a].op, Total))
        return list(nodes)


def wiring_of(model: Model) -> Wiring:
    """Read the wiring off a model's tensors and probes."""
    return _Reader(model).wiring()


def occupants(probes: Sequence[Probe], d_model: int, blocks: int) -> list[list[int | None]]:
    """Which probe lives in each dimension after the embedding (0) and after each block. Shape (blocks + 1, d_model)."""
    states: list[list[int | None]] = []
    now: list[int | None] = [None] * d_model
    for block in range(blocks + 1):
        for p, probe in enumerate(probes):
            if probe.block == block:
                for d in probe.dims:
                    now[d] = p
        states.append(list(now))
    return states


def _rows(matrix: Reals) -> tuple[int, ...]:
    """The rows of a matrix that are not zero."""
    return tuple(int(i) for i in np.flatnonzero(matrix.any(axis=tuple(range(1, matrix.ndim)))))


class _Reader:
    def __init__(self, model: Model) -> None:
        self.model, self.probes = model, model.probes
        self.tensors: dict[str, Reals] = {n: t.detach().cpu().double().numpy() for n, t in model.module.state_dict().items()}
        self.blocks = len(model.module.blocks)
        self.states = occupants(self.probes, model.module.shape.d_model, self.blocks)
        self.components: list[Component] = []
        self.reads: list[Read] = []
        self.writers: list[list[str]] = [[] for _ in self.probes]

    def wiring(self) -> Wiring:
        self._embedding("token", "embed", self.tensors["W_E"])
        self._embedding("position", "pos_embed", self.tensors["W_pos"])
        for b, block in enumerate(self.model.module.blocks):
            if isinstance(block, Attention):
                for h in range(len(block.masks)):
                    self._head(b, h)
            elif isinstance(block, Mlp):
                self._mlp(b)
        self.components.append(Component("unembed", "unembed", self.blocks))
        self._read("unembed", "logits", self.blocks, _rows(self.tensors["W_U"]), None)
        return Wiring(self.model, tuple(self.components), tuple(self.reads), tuple(tuple(w) for w in self.writers))

    def _born(self, block: int) -> list[int]:
        """The probes written by a block, counted from 0; by the embedding for -1."""
        return [p for p, probe in enumerate(self.probes) if probe.block == block + 1]

    def _add(self, component: Component) -> None:
        self.components.append(component)
        for p in component.writes:
            self.writers[p].append(component.name)

    def _embedding(self, kind: Literal["token", "position"], name: str, table: Reals) -> None:
        written = set(_rows(table.T))
        self._add(Component(name, kind, -1, writes=tuple(p for p in self._born(-1) if written & set(self.probes[p].dims))))

    def _read(self, component: str, path: Path, block: int, dims: Iterable[int], into: int | None) -> None:
        """Note that a component of a block, counted from 0, reads dimensions, for the values that live there before it."""
        of: dict[int, list[int]] = {}
        for d in dims:
            probe = self.states[block][d]
            if probe is not None:
                of.setdefault(probe, []).append(d)
        self.reads += [Read(component, path, probe, tuple(ds), into) for probe, ds in of.items()]

    def _head(self, b: int, h: int) -> None:
        w_q, w_k, w_v, w_o = (self.tensors[f"blocks.{b}.{name}"][h] for name in ("W_Q", "W_K", "W_V", "W_O"))
        name = f"blocks.{b}.head.{h}"
        compared = w_q.any(axis=0) & w_k.any(axis=0)  # (d_head,)
        self._read(name, "q", b, _rows(w_q * compared), None)
        self._read(name, "k", b, _rows(w_k * compared), None)
        writes: list[int] = []
        for p in self._born(b):
            columns = w_o[:, list(self.probes[p].dims)].any(axis=1)  # (d_head,)
            if columns.any():
                writes.append(p)
                self._read(name, "v", b, _rows(w_v * columns), p)
        self._add(Component(name, "head", b, h, tuple(writes)))

    def _mlp(self, b: int) -> None:
        w_in, w_out = self.tensors[f"blocks.{b}.W_in"], self.tensors[f"blocks.{b}.W_out"]
        cleared = self._cleared(b, w_in, w_out)
        groups: dict[str, list[int]] = {}
        for p in self._born(b):
            probe = self.probes[p]
            node = None if probe.name.startswith(FILLING) else node_of(self.model.optimised, probe.value)
            groups.setdefault(probe.name if node is None else self.model.optimised.nodes[node].name, []).append(p)
        used: set[int] = set()
        for value, probes in groups.items():
            name, units = f"blocks.{b}.mlp.{value}", set[int]()
            for p in probes:
                dims = list(self.probes[p].dims)
                out = w_out[:, dims].copy()  # (d_mlp, width)
                for u, d in cleared:
                    if d in dims:
                        out[u, dims.index(d)] = 0
                into = [int(u) for u in np.flatnonzero(out.any(axis=1))]
                units |= set(into)
                self._read(name, "mlp", b, _rows(w_in[:, into]) if into else (), p)
            used |= units
            self._add(Component(name, "mlp", b, writes=tuple(probes), units=tuple(sorted(units))))
        rest = sorted({u for u, _ in cleared} - used)
        if rest:
            name = f"blocks.{b}.mlp"
            self._add(Component(name, "clear", b, units=tuple(rest)))
            self._read(name, "mlp", b, _rows(w_in[:, rest]), None)

    def _cleared(self, b: int, w_in: Reals, w_out: Reals) -> set[tuple[int, int]]:
        """The (unit, dimension) that do nothing but take off what lives in the dimension: x + Σ out·relu(k·x) = 0 for all that x can be."""
        found: set[tuple[int, int]] = set()
        alone = {u: rows[0] for u in range(w_in.shape[1]) if len(rows := _rows(w_in[:, [u]])) == 1}
        for d in range(w_in.shape[0]):
            probe = self.states[b][d]
            own = [u for u, row in alone.items() if row == d and w_out[u, d]]
            if probe is None or not own:
                continue
            signs = (1, -1) if self.probes[probe].form.signed else (1,)
            slopes = [1 + sum(w_out[u, d] * max(0.0, sign * w_in[d, u]) * sign for u in own) for sign in signs]
            if not any(slopes):
                found |= {(u, d) for u in own}
        return found
