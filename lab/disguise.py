"""The same function in another basis, so that nobody reads the mechanism off the layout; and the key that undoes it.

Every step is exact in floating point, bit for bit up to signs and powers of two, which commute with rounding:

- four dimensions of the stream at a time are rotated by a Hadamard matrix over 2, where sums are shown to stay exact (`rotation.py`);
- dimensions of the stream are permuted, their signs flipped, and they are scaled by powers of two (writers by 2^k, readers by 2^-k);
- heads and hidden units are permuted; a hidden unit is scaled by a power of two before ReLU and back after it;
- W_Q becomes W_Q·A and W_K becomes W_K·A^-T, W_V·B and B^-1·W_O, with A and B signed permutations times powers of two;
- heads and hidden units are added that read what is there and write into dimensions of their own, which nothing else reads.

Without a rotation every number of the disguised model that reaches the logits is one of the original's, times ±2^k: sums are those of
the original in another order, and the certificate holds for any order. Compact sums are exact, so the logits are the same bit for bit;
natural ones round, and there the margin proof says that outputs are the same, as it allows any order and rounding relative to the products.
With a rotation, which compact models alone have, what the rotated stream holds is another number, and every query, key, value, hidden unit
and logit that is read off it is the original's, as the sums are exact.

`restore` undoes the key, checks that what was added cannot reach the logits, and gives a model that is certified as the original was.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from operator import index
from pathlib import Path
from typing import cast

import numpy as np
import torch

from ..certificate.certify import Certificate, certify
from ..certificate.margins import MarginCertificate
from ..compiler.calls import public
from ..compiler.errors import CheckpointError, InputError
from ..runtime.files import json_bytes
from ..runtime.model import TORCH, HeadRecord, Model, Probe, assemble, require_model, require_own_dtype
from ..runtime.module import AttentionShape, MlpShape, Shape
from ..runtime.place import write
from ..runtime.serial import Json, Reader, form_json, is_int, read_form
from .intervene import Array
from .rotation import GROUP, exact_groups, rotated

FORMAT = "headwork-key"
MOST_SHIFT = 3  # powers of two from 2^-3 to 2^3


@dataclass(frozen=True, slots=True)
class Gauge:
    """A signed permutation times powers of two: new index i holds old index `of[i]`, times sign·2^shift; -1 is what was added."""

    of: tuple[int, ...]
    sign: tuple[int, ...]
    shift: tuple[int, ...]

    @property
    def factor(self) -> Array:
        """sign·2^shift. Shape (new,)."""
        return np.array(self.sign) * np.exp2(np.array(self.shift, np.float64))

    def kept(self) -> list[int]:
        """The new index of each old one, in the old order."""
        return [i for _, i in sorted((old, i) for i, old in enumerate(self.of) if old >= 0)]


@dataclass(frozen=True)
class Key:
    """What undoes a disguise: the gauge of the stream, of each block's heads or units, of each head's queries and values; and the places.

    `heads[b]` and `units[b]` belong to block b, `qk[b]` and `vo[b]` have a gauge for each of its old heads.
    """

    stream: Gauge
    heads: dict[int, Gauge]
    units: dict[int, Gauge]
    qk: dict[int, tuple[Gauge, ...]]
    vo: dict[int, tuple[Gauge, ...]]
    probes: tuple[Probe, ...]
    records: tuple[HeadRecord, ...]
    rotations: tuple[tuple[int, ...], ...] = ()

    def text(self) -> bytes:
        """The key as a JSON file."""
        content: dict[str, Json] = {
            "format": FORMAT,
            "stream": _gauge_json(self.stream),
            "heads": {str(b): _gauge_json(g) for b, g in self.heads.items()},
            "units": {str(b): _gauge_json(g) for b, g in self.units.items()},
            "qk": {str(b): [_gauge_json(g) for g in gs] for b, gs in self.qk.items()},
            "vo": {str(b): [_gauge_json(g) for g in gs] for b, gs in self.vo.items()},
            "probes": [
                {"name": p.name, "value": p.value, "form": form_json(p.form), "dims": list(p.dims), "block": p.block} for p in self.probes
            ],
            "records": [
                {"block": r.block, "name": r.name, "does": r.does, "code": r.code, "inequality": r.inequality, "steps": r.steps}
                for r in self.records
            ],
            **({"rotations": [list[Json](group) for group in self.rotations]} if self.rotations else {}),
        }
        return json_bytes(content)

    def save(self, path: str | Path) -> Path:
        """Write the key as a new file. Raises InputError where it cannot be written."""
        try:
            write(Path(path), self.text())
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror}", hint="choose another place") from error
        return Path(path).absolute()

    @classmethod
    def load(cls, path: str | Path) -> Key:
        """Read a key. Raises CheckpointError for a file that is none."""
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise CheckpointError(f"{path} cannot be read: {error}", hint="give the file that Key.save wrote") from error
        reader = Reader(content, Path(path).name)
        reader.str("format", (FORMAT,))
        reader.only("format", "stream", "heads", "units", "qk", "vo", "probes", "records", *({"rotations"} & reader.data.keys()))
        places = [
            Probe(r.str("name"), r.value("value"), read_form(r.object("form")), r.ints("dims"), r.int("block", 0))  # pyright: ignore[reportArgumentType]
            for r in reader.objects("probes")
        ]
        records = [
            HeadRecord(r.int("block", 1), *(r.str(f) for f in ("name", "does", "code", "inequality")), steps=r.int("steps", 0))
            for r in reader.objects("records")
        ]

        def one(field: str) -> dict[int, Gauge]:
            inner = reader.object(field)
            return {int(b): _gauge(inner.object(b)) for b in inner.data}

        def many(field: str) -> dict[int, tuple[Gauge, ...]]:
            inner = reader.object(field)
            return {int(b): tuple(_gauge(g) for g in inner.objects(b)) for b in inner.data}

        stream = _gauge(reader.object("stream"))
        rotations = _rotations(reader, sum(old >= 0 for old in stream.of)) if "rotations" in reader.data else ()
        return cls(stream, one("heads"), one("units"), many("qk"), many("vo"), tuple(places), tuple(records), rotations)


@dataclass(frozen=True)
class Disguised:
    """A disguised model, whose values have no known places, and the key that undoes it. `certificate` is the restored model's."""

    model: Model
    key: Key
    certificate: Certificate | MarginCertificate | None


