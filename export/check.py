"""The check after writing: a checkpoint, loaded from its files by stock classes, against the interpreter."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import torch

from ..compiler.forms import Form
from ..compiler.graph import Graph
from ..runtime import cases
from ..runtime.interpreter import interpret_graph
from .words import Words

BATCH_POSITIONS = 1 << 13
PROMPTS, STEPS = 3, 6


@dataclass(slots=True)
class Checked:
    """What the check saw; `ok` means that no word differed anywhere."""

    by: str
    scale: float
    sequences: int = 0
    positions: int = 0
    wrong: int = 0
    deviation: float = 0.0
    generations: int = 0
    first: str = ""

    @property
    def ok(self) -> bool:
        """Nothing differs, and something was compared."""
        return self.wrong == 0 and self.positions > 0

    def as_dict(self) -> dict[str, object]:
        """The figures as JSON-ready values."""
        return {"ok": self.ok, **asdict(self)}

    def note(self, what: str) -> None:
        """Count a difference."""
        self.wrong += 1
        self.first = self.first or what

    def __str__(self) -> str:
        head = f"{'checked' if self.ok else 'WRONG'} in {self.by}: {self.sequences:,} sequences, {self.positions:,} positions"
        text = f"{head}, {self.wrong:,} wrong, logits off by at most {self.deviation:.1e} of a lead of {self.scale:g}"
        text += f"; {self.generations} texts generated" if self.generations else ""
        return text + (f"\n  first difference: {self.first}" if self.first else "")


@dataclass(frozen=True, slots=True)
class Expected:
    """What a checkpoint must do: the program, its vocabulary, and the form its output is read in."""

    graph: Graph
    words: Words
    form: Form
    scale: float

    def classes(self, ids: Sequence[int]) -> list[int]:
        """The output class at every position, by the interpreter."""
        values = interpret_graph(self.graph, ids)[self.graph.output]
        return [0 if v is None else v - self.form.off for v in values]

    def logits(self, classes: Sequence[int]) -> np.ndarray:
        """The logits of every word, over `scale`: 2·code·code' - |code'|² for an output, -1 for any other. Shape (n, words)."""
        codes = self.form.encode(np.arange(self.form.top + 1)).astype(np.float64)  # (classes, width)
        table = np.full((len(codes), len(self.words.words)), -1.0)
        table[:, list(self.words.classes)] = 2 * codes @ codes.T - (codes**2).sum(axis=1)
        return table[list(classes)] * self.scale

    def continued(self, ids: Sequence[int], steps: int) -> list[int]:
        """The words after a prompt of token ids, one at a time, up to the first that is no symbol."""
        known, said = list(ids), list[int]()
        for _ in range(steps):
            said.append(self.words.classes[self.classes(known)[-1]])
            if said[-1] in self.words.ends:
                break
            known.append(said[-1] - 1)
        return said


class Logits(Protocol):
    """What a stock model returns."""

    logits: torch.Tensor


class Stock(Protocol):
    """What is used of a stock model."""

    def __call__(self, ids: torch.Tensor) -> Logits: ...

    def generate(self, **given: object) -> torch.Tensor: ...


class Runner(Protocol):
    """Word ids to logits. Shapes: (B, n + 1) -> (B, n + 1, words); the first position is <bos>."""

    def __call__(self, ids: torch.Tensor) -> torch.Tensor: ...


def sequences(graph: Graph, samples: int = 16, seed: int = 0) -> list[list[int]]:
    """The sequences to try by default: all up to a small length, then `samples` random and adversarial ones up to N."""
    vocabulary, limit = len(graph.sizes.alphabet), graph.sizes.length
    short = cases.exhaustive(vocabulary, cases.auto_exhaustive(vocabulary, limit))
    return [*short, *cases.sampled(vocabulary, cases.default_lengths(limit), samples, random.Random(seed))]


def compare(run: Runner, expected: Expected, tried: Sequence[Sequence[int]], report: Checked) -> None:
    """Every position of every sequence: the greatest logit's word, and how far any logit is from the exact one."""
    by_length: dict[int, list[list[int]]] = {}
    for row in tried:
        by_length.setdefault(len(row), []).append(list(row))
    for length, same in sorted(by_length.items()):
        step = max(1, BATCH_POSITIONS // length)
        for start in range(0, len(same), step):
            batch = same[start : start + step]
            with torch.no_grad():
                logits = run(torch.tensor([expected.words.ids(row) for row in batch]))[:, 1:].double().cpu().numpy()
            wanted = [expected.classes(row) for row in batch]
            exact = np.stack([expected.logits(classes) for classes in wanted])
            off = np.abs(logits - exact)
            report.deviation = max(report.deviation, float(np.where(np.isnan(off), np.inf, off).max()))
            report.sequences += len(batch)
            report.positions += len(batch) * length
            for b, i in np.argwhere(logits.argmax(-1) != exact.argmax(-1)):
                said, right = (expected.words.words[int(x[b, i].argmax())] for x in (logits, exact))
                text = " ".join(expected.words.words[t + 1] for t in batch[b][: i + 1][-40:])
                report.note(f"{text!r} at position {i + 1}: {said!r}, the program says {right!r}")


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars while small models load."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def check_stock(
    directory: Path, expected: Expected, tried: Sequence[Sequence[int]], *, seed: int = 0, tokenizer_class: str = "AutoTokenizer"
) -> Checked:
    """Load a checkpoint from its files with stock classes and compare it with the interpreter.

    All positions of all sequences of token ids in `tried`; then texts generated from words: with the cache, without it, and
    in one batch with padding on the left.
    """
    import transformers

    report = Checked(f"transformers {transformers.__version__}", expected.scale)
    with _quiet():
        model = cast("Stock", transformers.AutoModelForCausalLM.from_pretrained(directory, dtype="auto").eval())
        tokenizer = getattr(transformers, tokenizer_class).from_pretrained(directory)
    compare(lambda ids: model(ids).logits, expected, tried, report)
    limit = expected.graph.sizes.length
    rng = random.Random(seed)
    sizes = sorted({rng.randint(1, max(1, min(limit - 1, 24))) for _ in range(PROMPTS)})
    prompts = [[rng.randrange(len(expected.graph.sizes.alphabet)) for _ in range(size)] for size in sizes]
    steps = min(STEPS, limit - max(sizes))
    if steps < 1:
        return report
    texts = [" ".join(expected.words.words[t + 1] for t in prompt) for prompt in prompts]
    right = [expected.continued(prompt, steps) for prompt in prompts]
    for text, prompt, words in zip(texts, prompts, right, strict=True):
        given = tokenizer(text, return_tensors="pt")
        if given.input_ids[0].tolist() != expected.words.ids(prompt):
            report.note(f"the tokenizer reads {text!r} as {given.input_ids[0].tolist()}")
            continue
        for cached in (True, False):
            made = model.generate(**given, max_new_tokens=steps, do_sample=False, use_cache=cached)[0, len(prompt) + 1 :].tolist()
            _judge(report, expected, text, made, words, f"use_cache={cached}")
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    made = model.generate(**batch, max_new_tokens=steps, do_sample=False)[:, batch.input_ids.shape[1] :].tolist()
    for text, said, words in zip(texts, made, right, strict=True):
        _judge(report, expected, text, said, words, "left-padded")
    return report


def _judge(report: Checked, expected: Expected, text: str, said: list[int], right: list[int], how: str) -> None:
    report.generations += 1
    known = said[: len(right)]
    if known != right or any(w != expected.words.pad for w in said[len(right) :]):
        shown, wanted = (" ".join(expected.words.words[w] for w in row) for row in (said, right))
        report.note(f"{text!r} is continued ({how}) as {shown!r}, the program says {wanted!r}")
