"""What travels with the tensors is not trusted: here it is shown to be well formed, so that the rules can verify what it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..compiler.forms import LOG_BITS, Form
from ..runtime.module import Attention
from .exact import Reals, Refused
from .ranges import LARGEST

if TYPE_CHECKING:
    from ..runtime.model import Model, Probe

MAX_PARTS = 53
KINDS = ("digits", "norm", "flag", "floor", "signs", "onehot", "fill", "log")


def claims(model: Model) -> dict[int, list[Probe]]:
    """The claims of each block (0 is the embedding), none of them malformed, no dimension claimed twice by a block."""
    d_model, blocks, nodes = model.module.W_E.shape[1], len(model.module.blocks), len(model.optimised.nodes)
    found: dict[int, list[Probe]] = {block: [] for block in range(blocks + 1)}
    taken: set[tuple[int, int]] = set()
    for probe in model.probes:
        if probe.block not in found:
            raise Refused(f"{probe.name} is said to be written by block {probe.block} of {blocks}")
        if isinstance(probe.value, int) and not 0 <= probe.value < nodes:
            raise Refused(f"{probe.name} is said to be node {probe.value} of {nodes}")
        _check_form(probe.form, f"value {probe.name}", len(probe.dims))
        if any(not 0 <= d < d_model for d in probe.dims):
            raise Refused(f"{probe.name} claims the dimensions {probe.dims} of {d_model}")
        places = {(probe.block, d) for d in probe.dims}
        if len(places) < len(probe.dims) or places & taken:
            raise Refused(f"a dimension of {probe.name} is claimed twice")
        taken |= places
        found[probe.block].append(probe)
    return found


def _check_form(form: Form, what: str, width: int | None) -> None:
    """A form whose codes are numbers below 2**53, of the width that is claimed."""
    small = abs(form.off) <= LARGEST and 1 <= form.top <= LARGEST
    small = small and 1 <= form.parts <= {"floor": LARGEST, "log": LOG_BITS}.get(form.kind, MAX_PARTS)
    small = small and (form.radix == 0 or (form.kind == "digits" and form.parts == 2 and 2 <= form.radix <= form.top))
    if not small or form.kind not in KINDS:
        raise Refused(f"{what} is in a form that is none: {form.kind}, off {form.off}, top {form.top}, parts {form.parts}")
    if width is None:
        return
    if form.width != width:
        raise Refused(f"{what} claims {width} dimensions where its form has {form.width}")
    if max(abs(end) for span in form.intervals() for end in span) > LARGEST:
        raise Refused(f"{what} is in a form with numbers beyond 2**53")


def check_shapes(model: Model, tensors: Mapping[str, Reals]) -> None:
    """The tensors have the sizes of the program, and as many classes as the outputs' forms."""
    sizes, d = model.graph.sizes, tensors["W_E"].shape[1]
    titles = model.graph.titles()
    if len(model.output_forms) != len(titles):
        raise Refused(f"there are {len(model.output_forms)} forms for {', '.join(titles)}")
    for what, form in zip(titles, model.output_forms, strict=True):
        _check_form(form, what, None)
    classes = tuple(form.classes for form in model.output_forms)
    if model.module.shape.classes != classes:  # what runs the model splits the logits so
        raise Refused(f"the logits are split into {model.module.shape.classes} where the outputs' forms have {classes} classes")
    wanted = {"W_E": (len(sizes.alphabet) + 1, d), "W_pos": (sizes.length + 1, d), "W_U": (d, sum(classes))}
    for number, block in enumerate(model.module.blocks):
        names = ("W_Q", "W_K", "W_V", "W_O") if isinstance(block, Attention) else ("W_in", "W_out")
        shapes = [tensors[f"blocks.{number}.{name}"].shape for name in names]
        if isinstance(block, Attention):
            heads, e = len(block.masks), shapes[0][-1]
            fit = [(heads, d, e)] * 3 + [(heads, e, d)]
        else:
            fit = [(d, shapes[0][1]), (shapes[0][1], d)]
        wanted |= {f"blocks.{number}.{name}": shape for name, shape in zip(names, fit, strict=True)}
    for name, shape in wanted.items():
        if tensors[name].shape != shape:
            what = "one for each class of the outputs' forms" if name == "W_U" else "the program's sizes"
            raise Refused(f"{name} has shape {tensors[name].shape}, which is not {shape}: {what}")