@public
def disguise(model: Model, seed: int, *, heads: int = 1, units: int = 2, rotate: bool = False, prove: bool = True) -> Disguised:
    """The same function in another basis, chosen by `seed`, with `heads` and `units` that change nothing added to each block.

    The disguised model runs, saves and gives the same logits bit for bit, in the natural style up to rounding, and `hw.circuit` finds no
    values in it. With `rotate`, groups of four dimensions are mixed as well, as many as are shown to lose nothing: `key.rotations` says
    which. With `prove` it is restored by its key and certified again, a natural model by margins. Raises InputError for numbers below 0,
    and where nothing can be rotated, as in the natural style, whose sums round; Refused where the certificate is not found, which a
    rotation needs too.
    """
    require_model("disguise()", model)
    require_own_dtype(model)
    model = model.unrolled()  # each round in a basis of its own
    if rotate and model.style != "compact":
        fact = f"{model.name} is in the {model.style} style, whose sums round: no rotation of it is exact"
        raise InputError(fact, hint="leave rotate out, or disguise the compact model")
    if min(heads, units) < 0:
        raise InputError(f"{min(heads, units)} heads or units cannot be added", hint="give at least 0")
    rng = np.random.default_rng(index(seed))
    shape, tensors = model.module.shape, _numbers(model.module.state_dict())
    shift = MOST_SHIFT if model.dtype in ("float32", "float64") else 0
    attention = sum(isinstance(b, AttentionShape) for b in shape.blocks)
    junk = heads * attention + units * (len(shape.blocks) - attention)
    key = _drawn_key(model, rng, junk, heads, units, shift)
    if rotate:
        certify(model)  # that the stream holds what its values' codes say is what the bounds are made of
        key = replace(key, rotations=exact_groups(model, tensors, rng))
        if not key.rotations:
            fact = f"no four dimensions of {model.name} are shown to be rotated exactly"
            raise InputError(fact, hint="leave rotate out")
    found = _applied(shape, rotated(tensors, key.rotations), key, rng)
    blocks = tuple(
        AttentionShape(b.d_head, tuple(b.masks[old] if old >= 0 else b.masks[0] for old in key.heads[i].of))
        if isinstance(b, AttentionShape)
        else MlpShape(len(key.units[i].of))
        for i, b in enumerate(shape.blocks)
    )
    wide = replace(shape, d_model=len(key.stream.of), blocks=blocks)
    real = {name: torch.tensor(array, dtype=TORCH[model.dtype]) for name, array in found.items()}
    made = replace(model, module=assemble(wide, real), probes=(), records=(), compiled=None, natural=None)
    return Disguised(made, key, cast("Certificate | MarginCertificate", certify(restore(made, key))) if prove else None)


