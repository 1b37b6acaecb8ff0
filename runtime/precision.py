"""Full precision while a model multiplies, whatever torch's switches say.

torch keeps the switches that shorten float32 products (TF32, bfloat16 through oneDNN) for the whole process, in an older and a newer
form. So the calls that run at one time share one guard: the first keeps the switches and sets them to full precision, the last puts
them back. A call during which somebody else changed them raises, so no result of shortened products is returned.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Protocol, cast

import torch

from ..compiler.errors import InputError

FULL = ("ieee", "none")  # "none" is torch's default, which is IEEE float32 for products


class Switch(Protocol):
    """Where torch says how products of float32 are computed on a device."""

    fp32_precision: str


def _switches() -> list[Switch]:
    """The switches of the newer form, of GPUs and of oneDNN on the CPU; none where torch is older than they are."""
    found = [getattr(torch.backends.cuda, "matmul", None), getattr(torch.backends.mkldnn, "matmul", None)]
    return [cast("Switch", s) for s in found if s is not None and hasattr(s, "fp32_precision")]


def _legacy() -> str | None:
    """The switch of the older form; None where torch refuses to say, because the newer form is in use."""
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:
        return None


def is_full() -> bool:
    """Whether products of float32 are computed in float32 now."""
    switches = _switches()  # which the older form sets too, where there are any
    return all(s.fp32_precision in FULL for s in switches) if switches else _legacy() == "highest"


class _Guard:
    """How many calls are under way, and what the switches said before the first."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.calls = 0
        self.kept: tuple[str | None, list[str]] | None = None

    def enter(self) -> None:
        with self.lock:
            if self.calls == 0 and not is_full():
                self.kept = (_legacy(), [s.fp32_precision for s in _switches()])
                if self.kept[0] is not None:
                    torch.set_float32_matmul_precision("highest")
                for switch in _switches():
                    if switch.fp32_precision not in FULL:
                        switch.fp32_precision = "ieee"
            self.calls += 1

    def leave(self) -> bool:
        """Whether precision was full to the end; the last call puts the switches back, unless somebody set them meanwhile."""
        with self.lock:
            full = is_full()
            self.calls -= 1
            if self.calls == 0 and self.kept is not None:
                legacy, values = self.kept
                self.kept = None
                if full:
                    self._restore(legacy, values)
            return full

    @staticmethod
    def _restore(legacy: str | None, values: list[str]) -> None:
        if legacy is not None:
            torch.set_float32_matmul_precision(legacy)
        for switch, value in zip(_switches(), values, strict=True):
            if switch.fp32_precision != value:
                switch.fp32_precision = "none"  # what it inherits, where that is what it had
                if switch.fp32_precision != value:
                    switch.fp32_precision = value


_guard = _Guard()


@contextmanager
def full_precision(device: str) -> Iterator[None]:
    """Keep products in the module's own precision: TF32, bfloat16 shortcuts and autocast would break exactness.

    Raises InputError where another thread shortened products meanwhile.
    """
    _guard.enter()
    full = False
    try:
        with torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else nullcontext():
            yield
    finally:
        full = _guard.leave()
    if not full:
        fact = "torch's precision of float32 products was changed while a model ran, so its result is not exact"
        raise InputError(fact, hint="set it before or after; another thread did this")
