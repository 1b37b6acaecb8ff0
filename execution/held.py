"""The tensors that a session was begun with: whether they are still there, and still hold the same numbers.

A session keeps queries, keys and sums that older tensors made, so it goes on with those tensors or not at all. Torch counts what changes a
tensor in place, and exchanged tensors are others; that is looked at before every call. A change that torch does not count (of an
array that shares the memory) shows in the digest, which takes time linear in the model and is looked at where a session is judged or kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from ..compiler.errors import InputError
from .grounds import stamp

if TYPE_CHECKING:
    from ..runtime.model import Model


class Held:
    """A model's tensors as they are now."""

    def __init__(self, model: Model) -> None:
        self.model, self.stamp = model, stamp(model)
        self._modules = list(model.module.modules())
        self._blocks = self._shape()
        self._tensors = [
            (owner, name, tensor, tensor.detach(), tensor._version)  # what is detached keeps the memory, so that its address stays its own
            for owner in self._modules
            for name, tensor in owner._parameters.items()
            if tensor is not None
        ]

    def require(self, numbers: bool = False) -> None:
        """Raise InputError where a tensor has changed, or a hook was put on the module; `numbers` looks at the digest, too."""
        model = self.model
        same = all(_same(*known) for known in self._tensors) and self._shape() == self._blocks
        if not same or (numbers and stamp(model) != self.stamp):
            raise InputError(f"the tensors of {model.name} have changed since the session began", hint="begin another with model.session()")
        if any(part._forward_hooks or part._forward_pre_hooks for part in self._modules):
            require_unwatched(model)

    def _shape(self) -> list[tuple[nn.Module, object]]:
        return [(block, getattr(block, "masks", ())) for block in self.model.module.blocks]


def _same(owner: nn.Module, name: str, tensor: Tensor, memory: Tensor, version: int) -> bool:
    there = owner._parameters.get(name) is tensor and tensor._version == version
    return there and tensor.data_ptr() == memory.data_ptr() and tensor.dtype == memory.dtype


def require_unwatched(model: Model) -> None:
    """Raise InputError while hooks watch a model's module."""
    if model.module.watched:
        raise InputError(f"hooks watch the module of {model.name}, which a session passes by", hint="use run(), or remove them")
