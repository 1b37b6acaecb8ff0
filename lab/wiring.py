"""Who writes and who reads which value: read off the tensors and the places of values, not off the compiler's plan.

A value lives in its dimensions from the block that writes it until another value is written there. A component reads a
dimension where the matrices that it reads with have a row there that is not zero; it then reads whatever lives there. What a
component writes where no named value is, such as what a head of the natural style brings before an MLP reads it, is a place without
a name: it is called by its writer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ..compiler.codes.forms import Form
from ..compiler.ops import Fetch, Total
from ..runtime.model import Model, Probe
from ..runtime.module import Attention, Mlp
from ..runtime.said import matches
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
    """Components, what they read, and for each place the components that write it.

    `places` are the model's probes, and after them those without a name. `states` say which place lives in each dimension after
    the embedding (0) and after each block, (blocks + 1, d_model); `under` which places each was added on top of.
    """

    model: Model
    components: tuple[Component, ...]
    reads: tuple[Read, ...]
    writers: tuple[tuple[str, ...], ...]
    places: tuple[Probe, ...]
    states: tuple[tuple[int | None, ...], ...]
    under: tuple[tuple[int, ...], ...]

    def sources(self, place: int) -> list[str]:
        """The components that a place's numbers come from: those that write it, and those of what lay there and was not taken off."""
        found = dict.fromkeys(self.writers[place])
        for below in self.under[place]:
            found.update(dict.fromkeys(self.sources(below)))
        return list(found)

    def named(self, place: int) -> bool:
        """Whether a place holds a named value."""
        return place < len(self.model.probes)

    def component(self, name: str) -> Component:
        """The component of that name."""
        return next(c for c in self.components if c.name == name)

    def label(self, block: int, head: int) -> str:
        """What a head matches, and the lookup's or total's own name: `strict latest: token = token`."""
        nodes = self.lookups(block, head)
        return "; ".join(f"{self.model.optimised.nodes[n].name}: {matches(self.model.optimised, n)}" for n in nodes)

    def lookups(self, block: int, head: int) -> list[int]:
        """The nodes of the lookup or of the totals that a head computes: one, or none where it writes no value."""
        graph, nodes = self.model.optimised, dict[int, None]()
        for probe in self._made_of([p for c in self.components if (c.kind, c.block, c.head) == ("head", block, head) for p in c.writes]):
            node = graph.nodes[probe.value] if isinstance(probe.value, int) else None
            if node is None:
                continue
            if isinstance(node.op, Fetch):
                nodes[node.args[0]] = None
            elif isinstance(node.op, Total):
                nodes[int(probe.value)] = None
            else:  # a sum of totals, which several heads add to one cell
                nodes.update((a, None) for a in node.args if isinstance(graph.nodes[a].op, Total))
        return sorted(nodes)

    def _made_of(self, places: list[int]) -> list[Probe]:
        """The named values among places, and those that places without a name are read for."""
        found: dict[int, None] = {}
        seen, stack = set[int](), list(places)
        while stack:
            place = stack.pop(0)
            if place in seen:
                continue
            seen.add(place)
            if self.named(place):
                found[place] = None
            else:
                stack += [r.into for r in self.reads if r.probe == place and r.into is not None and r.path == "mlp"]
        return [self.places[p] for p in found]


def wiring_of(model: Model) -> Wiring:
    """Read the wiring off a model's tensors and probes."""
    return _Reader(model).wiring()


def _rows(matrix: Reals) -> tuple[int, ...]:
    """The rows of a matrix that are not zero."""
    return tuple(int(i) for i in np.flatnonzero(matrix.any(axis=tuple(range(1, matrix.ndim)))))


