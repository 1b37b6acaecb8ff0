"""On what ground a model runs sparsely: a certificate of the tensors as they are now, head by head."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from weakref import WeakKeyDictionary

import torch

from ..certificate.certify import proof
from ..certificate.refused import Refused
from ..compiler.errors import InputError

if TYPE_CHECKING:
    from ..runtime.model import Model
    from ..runtime.module import Transformer

Kind = Literal["pick", "total", "idle"]
UNDERFLOW = {"float64": 746.0, "float32": 104.0, "float16": 104.0, "bfloat16": 104.0}  # nats below which exp is zero


@dataclass(frozen=True, slots=True)
class Shown:
    """A head as the certificate has it: it picks one position, or adds up the keys that score `depth` nats below BOS, or is idle."""

    kind: Kind
    depth: float = 0.0


@dataclass(frozen=True, slots=True)
class Grounds:
    """What is known of a model: its heads by (block, head), blocks counted from 1; or the reason why it runs dense."""

    heads: dict[tuple[int, int], Shown]
    reason: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """A thing that equals itself alone. It is held, so that no later one can take its place in memory, and its id with it."""

    thing: object

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Kept) and self.thing is other.thing

    def __hash__(self) -> int:
        return id(self.thing)


_KNOWN: WeakKeyDictionary[Transformer, tuple[object, Grounds]] = WeakKeyDictionary()
_LOCK = threading.Lock()


def grounds(model: Model) -> Grounds:
    """The heads that a certificate shows, looked for once for these tensors; a tensor that changed since is noticed.

    Where the certificate is refused, or the tensors are not in the model's own dtype, the result says why.
    """
    key = _state(model)
    with _LOCK:
        known = _KNOWN.get(model.module)
    if known is not None and known[0] == key:
        return known[1]
    found = _found(model)
    with _LOCK:
        _KNOWN[model.module] = key, found
    return found


def known(model: Model) -> Grounds | None:
    """The same where it was looked for already, without looking."""
    with _LOCK:
        found = _KNOWN.get(model.module)
    return found[1] if found is not None and found[0] == _state(model) else None


def require(model: Model) -> Grounds:
    """The heads that a certificate shows. Raises InputError with the reason where there is none."""
    found = grounds(model)
    if found.reason:
        raise InputError(f"{model.name} cannot run sparsely: {found.reason}", hint="engine='dense' runs any model")
    return found


def stamp(model: Model) -> bytes:
    """A digest of the tensors as they are now."""
    digest = hashlib.sha256()
    for name, tensor in model.module.state_dict().items():
        flat = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {flat.dtype} {tuple(flat.shape)} ".encode())
        digest.update(memoryview(flat.reshape(-1).view(torch.uint8).numpy()))
    return digest.digest()


def _state(model: Model) -> object:
    """What a certificate is about: the program, its probes and forms by identity, and the tensors by digest."""
    masks = tuple(getattr(block, "masks", ()) for block in model.module.blocks)
    graphs = Kept(model.graph), Kept(model.optimised)
    return model.module.watched, model.dtype, *graphs, model.probes, model.output_forms, masks, stamp(model)


def _found(model: Model) -> Grounds:
    if model.module.watched:
        return Grounds({}, "hooks watch its module, and what is not computed cannot be watched")
    if model.style == "natural":
        return Grounds({}, "its attention is soft, so what a head brings is not one key's value")
    try:
        certificate, _ = proof(model, witness=False)
    except Refused as refused:
        return Grounds({}, f"there is no certificate: {refused.fact}")
    heads: dict[tuple[int, int], Shown] = {}
    for head in certificate.heads:
        heads[head.block, head.head] = Shown("total", head.depth) if head.depth else Shown("pick")
    for number, block in enumerate(model.module.blocks, 1):
        for head in range(len(getattr(block, "masks", ()))):
            heads.setdefault((number, head), Shown("idle"))
    return Grounds(heads)
