"""Forms: the ways a domain is written as numbers in the residual stream, from one scalar to one-hot.

A value v of a domain that starts at lo is first shifted to z = v - off >= 1; ⊥ is the zero vector in every
form. What BOS carries is therefore zero everywhere, "reading through BOS" yields ⊥ without any machinery,
and a head whose winner is BOS writes nothing.

| form      | width           | code of z                        | self score S | gap g to any other code |
|-----------|-----------------|----------------------------------|--------------|-------------------------|
| digits(r) | r (1 = scalar)  | z in base b, least digit first   | 0            | 1  (score -(x - y)²)    |
| norm(r)   | 1               | Σ digit²                         |              |                         |
| flag      | 1               | 1                                |              |                         |
| floor(s)  | 1               | floor(z / s)                     |              |                         |
| signs     | n = bits of top | ±1 per bit                       | n            | 2                       |
| onehot    | top             | e_z                              | 1            | 1                       |
| fill      | 1               | top                              |              |                         |
| log(k)    | 2               | round(2^k·ln v), v >= 1          |              |                         |

The log of v = z + off is what a language model says of a count: its second dimension is 1 where v >= 1.

Source: theory of exact lookups (position codes from one-hot to circle), arXiv 2402.09268 for m = O(1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ..domain import Domain

Ints: TypeAlias = npt.NDArray[np.int64]
LOG_BITS = 24  # of a log: with more, rounding 2**k·ln v would depend on the last bit of ln


@dataclass(frozen=True, slots=True)
class Form:
    """How values are written: kind, the shift `off`, the largest shifted value `top`, and the digits r (of log the bits k).

    Digits have the least base that does, or `radix`: few high digits are a short staircase.
    """

    kind: Literal["digits", "norm", "flag", "floor", "signs", "onehot", "fill", "log"]
    off: int
    top: int
    parts: int = 1
    radix: int = 0

    @property
    def base(self) -> int:
        """The base b of the digits; without a radix the least in which `top` has at most `parts` of them: b**parts > top."""
        if self.radix:
            return self.radix
        b = max(2, int(self.top ** (1 / self.parts)) - 1)
        while b**self.parts <= self.top:
            b += 1
        return b

    @property
    def width(self) -> int:
        """Dimensions of the residual stream it takes."""
        match self.kind:
            case "digits":
                return self.parts
            case "norm" | "flag" | "floor" | "fill":
                return 1
            case "signs":
                return max(1, self.top.bit_length())
            case "onehot":
                return self.top
            case "log":
                return 2

    @property
    def classes(self) -> int:
        """Logits of an output in this form: one a value and one for ⊥, or the logarithm itself."""
        return 1 if self.kind == "log" else self.top + 1

    def logits(self) -> Ints:
        """The logit of every value in the form of a log, without ⊥. Shape (top,)."""
        return self.encode(np.arange(1, self.top + 1)) @ np.array([1, self.lead])

    @property
    def lead(self) -> int:
        """What the logit of a log has for v >= 1 beside the logarithm: 256 nats in units of 2**-k."""
        return 1 << (self.parts + 8)

    def intervals(self) -> tuple[tuple[int, int], ...]:
        """The least and greatest number each dimension can hold."""
        match self.kind:
            case "digits":
                b = self.base
                return tuple((0, min(b - 1, self.top // b**d)) for d in range(self.parts))
            case "norm":
                return ((0, sum(hi * hi for _, hi in self._digits().intervals())),)
            case "floor":
                return ((0, self.top // self.parts),)
            case "fill":
                return ((0, self.top),)
            case "signs":
                return ((-1, 1),) * self.width
            case "onehot" | "flag":
                return ((0, 1),) * self.width
            case "log":
                return ((0, int(self.encode(np.array([self.top]))[0, 0])), (0, 1))

    def _digits(self) -> Form:
        return Form("digits", self.off, self.top, self.parts, self.radix)

    def encode(self, z: Ints) -> Ints:
        """Codes of shifted values. Shapes: z (n,) -> (n, width). Values outside 1..top become ⊥, the zero vector."""
        z = np.where((z >= 1) & (z <= self.top), z, 0)
        match self.kind:
            case "digits":
                return np.stack([z // self.base**d % self.base for d in range(self.parts)], axis=1)
            case "norm":
                return (self._digits().encode(z) ** 2).sum(axis=1, keepdims=True)
            case "flag":
                return (z[:, None] > 0).astype(np.int64)
            case "floor":
                return (z // self.parts)[:, None]
            case "fill":
                return np.where(z > 0, self.top, 0)[:, None]
            case "signs":
                bits = z[:, None] >> np.arange(self.width) & 1
                return np.where(z[:, None] > 0, 2 * bits - 1, 0)
            case "onehot":
                return (z[:, None] == np.arange(1, self.top + 1)).astype(np.int64)
            case "log":
                v = np.where(z > 0, np.maximum(z + self.off, 0), 0)
                return np.stack([np.rint(np.log(np.maximum(v, 1)) * 2**self.parts).astype(np.int64), np.minimum(v, 1)], axis=1)

    def also(self, kind: Literal["norm", "flag"]) -> Form:
        """The form that accompanies this one: the sum of squared digits, or presence."""
        return Form(kind, self.off, self.top, *((self.parts, self.radix) if kind == "norm" else ()))

    def code(self, value: int | None) -> tuple[int, ...]:
        """The code of one value (None is ⊥)."""
        z = 0 if value is None else value - self.off
        return tuple(int(c) for c in self.encode(np.array([z]))[0])

    @property
    def tells(self) -> bool:
        """Whether different values have different codes, so that a code says which value it is."""
        match self.kind:
            case "digits" | "signs" | "onehot" | "log":
                return True
            case "norm" | "floor":
                return self.parts == 1
            case "flag" | "fill":
                return self.top == 1

    def decode(self, codes: npt.NDArray[np.floating]) -> Ints:
        """The shifted values that numbers say, by the nearest code; 0 is ⊥, and -1 what is no value's code. Shapes: (n, width) -> (n,).

        Each number must be less than 1/2 from the code's. Of values that the form does not tell apart, the least.
        """
        near = np.rint(np.where(np.isfinite(codes), codes, -1))
        match self.kind:
            case "digits":
                z = near @ np.array([float(self.base**d) for d in range(self.parts)])
            case "norm":
                z = np.rint(np.sqrt(np.maximum(near[:, 0], 0)))
                if self.parts > 1:
                    squares = self.encode(np.arange(self.top + 1))[:, 0]
                    z = np.where(np.isin(near[:, 0], squares), np.argmax(squares == near[:, :1], axis=1), -1)
            case "flag":
                z = near[:, 0]
            case "floor":
                z = near[:, 0] * self.parts
            case "fill":
                z = near[:, 0] / self.top
            case "signs":
                z = (near > 0) @ (2.0 ** np.arange(self.width))
            case "onehot":
                z = (near > 0) @ np.arange(1.0, self.top + 1)
            case "log":
                v = np.where(near[:, 1] > 0, np.rint(np.exp(np.minimum(near[:, 0] / 2**self.parts, 64))), 0)
                z = np.where(near[:, 1] > 0, v - self.off, max(0, -self.off))  # a count of 0 and ⊥ look alike, and counts are never ⊥
        inside = np.where((z >= 0) & (z <= self.top) & (z == np.rint(z)), z, 0).astype(np.int64)
        off = np.abs(codes - self.encode(inside)).max(axis=1)
        return np.where((inside == z) & (off < 0.5), inside, -1)  # off is NaN for what is no number

    @property
    def signed(self) -> bool:
        """Whether a dimension may hold a negative number (clearing it then takes two hidden units)."""
        return self.kind == "signs"

    def __str__(self) -> str:
        match self.kind:
            case "digits":
                return "scalar" if self.parts == 1 else f"digits({self.parts}, base {self.base})"
            case "norm":
                return f"norm({self.parts})"
            case "flag":
                return "flag"
            case "floor":
                return f"floor({self.parts})"
            case "fill":
                return f"fill({self.top})"
            case "signs":
                return f"signs({self.width})"
            case "onehot":
                return f"onehot({self.width})"
            case "log":
                return f"log({self.parts})"


def offset(domain: Domain) -> int:
    """The natural shift of a domain: none where all values are positive already, else lo becomes 1."""
    return 0 if domain.lo >= 1 else domain.lo - 1


def scalar(domain: Domain) -> Form:
    """The natural scalar form of a domain: local computation reads and writes it."""
    return Form("digits", offset(domain), max(1, domain.hi - offset(domain)))
