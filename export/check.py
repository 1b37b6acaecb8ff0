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

from ..compiler.graph import Graph
from ..runtime import cases
from .expected import CERTAIN, NEVER, Expected

BATCH_LOGITS = 1 << 22
PROMPTS, STEPS = 3, 6


@dataclass(slots=True)
class Checked:
    """What the check saw; `ok` means that every word had its probability everywhere, or of a natural model that the right word was ahead.

    `deviation` is the largest of a logit, `error` the largest relative one of a probability that is not 0; of a natural model, of any.
    """

    by: str
    scale: float
    sequences: int = 0
    positions: int = 0
    wrong: int = 0
    deviation: float = 0.0
    error: float = 0.0
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
        text += f", probabilities by {self.error:.1e} of themselves" if self.error > CERTAIN else ""
        text += f"; {self.generations} texts generated" if self.generations else ""
        return text + (f"\n  first difference: {self.first}" if self.first else "")


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
    """Every position of every sequence: each word's probability, and how far any logit is from the exact one."""
    by_length: dict[int, list[list[int]]] = {}
    for row in tried:
        by_length.setdefault(len(row), []).append(list(row))
    for length, same in sorted(by_length.items()):
        step = max(1, BATCH_LOGITS // (length * len(expected.words.words)))
        for start in range(0, len(same), step):
            batch = same[start : start + step]
            with torch.no_grad():
                logits = run(torch.tensor([expected.words.ids(row) for row in batch]))[:, 1:].double().cpu().numpy()
            wanted = [expected.row(row) for row in batch]
            off = np.abs(logits - np.stack([row.logits for row in wanted]))
            report.deviation = max(report.deviation, float(np.where(np.isnan(off), np.inf, off).max()))
            report.sequences += len(batch)
            report.positions += len(batch) * length
            share = np.stack([row.share for row in wanted])
            with np.errstate(invalid="ignore"):  # a damaged file may say NaN or infinity
                found = np.exp(logits - logits.max(axis=-1, keepdims=True))
                found /= found.sum(axis=-1, keepdims=True)
            never = found if expected.soft else np.where(found < NEVER, 0, np.inf)
            error = np.where(share > 0, np.abs(found - share) / np.where(share > 0, share, 1), never)
            error = np.where(np.isnan(error), np.inf, error)
            report.error = max(report.error, float(error.max()))
            wrong = ~_alone(found, share) if expected.soft and expected.own is None else (error > expected.error).any(axis=-1)
            for b, i in np.argwhere(wrong):
                w = int(error[b, i].argmax()) if expected.words.drawn else int(found[b, i].argmax())
                right = w if expected.words.drawn else int(share[b, i].argmax())
                text = " ".join(expected.words.words[t + 1] for t in batch[b][: i + 1][-40:])
                sides = ((found[b, i, w], w), (share[b, i, right], right))
                said, wants = (f"{expected.words.words[word]!r} with {p:.6g}" for p, word in sides)
                report.note(f"{text!r} at position {i + 1}: {said}, the program says {wants}")


def _alone(found: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Where the right word is more probable than every other: all that a natural model promises. Shape (texts, positions)."""
    right = share.argmax(axis=-1, keepdims=True)
    others = found.copy()
    np.put_along_axis(others, right, -np.inf, axis=-1)
    return np.take_along_axis(found, right, axis=-1)[..., 0] > others.max(axis=-1)


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
    for text, prompt in zip(texts, prompts, strict=True):
        given = tokenizer(text, return_tensors="pt")
        if given.input_ids[0].tolist() != expected.words.ids(prompt):
            report.note(f"the tokenizer reads {text!r} as {given.input_ids[0].tolist()}")
            continue
        for cached in (True, False):
            start = given.input_ids.shape[1]
            made = model.generate(**given, max_length=start + steps, do_sample=False, use_cache=cached)[0, start:].tolist()
            _judge(report, expected, prompt, made, steps, f"use_cache={cached}")
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    start = batch.input_ids.shape[1]
    ways: list[tuple[str, dict[str, object]]] = [("left-padded", {"do_sample": False}), *([("drawn", {})] if expected.words.drawn else [])]
    for how, options in ways:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            made = model.generate(**batch, max_length=start + steps, **options)[:, start:].tolist()
        for prompt, said in zip(prompts, made, strict=True):
            _judge(report, expected, prompt, said, steps, how)
    return report


def _judge(report: Checked, expected: Expected, prompt: list[int], said: list[int], steps: int, how: str) -> None:
    report.generations += 1
    words, ends = expected.words, expected.words.ends
    right, wanted = expected.follow(prompt, said, how == "drawn")
    over = right > 0 and said[right - 1] in ends
    if wanted or (not over and len(said) < steps) or any(w != words.pad for w in said[right:]):
        text, shown = (" ".join(words.words[w] for w in row) for row in ([t + 1 for t in prompt], said))
        report.note(f"{text!r} is continued ({how}) as {shown!r}, the program says {wanted or 'nothing'!r} after {right} words")
