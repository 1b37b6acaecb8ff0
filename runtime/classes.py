"""From logits to the value they say."""

from __future__ import annotations

import torch
from torch import Tensor

from ..compiler.codes.forms import Form


def classes(form: Form, logits: Tensor) -> Tensor:
    """The class that logits say: the greatest one's, or of a logarithm the nearest value's. Shapes: (..., form.classes) -> (...)."""
    if form.kind != "log":
        return logits.argmax(-1)
    own = torch.from_numpy(form.logits()).double()
    return torch.bucketize(logits[..., 0].double().contiguous(), ((own[1:] + own[:-1]) / 2).to(logits.device)) + 1
