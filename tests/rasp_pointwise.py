"""Programs of a user's collection, position by position: functions of tokens, of places, and of both. No attention.

Each is a name, an operation, a vocabulary, the longest sequence, and whether it is causal.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, NamedTuple

from headwork import rasp
from headwork.rasp import Map, SequenceMap, indices, tokens


class Item(NamedTuple):
    """A program of the collection."""

    name: str
    program: rasp.SOp
    vocabulary: tuple[Any, ...]
    length: int
    causal: bool = True


DIGITS = tuple(range(10))
SMALL = tuple(range(8))
SIGNED = tuple(range(-4, 5))
REALS = (-1.5, -0.25, 0.0, 0.1, 0.3, 2.5, 1e-3)
LETTERS = tuple("abcde")
WORDS = ("a", "an", "the", "tree", "apple", "banana", "kayak", "noon", "sky", "")
CODE = ("J", "LB", "Jackson", "(", ")", "x", "+", "<eos>")
TRUTHS = (True, False)
MIXED = (1, "1", 2.5, "b", False)
VOWELS = frozenset("aeiou")


def prime(n: int) -> bool:
    """Whether a number is prime."""
    return n > 1 and all(n % d for d in range(2, math.isqrt(n) + 1))


def fibonacci(n: int) -> int:
    """The n-th Fibonacci number."""
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


def roman(n: int) -> str:
    """A digit in Roman numerals."""
    return ("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX")[n]


def collatz(n: int) -> int:
    """How many steps to 1."""
    steps = 0
    while n > 1:
        n, steps = n // 2 if n % 2 == 0 else 3 * n + 1, steps + 1
    return steps


def fizzbuzz(n: int) -> object:
    """The counting game."""
    return "fizzbuzz" if n % 15 == 0 else "fizz" if n % 3 == 0 else "buzz" if n % 5 == 0 else n


def caesar(by: int) -> rasp.SOp:
    """Letters so many places on."""
    return Map(lambda c: chr((ord(c) - 97 + by) % 5 + 97), tokens)


OF_TOKENS = [
    Item("squares", Map(lambda x: x * x, tokens), DIGITS, 10),
    Item("cubes", Map(lambda x: x**3, tokens), SIGNED, 10),
    Item("powers_of_ten", Map(lambda x: 10**x, tokens), SMALL, 10),
    Item("tenths_of_powers", Map(lambda x: 10**-x, tokens), SMALL, 10),
    Item("factorials", Map(math.factorial, tokens), DIGITS, 10),
    Item("fibonacci", Map(fibonacci, tokens), DIGITS, 10),
    Item("triangular", Map(lambda x: x * (x + 1) / 2, tokens), DIGITS, 10),
    Item("polynomial", Map(lambda x: 3 * x * x - 5 * x + 2, tokens), SIGNED, 10),
    Item("absolute", Map(abs, tokens), SIGNED, 10),
    Item("negated", Map(lambda x: -x, tokens), SIGNED, 10),
    Item("sign", Map(lambda x: (x > 0) - (x < 0), tokens), SIGNED, 10),
    Item("relu", Map(lambda x: max(0, x), tokens), REALS, 10),
    Item("leaky", Map(lambda x: x if x > 0 else 0.01 * x, tokens), SIGNED, 10),
    Item("sigmoid", Map(lambda x: 1 / (1 + math.exp(-x)), tokens), SIGNED, 10),
    Item("tanh", Map(math.tanh, tokens), REALS, 10),
    Item("sine", Map(math.sin, tokens), DIGITS, 10),
    Item("cosine_rounded", Map(lambda x: round(math.cos(x), 3), tokens), DIGITS, 10),
    Item("root", Map(math.sqrt, tokens), DIGITS, 10),
    Item("logarithm", Map(lambda x: math.log(x + 1), tokens), DIGITS, 10),
    Item("logarithm_or_none", Map(lambda x: math.log(x) if x > 0 else None, tokens), SIGNED, 10),
    Item("exponential", Map(math.exp, tokens), REALS, 10),
    Item("reciprocal", Map(lambda x: 1 / x if x else 0, tokens), SIGNED, 10),
    Item("reciprocal_undefined", Map(lambda x: 1 / x, tokens), SIGNED, 10),
    Item("halved", Map(lambda x: x / 2, tokens), DIGITS, 10),
    Item("celsius", Map(lambda x: x * 9 / 5 + 32, tokens), SIGNED, 10),
    Item("rounded", Map(round, tokens), REALS, 10),
    Item("floors", Map(math.floor, tokens), REALS, 10),
    Item("clipped", Map(lambda x: min(max(x, 2), 6), tokens), DIGITS, 10),
    Item("stepped", Map(lambda x: 0 if x < 3 else 1 if x < 7 else 2, tokens), DIGITS, 10),
    Item("scaled", Map(lambda x: x / 9, tokens), DIGITS, 10),
    Item("remainder", Map(lambda x: x % 3, tokens), DIGITS, 10),
    Item("even", Map(lambda x: x % 2 == 0, tokens), DIGITS, 10),
    Item("prime", Map(prime, tokens), DIGITS, 10),
    Item("collatz", Map(collatz, tokens), DIGITS, 10),
    Item("fizzbuzz", Map(fizzbuzz, tokens), DIGITS, 10),
    Item("binary", Map(lambda x: format(x, "b"), tokens), DIGITS, 10),
    Item("roman", Map(roman, tokens), DIGITS, 10),
    Item("ones_in_binary", Map(lambda x: x.bit_count(), tokens), DIGITS, 10),
    Item("complement", Map(lambda x: 9 - x, tokens), DIGITS, 10),
    Item("length_of_word", Map(len, tokens), WORDS, 10),
    Item("upper", Map(str.upper, tokens), WORDS, 10),
    Item("first_letter", Map(lambda w: w[0] if w else None, tokens), WORDS, 10),
    Item("backwards", Map(lambda w: w[::-1], tokens), WORDS, 10),
    Item("palindromes", Map(lambda w: w == w[::-1], tokens), WORDS, 10),
    Item("vowels_in_word", Map(lambda w: sum(c in VOWELS for c in w), tokens), WORDS, 10),
    Item("share_of_vowels", Map(lambda w: sum(c in VOWELS for c in w) / len(w), tokens), WORDS, 10),
    Item("starts_with_vowel", Map(lambda w: w[:1] in VOWELS if w else False, tokens), WORDS, 10),
    Item("plural", Map(lambda w: w + "s" if w else w, tokens), WORDS, 10),
    Item("pairs_of_letters", Map(lambda w: tuple(pairwise(w)), tokens), WORDS, 10),
    Item("masked", Map(lambda w: "*" * len(w), tokens), WORDS, 10),
    Item("caesar", caesar(2), LETTERS, 10),
    Item("mirror_letter", Map(lambda c: chr(ord("a") + ord("e") - ord(c)), tokens), LETTERS, 10),
    Item("code_points", Map(ord, tokens), LETTERS, 10),
    Item("swapped_names", Map(lambda w: {"J": "Jackson", "Jackson": "J"}.get(w, w), tokens), CODE, 10),
    Item("kept_or_not", Map(lambda w: w if w.isalpha() else None, tokens), CODE, 10),
    Item("not_a_truth", Map(lambda t: not t, tokens), TRUTHS, 10),
    Item("ones_and_zeros", Map(int, tokens), TRUTHS, 10),
    Item("type_names", Map(lambda x: type(x).__name__, tokens), MIXED, 8),
    Item("identity", Map(lambda x: x, tokens), MIXED, 8),
    Item("nothing", Map(lambda x: None, tokens), LETTERS, 5),
    Item("constant", Map(lambda x: 3.5, tokens), LETTERS, 5),
    Item("in_two_steps", Map(lambda x: x / 4, Map(lambda x: x * x + 1, tokens)), DIGITS, 10),
]
OF_PLACES = [
    Item("even_places", Map(lambda i: i % 2 == 0, indices), LETTERS, 10),
    Item("place_squared", Map(lambda i: i * i, indices), LETTERS, 16),
    Item("alternating_sign", SequenceMap(lambda x, i: x if i % 2 == 0 else -x, tokens, indices), SMALL, 10),
    Item("place_times_token", SequenceMap(lambda x, i: x * i, tokens, indices), SMALL, 12),
    Item("token_to_the_place", SequenceMap(lambda x, i: x**i, tokens, indices), (0, 1, 2, 3), 8),
    Item("token_over_place", SequenceMap(lambda x, i: x / i if i else 0, tokens, indices), SMALL, 10),
    Item("token_over_place_undefined", SequenceMap(lambda x, i: x / i, tokens, indices), SMALL, 10),
    Item("discounted", SequenceMap(lambda x, i: x * 0.5**i, tokens, indices), SMALL, 8),
    Item("decayed", SequenceMap(lambda x, i: x * math.exp(-i), tokens, indices), (1, 2, 3), 6),
    Item("added_place", SequenceMap(lambda x, i: x + i, tokens, indices), DIGITS, 16),
    Item("greater_than_place", SequenceMap(lambda x, i: x > i, tokens, indices), DIGITS, 12),
    Item("upper_at_even", SequenceMap(lambda w, i: w.upper() if i % 2 == 0 else w, tokens, indices), WORDS, 8),
    Item("masked_every_third", SequenceMap(lambda w, i: "_" if i % 3 == 2 else w, tokens, indices), LETTERS, 12),
    Item("first_kept", SequenceMap(lambda w, i: w if i == 0 else None, tokens, indices), LETTERS, 10),
    Item("caesar_by_place", SequenceMap(lambda c, i: chr((ord(c) - 97 + i) % 5 + 97), tokens, indices), LETTERS, 12),
    Item("labelled_by_place", SequenceMap(lambda c, i: f"{c}{i}", tokens, indices), LETTERS, 8),
    Item("pairs_with_place", SequenceMap(lambda c, i: (c, i), tokens, indices), LETTERS, 8),
    Item("sum_of_squares", SequenceMap(lambda x, i: x * x + i * i, tokens, indices), SMALL, 10),
    Item("distance_to_five", SequenceMap(lambda x, i: abs(x - i), tokens, indices), DIGITS, 10),
    Item("hypotenuse", SequenceMap(lambda x, i: round(math.hypot(x, i), 6), tokens, indices), SMALL, 8),
    Item("weighted", rasp.LinearSequenceMap(tokens, indices, 2, 3), SMALL, 10),
    Item("weighted_by_halves", rasp.LinearSequenceMap(tokens, indices, 0.5, -0.25), SMALL, 10),
    Item("both_ways", SequenceMap(lambda a, b: a - b, Map(lambda x: x * x, tokens), Map(lambda x: 2 * x, tokens)), DIGITS, 10),
    Item("ratio_of_maps", SequenceMap(lambda a, b: a / b, Map(lambda x: x + 1, tokens), Map(lambda x: x * x + 1, tokens)), DIGITS, 10),
]
POINTWISE = [*OF_TOKENS, *OF_PLACES]
