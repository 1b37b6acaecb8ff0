"""A distribution as a program's output: n-gram counts of a text, sampled exactly, and as logits for any sampler."""

from __future__ import annotations

from collections import Counter

import torch

import headwork as hw

TEXT = "the cat saw the dog and the dog saw the bird and the cat saw the cat".split()
WORDS = sorted(set(TEXT))


def main() -> None:
    """Count what follows the last word of a text, draw from it, and give the same distribution to a sampler of logits."""
    model = hw.compile(hw.programs.get("ngram_counts", n=2), length=64, alphabet=WORDS)
    print(f"{model.cost.attention_layers} layers, heads {model.cost.heads}, d_model {model.cost.d_model}")

    counts = model.run([*TEXT, "the"])[-1]
    print("after 'the':", dict(zip(WORDS, counts, strict=True)))

    firsts = Counter(hw.sample(model, [*TEXT, "the"], 1, seed=seed)[0] for seed in range(300))
    print("300 draws:  ", {word: firsts[word] for word in WORDS})
    print("a text:     ", *hw.sample(model, TEXT, 12, seed=1))

    logits = hw.log_counts(model)(torch.tensor([[WORDS.index(word) for word in [*TEXT, "the"]]]))[0, -1]
    print("softmax:    ", {word: round(p, 3) for word, p in zip(WORDS, logits.softmax(-1).tolist(), strict=True)})
    print("cooler, 1/2:", {word: round(p, 3) for word, p in zip(WORDS, (logits / 0.5).softmax(-1).tolist(), strict=True)})
    print(hw.certify(model).statement)


if __name__ == "__main__":
    main()