@public
def restore(model: Model, key: Key) -> Model:
    """Undo a disguise: the model whose tensors it was made from, with its places. Raises CheckpointError where the key is another's.

    What was added is shown to change nothing: no part that stays reads a dimension that was added.
    """
    require_model("restore()", model)
    shape = model.module.shape
    fits = len(key.stream.of) == shape.d_model and all(
        (i in key.heads and len(key.heads[i].of) == len(b.masks))
        if isinstance(b, AttentionShape)
        else (i in key.units and len(key.units[i].of) == b.d_mlp)
        for i, b in enumerate(shape.blocks)
    )
    if not fits:
        raise CheckpointError("the key does not fit the model", hint="give the key that was made with it")
    tensors, old, d_model = _undone(shape, _numbers(model.module.state_dict()), key)
    tensors = rotated(tensors, key.rotations)
    narrow = replace(shape, d_model=d_model, blocks=old)
    real = {name: torch.tensor(array, dtype=TORCH[model.dtype]) for name, array in tensors.items()}
    return replace(model, module=assemble(narrow, real), probes=key.probes, records=key.records)


def _numbers(state: Mapping[str, torch.Tensor]) -> dict[str, Array]:
    return {name: tensor.detach().cpu().double().numpy() for name, tensor in state.items()}


def _drawn(rng: np.random.Generator, old: int, added: int, shift: int, signs: bool = True) -> Gauge:
    """A random gauge of `old` indices, with some added."""
    order = rng.permutation(old + added)
    of = [int(i) if i < old else -1 for i in order]
    sign = rng.choice((-1, 1), len(of)) if signs else np.ones(len(of), int)
    return Gauge(tuple(of), tuple(map(int, sign)), tuple(map(int, rng.integers(-shift, shift + 1, len(of)))))


def _drawn_key(model: Model, rng: np.random.Generator, junk: int, heads: int, units: int, shift: int) -> Key:
    shape = model.module.shape
    of_heads, of_units, qk, vo = dict[int, Gauge](), dict[int, Gauge](), dict[int, tuple[Gauge, ...]](), dict[int, tuple[Gauge, ...]]()
    stream = _drawn(rng, shape.d_model, junk, shift)
    for i, block in enumerate(shape.blocks):
        if isinstance(block, AttentionShape):
            of_heads[i] = _drawn(rng, len(block.masks), heads, 0, signs=False)
            qk[i] = tuple(_drawn(rng, block.d_head, 0, shift) for _ in block.masks)
            vo[i] = tuple(_drawn(rng, block.d_head, 0, shift) for _ in block.masks)
        else:
            of_units[i] = _drawn(rng, block.d_mlp, units, shift, signs=False)
    return Key(stream, of_heads, of_units, qk, vo, model.probes, model.records)


def _applied(shape: Shape, tensors: dict[str, Array], key: Key, rng: np.random.Generator) -> dict[str, Array]:
    """The disguised tensors."""
    g = key.stream
    kept = np.array([i for i, old in enumerate(g.of) if old >= 0])
    olds, spare = np.array([g.of[i] for i in kept]), [i for i, old in enumerate(g.of) if old < 0]

    def writes(matrix: Array) -> Array:  # (…, d_model) -> (…, wide)
        wide = np.zeros((*matrix.shape[:-1], len(g.of)))
        wide[..., kept] = matrix[..., olds] * g.factor[kept]
        return wide

    def reads(matrix: Array) -> Array:  # (d_model, …) -> (wide, …)
        wide = np.zeros((len(g.of), *matrix.shape[1:]))
        wide[kept] = matrix[olds] / g.factor[kept].reshape(-1, *[1] * (matrix.ndim - 1))
        return wide

    found = {"W_E": writes(tensors["W_E"]), "W_pos": writes(tensors["W_pos"]), "W_U": reads(tensors["W_U"])}

    def some(*size: int) -> Array:
        return rng.choice((-1.0, 0.0, 0.0, 1.0), size)

    for i, block in enumerate(shape.blocks):
        name = f"blocks.{i}."
        if isinstance(block, AttentionShape):
            order, e = key.heads[i], block.d_head
            q, k, v, o = ([] for _ in range(4))
            for old in order.of:
                if old < 0:  # reads what is there, and writes where nobody reads
                    out = np.zeros((e, len(g.of)))
                    out[int(rng.integers(e)), spare.pop()] = 1
                    for part in (q, k, v):
                        part.append(reads(some(shape.d_model, e)))
                    o.append(out)
                    continue
                a, b = key.qk[i][old], key.vo[i][old]
                q.append(reads(tensors[name + "W_Q"][old])[:, list(a.of)] * a.factor)
                k.append(reads(tensors[name + "W_K"][old])[:, list(a.of)] / a.factor)
                v.append(reads(tensors[name + "W_V"][old])[:, list(b.of)] * b.factor)
                o.append(writes(tensors[name + "W_O"][old])[list(b.of)] / b.factor[:, None])
            found |= {name + w: np.stack(part) for w, part in (("W_Q", q), ("W_K", k), ("W_V", v), ("W_O", o))}
            continue
        order = key.units[i]
        w_in, w_out = np.zeros((len(g.of), len(order.of))), np.zeros((len(order.of), len(g.of)))
        for u, old in enumerate(order.of):
            if old < 0:
                w_in[:, u] = reads(some(shape.d_model, 1))[:, 0]
                w_out[u, spare.pop()] = 1
            else:
                w_in[:, u] = reads(tensors[name + "W_in"][:, [old]])[:, 0] * order.factor[u]
                w_out[u] = writes(tensors[name + "W_out"][old]) / order.factor[u]
        found |= {name + "W_in": w_in, name + "W_out": w_out}
    return found


