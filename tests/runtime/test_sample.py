"""Distributions as outputs: n-gram counts, exact draws from them, and their logarithms as logits."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

import pytest
import torch

import headwork as hw
from headwork.compiler.plan.stage import Tally
from headwork.runtime.sample import draw

LETTERS = "abc"


def following(tokens: Sequence[str], n: int, symbols: Sequence[str]) -> list[int]:
    """How often each symbol stood behind an occurrence of the last n - 1 tokens, by looking at every place."""
    context = list(tokens[len(tokens) - n + 1 :]) if n > 1 else []
    counts = Counter(tokens[i] for i in range(n - 1, len(tokens)) if list(tokens[i - n + 1 : i]) == context) if len(tokens) >= n - 1 else {}
    return [counts.get(symbol, 0) for symbol in symbols]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_counts_are_those_of_plain_python_and_certified(n: int) -> None:
    model = hw.compile(hw.programs.get("ngram_counts", n=n), length=6, alphabet=LETTERS)
    rows = [list(row) for k in range(1, 7) for row in itertools.product(LETTERS, repeat=k)]
    for row, said in zip(rows, model.run(rows), strict=True):
        assert said == [tuple(following(row[:i], n, LETTERS)) for i in range(1, len(row) + 1)]
    assert hw.check(model, exhaustive=4).ok
    assert "the 3 outputs of ngram_counts" in hw.certify(model).statement


@pytest.mark.parametrize(("n", "symbols"), [(1, 4), (2, 4), (2, 9), (3, 4), (4, 3)])
def test_all_counts_take_one_head_and_a_cell_a_symbol(n: int, symbols: int) -> None:
    model = hw.compile(hw.programs.get("ngram_counts", n=n), length=64, alphabet=symbols)
    assert model.compiled is not None
    totals = [feature for feature in model.compiled.plan.features if isinstance(feature.recipe, Tally)]
    assert len(totals) == symbols and len({h for t in totals if isinstance(t.recipe, Tally) for h, _, _ in t.recipe.parts}) == 1
    assert sum(feature.form.width for feature in totals) == symbols
    assert model.cost.heads == ((n - 1, 1) if n > 1 else (1,))


def test_a_text_is_the_one_that_plain_python_draws() -> None:
    """The same integers below the same sums: the whole text agrees, step by step, for every seed."""
    for n, seed in itertools.product((1, 2, 3), range(6)):
        model = hw.compile(hw.programs.get("ngram_counts", n=n), length=40, alphabet=LETTERS)
        text, rng = list("abcabbacaab"), random.Random(seed)
        prompt = list(text)
        for _ in range(20):
            counts = following(text, n, LETTERS)
            if not sum(counts):
                break
            drawn = rng.randrange(sum(counts))
            text.append("".join(symbol * count for symbol, count in zip(LETTERS, counts, strict=True))[drawn])
        assert hw.sample(model, prompt, 20, seed=seed) == text[len(prompt) :]


def test_draws_have_the_exact_probabilities() -> None:
    """10,000 draws of each of two distributions: every frequency within 5 standard deviations, and nothing of count 0."""
    rng, draws = random.Random(7), 10_000
    for counts in ([3, 0, 1, 4], [1, 997, 2]):
        found = Counter(draw(counts, rng) for _ in range(draws))
        for index, count in enumerate(counts):
            p = count / sum(counts)
            assert abs(found[index] - draws * p) <= 5 * math.sqrt(draws * p * (1 - p)), (counts, index)


@pytest.mark.parametrize("counts", [(1,), (2, 0, 3), (0, 0, 5, 1)])
def test_every_integer_draws_its_symbol(counts: tuple[int, ...]) -> None:
    """Of the Σ counts integers that can be drawn, exactly count of them give each index."""

    class Fixed(random.Random):
        value = 0

        def randrange(self, *args: int) -> int:  # type: ignore[override]
            assert args == (sum(counts),)
            return self.value

    rng, found = Fixed(), Counter[int]()
    for rng.value in range(sum(counts)):
        found[draw(counts, rng)] += 1
    assert [found[i] for i in range(len(counts))] == list(counts)


@pytest.mark.parametrize(("dtype", "places"), [("float32", 22), ("float64", 50)])
def test_softmax_of_the_log_counts_is_the_ratio_of_counts(dtype: str, places: int) -> None:
    model = hw.compile(hw.programs.get("ngram_counts", n=2), length=48, alphabet=LETTERS, dtype=dtype)
    rng = random.Random(3)
    text = [rng.choice("aabc") for _ in range(48)]
    logits = hw.log_counts(model)(torch.tensor([["abc".index(t) for t in text]]))
    assert logits.shape == (1, 48, 3) and logits.dtype == getattr(torch, dtype)
    seen = 0
    for i in range(1, 49):
        counts = following(text[:i], 2, LETTERS)
        assert [x == -math.inf for x in logits[0, i - 1].tolist()] == [c == 0 for c in counts]
        for p, count in zip(logits[0, i - 1].softmax(-1).tolist(), counts, strict=True):
            if sum(counts):
                exact = Fraction(count, sum(counts))
                assert abs(Fraction(p) - exact) <= Fraction(8, 2**places) * exact
                seen += count > 1
            else:
                assert math.isnan(p)
    assert seen > 40


def test_a_top_k_sampler_takes_the_logits() -> None:
    """What torch draws with a temperature of 1 and the two most frequent symbols kept is one of the two."""
    model = hw.compile(hw.programs.get("ngram_counts", n=1), length=16, alphabet=LETTERS)
    logits = hw.log_counts(model)(torch.tensor([[0, 0, 0, 1, 1, 2]]))[0, -1]
    kept = logits.topk(2)
    drawn = kept.indices[kept.values.softmax(-1).multinomial(500, replacement=True, generator=torch.Generator().manual_seed(0))]
    share = (drawn == 0).double().mean().item()
    assert set(drawn.tolist()) == {0, 1} and abs(share - 3 / 5) <= 5 * math.sqrt(0.24 / 500)


def test_sampling_ends_where_nothing_was_counted_at_the_length_and_at_the_steps() -> None:
    model = hw.compile(hw.programs.get("ngram_counts", n=2), length=8, alphabet=LETTERS)
    assert hw.sample(model, ["a"], 5) == []
    assert hw.sample(model, list("aba"), 0) == []
    assert hw.sample(model, list("aba"), 3) == ["b", "a", "b"]
    assert hw.sample(model, list("aba"), 30) == list("babab")
    assert hw.sample(model, list("aab"), 4) == []


@pytest.mark.parametrize(
    ("model", "prompt", "steps", "text"),
    [
        (
            "token",
            ["a"],
            1,
            "previous(by=1) gives a token (2 values) or none, not an integer of at least 0 for each symbol of its alphabet",
        ),
        ("few", ["a"], 1, "few gives an integer (0..4), not an integer of at least 0"),
        ("negative", ["a"], 1, "negative gives 2 values, not an integer of at least 0"),
        ("bools", ["a"], 1, "return 2 counts, for example hw.visible(token).counts(token)"),
        ("both", ["a"], 1, "both is bidirectional: its earlier answers change as the text grows"),
        ("counts", [], 1, "cannot draw 1 symbols after 0 tokens\n    hint: give at least one token"),
        ("counts", ["a"], -1, "cannot draw -1 symbols"),
        ("counts", ["z"], 1, "token 1 is 'z', which is not in the alphabet"),
    ],
)
def test_what_cannot_be_sampled_is_refused(model: str, prompt: list[str], steps: int, text: str) -> None:
    def of(token: hw.Value) -> Sequence[hw.Value]:
        return hw.visible(token).counts(token)

    made = {
        "token": hw.programs.get("previous"),
        "few": hw.program(name="few")(lambda token: of(token)[:1]),
        "negative": hw.program(name="negative")(lambda token: [count - 1 for count in of(token)]),
        "bools": hw.program(name="bools")(lambda token: [count > 0 for count in of(token)]),
        "both": hw.program(name="both", causal=False)(of),
        "counts": hw.programs.get("ngram_counts"),
    }
    compiled = hw.compile(made[model], length=4, alphabet="ab")
    with pytest.raises(hw.InputError) as caught:
        hw.sample(compiled, prompt, steps)
    assert text in str(caught.value)
    if model in ("token", "few", "negative", "bools"):
        with pytest.raises(hw.InputError, match="not an integer of at least 0"):
            hw.log_counts(compiled)
