"""Faults in a compiled model: one weight, several weights, slices swapped, claims moved, or weights and claims together."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch

import headwork as hw


@dataclass(frozen=True, slots=True)
class Fault:
    """New contents for some tensors, new claims, and what was done, in words."""

    what: str
    tensors: dict[str, torch.Tensor]
    probes: tuple[hw.runtime.model.Probe, ...] | None = None


@contextmanager
def applied(model: hw.Model, fault: Fault) -> Iterator[hw.Model]:
    """The model with the fault, for a while."""
    parameters = dict(model.module.named_parameters())
    old = {name: parameters[name].data for name in fault.tensors}
    for name, tensor in fault.tensors.items():
        parameters[name].data = tensor
    try:
        yield model if fault.probes is None else replace(model, probes=fault.probes)
    finally:
        for name, tensor in old.items():
            parameters[name].data = tensor


def _weights(model: hw.Model) -> dict[str, torch.Tensor]:
    return {name: p.data for name, p in model.module.named_parameters() if p.numel()}


def _choose(model: hw.Model, rng: random.Random) -> str:
    """A tensor, large ones more often."""
    weights = _weights(model)
    return rng.choices(list(weights), [1 + t.numel() // 20 for t in weights.values()])[0]


def single(model: hw.Model, rng: random.Random) -> Fault:
    """A weight zeroed, negated, doubled, halved or moved by one step of its tensor's grid; sometimes a zero that is set."""
    while True:
        name = _choose(model, rng)
        tensor = _weights(model)[name].clone()
        index = tuple(rng.randrange(n) for n in tensor.shape)
        old = tensor[index].item()
        if old == 0 and rng.random() < 0.8:
            continue
        step = float(tensor.abs()[tensor != 0].min()) if tensor.any() else 1.0
        changes = {"zero": 0.0, "negate": -old, "double": 2 * old, "halve": old / 2, "step up": old + step, "step down": old - step}
        kind = rng.choice(list(changes))
        if changes[kind] != old:
            tensor[index] = changes[kind]
            return Fault(f"{name}{list(index)} {kind}", {name: tensor})


def pair(model: hw.Model, rng: random.Random) -> Fault:
    """Two single faults at once."""
    while True:
        a, b = single(model, rng), single(model, rng)
        if a.tensors.keys() != b.tensors.keys():
            return Fault(f"{a.what}, {b.what}", {**a.tensors, **b.tensors})


def swap(model: hw.Model, rng: random.Random) -> Fault:
    """Two rows, columns or heads of one tensor swapped."""
    while True:
        name = _choose(model, rng)
        tensor = _weights(model)[name]
        axis = rng.randrange(tensor.dim())
        a, b = rng.randrange(tensor.shape[axis]), rng.randrange(tensor.shape[axis])
        order = list(range(tensor.shape[axis]))
        order[a], order[b] = order[b], order[a]
        swapped = tensor.index_select(axis, torch.tensor(order))
        if not torch.equal(swapped, tensor):
            return Fault(f"{name} axis {axis}: {a} and {b} swapped", {name: swapped})


def relabel(model: hw.Model, rng: random.Random) -> Fault:
    """Two dimensions of the stream swapped in one tensor and in the claims: consistent in part only, or harmless."""
    name = _choose(model, rng)
    tensor, d_model = _weights(model)[name], model.module.W_E.shape[1]
    a, b = rng.randrange(d_model), rng.randrange(d_model)
    order = list(range(d_model))
    order[a], order[b] = order[b], order[a]
    axis = {"W_U": 0, "W_O": 2, "W_Q": 1, "W_K": 1, "W_V": 1, "W_in": 0}.get(name.split(".")[-1], 1)
    move = {a: b, b: a}
    block = rng.randrange(len(model.module.blocks) + 1)
    probes = tuple(replace(p, dims=tuple(move.get(d, d) for d in p.dims)) if p.block == block else p for p in model.probes)
    return Fault(f"{name} and block {block}: dimensions {a} and {b}", {name: tensor.index_select(axis, torch.tensor(order))}, probes)


def reclaim(model: hw.Model, rng: random.Random) -> Fault:
    """A claim moved to another block, dimension or value, and a weight changed beside it."""
    probes, which = list(model.probes), rng.randrange(len(model.probes))
    probe, other = probes[which], rng.choice(model.probes)
    changes: dict[str, object] = rng.choice(
        [{"block": other.block}, {"value": other.value}, {"dims": other.dims}, {"form": other.form}, {"dims": probe.dims[::-1]}]
    )
    probes[which] = replace(probe, **changes)  # type: ignore[arg-type]
    fault = single(model, rng) if rng.random() < 0.5 else Fault("no weight", {})
    return Fault(f"{probe.name}: {', '.join(changes)} of {other.name}; {fault.what}", fault.tensors, tuple(probes))


KINDS: dict[str, Callable[[hw.Model, random.Random], Fault]] = {
    "one weight": single,
    "two weights": pair,
    "slices swapped": swap,
    "dimensions swapped": relabel,
    "claims moved": reclaim,
}


def verdict(model: hw.Model, fault: Fault) -> str:
    """`refused`, or of an accepted one whether every value of every input is right: `equal` or `wrong`."""
    with applied(model, fault) as changed:
        try:
            hw.certify(changed, witness=False)
        except hw.Refused:
            return "refused"
        return "equal" if hw.check(changed, exhaustive=changed.length, samples=0).ok else "wrong"
