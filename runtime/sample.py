"""Sampling: a model that counts, symbol by symbol, is a distribution; tokens are drawn from it, here or by samplers of logits."""

from __future__ import annotations

import bisect
import itertools
import random
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..compiler.calls import public
from ..compiler.codes.forms import Form
from ..compiler.domain import Symbol
from ..compiler.errors import InputError
from ..compiler.graph import Graph
from .classes import classes
from .generate import LONG
from .model import Model, require_model
from .module import Transformer
from .tokens import in_order


@public
def sample(model: Model, prompt: Sequence[Symbol], steps: int, seed: int = 0) -> list[Symbol]:
    """What follows a prompt, at most `steps` symbols, each drawn with probability count / Σ counts at the end of the text so far.

    Probabilities are exact: an integer below Σ counts is drawn, by `random.Random(seed)`. The text ends where all counts
    are 0, or when it is N long. Raises InputError for a model that does not return a count for each symbol, in the order of
    its alphabet, for one that is bidirectional, an empty prompt, an unknown symbol, and steps below 0.
    """
    _require_counts("sample()", model)
    prompt = in_order(prompt)
    if not model.graph.sizes.causal:
        raise InputError(f"{model.name} is bidirectional: its earlier answers change as the text grows", hint="compile it causal")
    if not isinstance(steps, int) or steps < 0 or not prompt:  # pyright: ignore[reportUnnecessaryIsInstance]
        hint = "give at least one token, and steps of at least 0"
        raise InputError(f"cannot draw {steps!r} symbols after {len(prompt)} tokens", hint=hint)
    rng, symbols = random.Random(seed), model.alphabet.symbols
    session = model.session("auto" if steps >= LONG else "dense")
    said: list[Symbol] = []
    answers = session.feed(prompt)
    while len(said) < steps and len(session) < model.length:
        counts = [count or 0 for count in answers[-1]]  # pyright: ignore[reportOptionalIterable, reportGeneralTypeIssues, reportUnknownVariableType]
        if not any(counts):
            break
        said.append(symbols[draw(counts, rng)])  # pyright: ignore[reportUnknownArgumentType]
        answers = session.feed(said[-1:])
    return said


def draw(counts: Sequence[int], rng: random.Random) -> int:
    """An index with probability exactly counts[index] / Σ counts: the one whose share of 0..Σ counts - 1 a drawn integer falls into."""
    ends = list(itertools.accumulate(counts))
    return bisect.bisect_right(ends, rng.randrange(ends[-1]))


class LogCounts(nn.Module):
    """A model that counts as a language model: logits are the natural logarithms of its counts, -inf for 0."""

    offsets: Tensor

    def __init__(self, inner: Transformer, forms: Sequence[Form]) -> None:
        super().__init__()
        self.inner, self.forms = inner, forms
        self.register_buffer("offsets", torch.tensor([form.off for form in forms]))

    def forward(self, ids: Tensor) -> Tensor:
        """Logits in nats, V being the number of symbols. Shapes: token ids (B, n) -> (B, n, V), n <= length."""
        blocks = self.inner.split(self.inner(ids))
        said = torch.stack([classes(*pair) for pair in zip(self.forms, blocks, strict=True)], dim=-1)  # (B, n, V)
        counts = torch.where(said > 0, said + self.offsets, 0)  # class 0 is ⊥, which counts as 0
        return counts.to(blocks[0].dtype).log()


@public
def log_counts(model: Model) -> LogCounts:
    """The model with logits log(count) for each symbol, so that ordinary samplers see its distribution: softmax gives count / Σ counts.

    It computes in the model's dtype, to within rounding; gradients do not pass. Where all counts are 0 every logit is -inf and
    softmax is not defined. Raises InputError for a model that does not return a count for each symbol.
    """
    _require_counts("log_counts()", model)
    return LogCounts(model.module, model.output_forms)


def is_distribution(graph: Graph) -> bool:
    """Whether a program returns one integer that is never negative for each symbol of its alphabet, and has no guard."""
    domains = [graph.nodes[output].domain for output in graph.outputs]
    counts = all(domain.kind == "int" and domain.lo >= 0 for domain in domains)
    return counts and not graph.single and graph.guard is None and len(domains) == len(graph.sizes.alphabet)


def _require_counts(what: str, model: Model) -> None:
    require_model(what, model)
    if not is_distribution(model.graph):
        size = len(model.alphabet)
        found = f"{model.graph.nodes[model.graph.outputs[0]].domain}" if len(model.output_forms) == 1 else model.graph.gives()
        wanted = "an integer of at least 0 for each symbol of its alphabet"
        hint = f"return {size} counts, for example hw.visible(token).counts(token); generate() takes programs that answer with a symbol"
        raise InputError(f"{model.name} gives {found}, not {wanted}", hint=hint)
