"""The tasks: each in plain Python, with random sequences. Imports nothing outside Python, because every system's environment runs it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Symbol = int | str
Tokens = Sequence[Symbol]
Answers = list[Symbol | bool | None]

HOPS = 4
NUMBERS = (1, 2, 3, 4)
BRACKETS = ("(", ")")


@dataclass(frozen=True, slots=True)
class Task:
    """A function from a sequence to an answer at every position, None where there is none.

    `reference(tokens, causal)`: a causal system answers about the sequence so far, any other about the whole of it.
    `sample(rng, length)` draws a sequence. `causal` says whether a causal system can answer at all.
    """

    name: str
    what: str
    symbols: tuple[Symbol, ...]
    reference: Callable[[Tokens, bool], Answers]
    sample: Callable[[random.Random, int], list[Symbol]]
    causal: bool = True


def hops(tokens: Tokens, k: int) -> Answers:
    """The token k induction pointers back; a pointer leads to the position after the latest earlier occurrence."""
    pointer: list[int | None] = []
    last: dict[Symbol, int] = {}
    for i, token in enumerate(tokens):
        pointer.append(last.get(token))
        last[token] = i + 1
    out: Answers = []
    for start in range(len(tokens)):
        at: int | None = start
        for _ in range(k):
            at = None if at is None else pointer[at]
        out.append(None if at is None else tokens[at])
    return out


def histogram(tokens: Tokens, causal: bool) -> Answers:
    """How often this token occurs."""
    if not causal:
        count = Counter(tokens)
        return [count[token] for token in tokens]
    seen: Counter[Symbol] = Counter()
    out: Answers = []
    for token in tokens:
        seen[token] += 1
        out.append(seen[token])
    return out


def dyck1(tokens: Tokens, causal: bool) -> Answers:
    """Whether the brackets are balanced."""
    depth, broken, out = 0, False, []
    for token in tokens:
        depth += 1 if token == "(" else -1
        broken |= depth < 0
        out.append(depth == 0 and not broken)
    return out if causal else [out[-1]] * len(out)


def numbers(rng: random.Random, length: int) -> list[Symbol]:
    """Random numbers."""
    return rng.choices(NUMBERS, k=length)


def brackets(rng: random.Random, length: int) -> list[Symbol]:
    """A balanced word; in about every second draw brackets change places until it is not balanced. The length must be even."""
    word: list[Symbol] = []
    depth = 0
    while len(word) < length:
        opens = depth == 0 or (depth < length - len(word) and rng.random() < 0.5)
        depth += 1 if opens else -1
        word.append("(" if opens else ")")
    broken = rng.random() < 0.5
    while broken and dyck1(word, causal=False)[-1]:
        i, j = rng.sample(range(length), 2)
        word[i], word[j] = word[j], word[i]
    return word


TASKS = {
    task.name: task
    for task in (
        Task("previous", "the previous token", NUMBERS, lambda x, _: [None, *x[:-1]], numbers),
        Task("induction", "the token after the latest earlier occurrence of this one", NUMBERS, lambda x, _: hops(x, 1), numbers),
        Task("khop", f"that pointer followed {HOPS} times", NUMBERS, lambda x, _: hops(x, HOPS), numbers),
        Task("histogram", "how often this token occurs", NUMBERS, histogram, numbers),
        Task("reverse", "the sequence reversed", NUMBERS, lambda x, _: list(reversed(x)), numbers, causal=False),
        Task("sort", "the sequence in ascending order", NUMBERS, lambda x, _: sorted(x), numbers, causal=False),
        Task("dyck1", "whether the brackets are balanced", BRACKETS, dyck1, brackets),
    )
}
