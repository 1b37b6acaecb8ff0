"""Hook points under the names of the field: modules that change nothing, so that what passes through them can be seen and replaced.

A point is an ordinary submodule: `register_forward_hook`, nnsight and the two functions here all work on it. A hook on
`hook_pattern` or `hook_attn_scores` makes its layer compute attention in the open, where the fused kernel never shows its weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeAlias

from torch import Tensor, nn

from ..compiler.calls import close
from ..compiler.errors import InputError

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

Names: TypeAlias = "str | Iterable[str] | Callable[[str], bool] | None"


class Hook(Protocol):
    """What is done at a point: it may return what takes the activation's place."""

    def __call__(self, activation: Tensor, /, *, hook: HookPoint) -> Tensor | None:
        """See an activation at a hook point."""
        ...


ATTENTION = ("hook_q", "hook_k", "hook_v", "hook_attn_scores", "hook_pattern", "hook_z", "hook_result")
MLP = ("hook_pre", "hook_post")


class HookPoint(nn.Module):
    """The identity, under a name. Its forward hooks see what passes, and what they return takes its place."""

    def __init__(self) -> None:
        super().__init__()
        self.name = ""

    def forward(self, x: Tensor) -> Tensor:
        return x

    @property
    def watched(self) -> bool:
        """Whether somebody looks at it."""
        return bool(self._forward_hooks or self._forward_pre_hooks or self._backward_hooks)


class Points(nn.Module):
    """The hook points inside a block: of attention hook_q, hook_k, hook_v, hook_z (B, n, n_heads, d_head), hook_attn_scores and
    hook_pattern (B, n_heads, n, n), hook_result (B, n, n_heads, d_model); of an MLP hook_pre and hook_post (B, n, d_mlp).
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        for name in names:
            self.add_module(name, HookPoint())

    def point(self, name: str) -> HookPoint:
        """The point of that name."""
        found = self._modules[name]
        assert isinstance(found, HookPoint)
        return found


def hook_points(module: nn.Module) -> dict[str, HookPoint]:
    """Every hook point by its name, such as `blocks.0.attn.hook_pattern`."""
    return {name: point for name, point in module.named_modules() if isinstance(point, HookPoint)}


def chosen(module: nn.Module, names: Names) -> dict[str, HookPoint]:
    """The points that a name, names, or a function of the name choose; all for None. Raises InputError for a name that is none."""
    points = hook_points(module)
    if names is None:
        return points
    if callable(names):
        return {name: point for name, point in points.items() if names(name)}
    wanted = [names] if isinstance(names, str) else list(names)
    for name in wanted:
        if name not in points:
            meant = close(name, points)
            raise InputError(
                f"there is no hook point {name!r}", hint=f"did you mean {meant}?" if meant else f"points are {', '.join(points)}"
            )
    return {name: points[name] for name in wanted}


@contextmanager
def hooked(module: nn.Module, hooks: Sequence[tuple[Names, Hook]]) -> Iterator[None]:
    """Hooks while the block runs: each a name, names or a function of the name, and what to do there, called as
    `hook(activation, hook=point)`.

    A hook that returns a tensor puts it in the place of the activation. Raises InputError for a name that is no point.
    """
    handles: list[RemovableHandle] = []
    try:
        for names, hook in hooks:
            for point in chosen(module, names).values():
                handles.append(point.register_forward_hook(_forward(hook)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _forward(hook: Hook) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor | None]:
    """A forward hook of torch that calls one of ours."""

    def call(point: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        assert isinstance(point, HookPoint)
        return hook(output, hook=point)

    return call