class _Reader:
    def __init__(self, model: Model) -> None:
        self.model, self.probes = model, list(model.probes)
        self.tensors: dict[str, Reals] = {n: t.detach().cpu().double().numpy() for n, t in model.module.state_dict().items()}
        self.blocks = len(model.module.blocks)
        self.states: list[list[int | None]] = []
        self.under: dict[int, set[int]] = {}
        self.taken_off: set[int] = set()  # the dimensions that the block under way clears
        self.components: list[Component] = []
        self.reads: list[Read] = []
        self.writers: list[list[str]] = [[] for _ in self.probes]

    def wiring(self) -> Wiring:
        self._embedding("token", "embed", self.tensors["W_E"])
        self._embedding("position", "pos_embed", self.tensors["W_pos"])
        self._settle([None] * self.model.module.shape.d_model, 0)
        for b, block in enumerate(self.model.module.blocks):
            if isinstance(block, Attention):
                for h in range(len(block.masks)):
                    self._head(b, h)
            elif isinstance(block, Mlp):
                self._mlp(b)
            self._settle(self.states[-1], b + 1)
        self.components.append(Component("unembed", "unembed", self.blocks))
        self._read("unembed", "logits", self.blocks, _rows(self.tensors["W_U"]), None)
        return Wiring(
            self.model,
            tuple(self.components),
            tuple(self.reads),
            tuple(tuple(w) for w in self.writers),
            tuple(self.probes),
            tuple(map(tuple, self.states)),
            tuple(tuple(sorted(self.under.get(p, ()))) for p in range(len(self.probes))),
        )

    def _settle(self, before: list[int | None], block: int) -> None:
        """Which place lives where after a block, 0 for the embedding: what is written now, else what was there."""
        now = [None if d in self.taken_off else p for d, p in enumerate(before)]
        for p, probe in enumerate(self.probes):
            if probe.block == block:
                below = {q for d in probe.dims if (q := now[d]) is not None and self.probes[q].block < block}
                self.under.setdefault(p, set()).update(below)
        for p, probe in enumerate(self.probes):
            if probe.block == block:
                for d in probe.dims:
                    now[d] = p
        self.states.append(now)
        self.taken_off = set()

    def _nameless(self, writer: str, block: int, dims: Iterable[int]) -> list[int]:
        """A new place, without a name, for what a component of a block writes where no named value is written; none for no dimensions."""
        rest = tuple(sorted(set(dims) - {d for p in self._born(block) if p < len(self.model.probes) for d in self.probes[p].dims}))
        if not rest:
            return []
        self.probes.append(Probe(writer, "one", Form("digits", 0, 1), rest, block + 1))
        self.writers.append([])
        return [len(self.probes) - 1]

    def _born(self, block: int) -> list[int]:
        """The probes written by a block, counted from 0; by the embedding for -1."""
        return [p for p, probe in enumerate(self.probes) if probe.block == block + 1]

    def _add(self, component: Component) -> None:
        self.components.append(component)
        for p in component.writes:
            self.writers[p].append(component.name)

    def _embedding(self, kind: Literal["token", "position"], name: str, table: Reals) -> None:
        written = set(_rows(table.T))
        mine = [p for p in self._born(-1) if written & set(self.probes[p].dims)]
        self._add(Component(name, kind, -1, writes=(*mine, *self._nameless(name, -1, written))))

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
        for p in [*self._born(b), *self._nameless(name, b, _rows(w_o.T))]:
            columns = w_o[:, list(self.probes[p].dims)].any(axis=1)  # (d_head,)
            if columns.any():
                writes.append(p)
                self._read(name, "v", b, _rows(w_v * columns), p)
        self._add(Component(name, "head", b, h, tuple(writes)))

    def _mlp(self, b: int) -> None:
        w_in, w_out = self.tensors[f"blocks.{b}.W_in"], self.tensors[f"blocks.{b}.W_out"]
        cleared = self._cleared(b, w_in, w_out)
        self.taken_off = {d for _, d in cleared}
        groups: dict[str, list[int]] = {}
        for p in [q for q in self._born(b) if q < len(self.model.probes)]:
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
        name, more = f"blocks.{b}.mlp", w_out.copy()
        for u, d in cleared:
            more[u, d] = 0
        fresh = self._nameless(name, b, _rows(more.T))
        if fresh:
            into = [int(u) for u in np.flatnonzero(more[:, list(self.probes[fresh[0]].dims)].any(axis=1))]
            used |= set(into)
            self._read(name, "mlp", b, _rows(w_in[:, into]), fresh[0])
            self._add(Component(name, "mlp", b, writes=tuple(fresh), units=tuple(into)))
            return
        rest = sorted({u for u, _ in cleared} - used)
        if rest:
            self._add(Component(name, "clear", b, units=tuple(rest)))
            self._read(name, "mlp", b, _rows(w_in[:, rest]), None)

    def _cleared(self, b: int, w_in: Reals, w_out: Reals) -> set[tuple[int, int]]:
        """The (unit, dimension) that do nothing but take off what lives in the dimension: x + Σ out·relu(k·x) = 0 for all that x can be."""
        found: set[tuple[int, int]] = set()
        alone = {u: rows[0] for u in range(w_in.shape[1]) if len(rows := _rows(w_in[:, [u]])) == 1}
        for d in range(w_in.shape[0]):
            probe = self.states[b][d]
            own = [u for u, row in alone.items() if row == d and w_out[u, d]]
            if probe is None or probe >= len(self.model.probes) or not own:
                continue
            signs = (1, -1) if self.probes[probe].form.signed else (1,)
            slopes = [1 + sum(w_out[u, d] * max(0.0, sign * w_in[d, u]) * sign for u in own) for sign in signs]
            if not any(slopes):
                found |= {(u, d) for u in own}
        return found