def _undone(shape: Shape, tensors: dict[str, Array], key: Key) -> tuple[dict[str, Array], tuple[AttentionShape | MlpShape, ...], int]:
    """The original's tensors, block shapes and width. Raises CheckpointError where an added dimension is read by what stays."""
    g = key.stream
    back, spare = g.kept(), [i for i, old in enumerate(g.of) if old < 0]
    factor = g.factor[back]

    def written(matrix: Array) -> Array:
        if matrix[..., spare].any():
            raise CheckpointError("a part that stays writes into a dimension that was added", hint="give the key that was made with it")
        return matrix[..., back] / factor

    def read(matrix: Array) -> Array:
        if matrix[spare].any():
            raise CheckpointError("a part that stays reads a dimension that was added", hint="give the key that was made with it")
        return matrix[back] * factor.reshape(-1, *[1] * (matrix.ndim - 1))

    found = {"W_E": written(tensors["W_E"]), "W_pos": written(tensors["W_pos"]), "W_U": read(tensors["W_U"])}
    blocks: list[AttentionShape | MlpShape] = []
    for i, block in enumerate(shape.blocks):
        name = f"blocks.{i}."
        if isinstance(block, AttentionShape):
            new = key.heads[i].kept()
            parts: dict[str, list[Array]] = {"W_Q": [], "W_K": [], "W_V": [], "W_O": []}
            for old, h in enumerate(new):
                a, b = key.qk[i][old], key.vo[i][old]
                ka, kb = a.kept(), b.kept()
                parts["W_Q"].append(read(tensors[name + "W_Q"][h])[:, ka] / a.factor[ka])
                parts["W_K"].append(read(tensors[name + "W_K"][h])[:, ka] * a.factor[ka])
                parts["W_V"].append(read(tensors[name + "W_V"][h])[:, kb] / b.factor[kb])
                parts["W_O"].append(written(tensors[name + "W_O"][h])[kb] * b.factor[kb][:, None])
            found |= {name + w: np.stack(part) for w, part in parts.items()}
            blocks.append(AttentionShape(block.d_head, tuple(block.masks[h] for h in new)))
            continue
        order = key.units[i]
        new = order.kept()
        found[name + "W_in"] = read(tensors[name + "W_in"])[:, new] / order.factor[new]
        found[name + "W_out"] = written(tensors[name + "W_out"][new]) * order.factor[new][:, None]
        blocks.append(MlpShape(len(new)))
    return found, tuple(blocks), len(back)


def _rotations(reader: Reader, d_model: int) -> tuple[tuple[int, ...], ...]:
    """Groups of four dimensions, none of them in two."""
    groups = [tuple(group) if isinstance(group, list) else () for group in reader.list("rotations")]
    dims = [d for group in groups for d in group]
    fits = all(len(group) == GROUP for group in groups) and all(is_int(d) and 0 <= cast(int, d) < d_model for d in dims)
    if not fits or len(set(dims)) < len(dims):
        raise reader.error("rotations", f"is no list of groups of {GROUP} dimensions")
    return cast("tuple[tuple[int, ...], ...]", tuple(groups))


def _gauge_json(gauge: Gauge) -> Json:
    return {"of": list(gauge.of), "sign": list(gauge.sign), "shift": list(gauge.shift)}


def _gauge(reader: Reader) -> Gauge:
    reader.only("of", "sign", "shift")
    gauge = Gauge(reader.ints("of"), reader.ints("sign"), reader.ints("shift"))
    kept = sorted(old for old in gauge.of if old >= 0)
    if not len(gauge.of) == len(gauge.sign) == len(gauge.shift) or kept != list(range(len(kept))) or set(gauge.sign) - {-1, 1}:
        raise reader.error("of", "is no signed permutation")
    if max(map(abs, gauge.shift), default=0) > MOST_SHIFT:
        raise reader.error("shift", f"is beyond {MOST_SHIFT}")
    return gauge
