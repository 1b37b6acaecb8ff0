"""What a checkpoint must say, by the interpreter: logits and probabilities at every position, and how texts go on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from ..compiler.codes.forms import Form
from ..compiler.graph import Graph
from ..runtime.interpreter import Column, interpret_graph
from .words import Words

# The probability that a word which is never said may have, 128 nats behind; the relative error where one word is certain.
NEVER, CERTAIN = 1e-30, 1e-9
# Changed weights are any numbers, and their sums round: logits of up to 10^3 nats, off by 10^-5 of themselves, move a probability so much.
ROUNDED = 1e-2

Own: TypeAlias = Callable[[Sequence[int]], np.ndarray]  # n token ids -> logits (n, words)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a checkpoint must say at every position of a text: exact logits, and each word's probability. Shapes (n, words)."""

    logits: np.ndarray
    share: np.ndarray


@dataclass(frozen=True, slots=True)
class Expected:
    """What a checkpoint must do: the program, its vocabulary, the forms its outputs are read in, and the least lead of a word.

    With `own`, which gives the logits of a module whose weights were changed, it must do what that module does instead. Natural
    logits are no exact numbers: what they are is `soft`, the module's own, and which of them is right is the interpreter's word.
    """

    graph: Graph
    words: Words
    forms: tuple[Form, ...]
    scale: float
    own: Own | None = None
    soft: Own | None = None

    @property
    def error(self) -> float:
        """The relative error that a probability may have: each logarithm is rounded by 2**-(k + 1) at most."""
        if self.own is not None:
            return ROUNDED
        return math.expm1(2.0 ** -self.forms[0].parts) if self.words.drawn else CERTAIN

    def row(self, ids: Sequence[int]) -> Wanted:
        """What is wanted on a sequence of token ids, by the interpreter, or by the module itself."""
        if self.own is not None:
            logits = self.own(ids)
            share = np.exp(logits - logits.max(axis=-1, keepdims=True))
            return Wanted(logits, share / share.sum(axis=-1, keepdims=True))
        values = interpret_graph(self.graph, ids)
        if self.words.drawn:
            return self._drawn(values)
        return self._said(values) if self.soft is None else Wanted(self.soft(ids), self._share(values))

    def _said(self, values: list[Column]) -> Wanted:
        """One word: 2·code·code' - |code'|² for an output, -1 for any other word, over `scale`."""
        codes, squares = _codes(self.forms[0])
        classes = self._classes(values)
        logits = np.full((len(classes), len(self.words.words)), -1.0)
        logits[:, list(self.words.classes)] = 2 * codes[classes] @ codes.T - squares
        return Wanted(logits * self.scale, self._share(values))

    def _classes(self, values: list[Column]) -> np.ndarray:
        return np.array([0 if v is None else v - self.forms[0].off for v in values[self.graph.output]])

    def _share(self, values: list[Column]) -> np.ndarray:
        """All on the right word. Shape (n, words)."""
        classes = self._classes(values)
        share = np.zeros((len(classes), len(self.words.words)))
        share[np.arange(len(classes)), np.array(self.words.classes)[classes]] = 1
        return share

    def _drawn(self, values: list[Column]) -> Wanted:
        """Counts: 256 + ln(count), rounded to k bits, and 0 for a count of 0; ⊥, at 128, is left where all are 0."""
        counts = np.array([[v or 0 for v in values[output]] for output in self.graph.outputs], np.float64).T  # (n, symbols)
        logits, share = np.zeros((2, len(counts), len(self.words.words)))
        unit = 2.0 ** self.forms[0].parts
        symbols = list(self.words.classes)
        logits[:, symbols] = np.where(counts > 0, 2 * self.scale + np.rint(np.log(np.maximum(counts, 1)) * unit) / unit, 0)
        logits[:, 0], total = self.scale, counts.sum(axis=1, keepdims=True)
        share[:, symbols], share[:, 0] = counts / np.maximum(total, 1), (total == 0)[:, 0]
        return Wanted(logits, share)

    def follow(self, ids: Sequence[int], said: Sequence[int], drawn: bool = False) -> tuple[int, str]:
        """How many words behind a prompt of token ids are right, up to the first that is no symbol, and the right one if one is wrong.

        A word is right if none is more probable, or if it was drawn, if it can be.
        """
        known = list(ids)
        for n, word in enumerate(said):
            share = self.row(known).share[-1]
            if share[word] < (NEVER if drawn else share.max()):
                return n, self.words.words[int(share.argmax())]
            if word in self.words.ends:
                return n + 1, ""
            known.append(word - 1)
        return len(said), ""


@lru_cache(maxsize=4)
def _codes(form: Form) -> tuple[np.ndarray, np.ndarray]:
    """The code of every class and its square. Shapes (classes, width), (classes,)."""
    codes = form.encode(np.arange(form.top + 1)).astype(np.float64)
    return codes, (codes**2).sum(axis=1)
