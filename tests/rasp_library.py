"""The programs of Tracr's library and tests and of the RASP paper, written again from what they are said to do, with expected values.

A case: the program, its vocabulary, an input, what it says there, and whether it is causal. `length` is the longest sequence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from headwork import rasp
from headwork.rasp import Comparison

EVERYTHING = rasp.Select(rasp.tokens, rasp.tokens, Comparison.TRUE)
LENGTH = rasp.SelectorWidth(EVERYTHING).named("length")


def reverse(sop: rasp.SOp) -> rasp.SOp:
    """The sequence from its end."""
    opposite = LENGTH - rasp.indices - 1
    return rasp.Aggregate(rasp.Select(rasp.indices, opposite, Comparison.EQ), sop).named("reverse")


def histogram() -> rasp.SOp:
    """How often each token occurs."""
    return rasp.SelectorWidth(rasp.Select(rasp.tokens, rasp.tokens, Comparison.EQ)).named("hist")


def shares(truths: rasp.SOp) -> rasp.SOp:
    """The share of positions so far at which something is true."""
    so_far = rasp.Select(rasp.indices, rasp.indices, Comparison.LEQ)
    return rasp.numerical(rasp.Aggregate(so_far, rasp.numerical(truths), default=0)).named("frac_prevs")


def balance(opening: str, closing: str) -> rasp.SOp:
    """The share of opening brackets so far, less that of closing ones."""
    return rasp.numerical(rasp.LinearSequenceMap(shares(rasp.tokens == opening), shares(rasp.tokens == closing), 1, -1)).named(
        "pair_balance"
    )


def dyck(pairs: Sequence[str]) -> rasp.SOp:
    """Whether every kind of bracket is balanced, the kinds apart from each other."""
    balances = [balance(*pair) for pair in pairs]
    negative, even = balances[0] < 0, balances[0] == 0
    for one in balances[1:]:
        negative, even = negative | (one < 0), even & (one == 0)
    everywhere = rasp.Select(rasp.indices, rasp.indices, Comparison.TRUE)
    anywhere = rasp.numerical(rasp.Aggregate(everywhere, rasp.numerical(rasp.Map(lambda x: x, negative)), default=0)) > 0
    at_end = rasp.Aggregate(rasp.Select(rasp.indices, LENGTH - 1, Comparison.EQ), even)
    return (at_end & ~anywhere).named("shuffle_dyck")


def sort_unique(values: rasp.SOp, keys: rasp.SOp) -> rasp.SOp:
    """Values in the order of their keys, which differ."""
    place = rasp.SelectorWidth(rasp.Select(keys, keys, Comparison.LT))
    return rasp.Aggregate(rasp.Select(place, rasp.indices, Comparison.EQ), values).named("sort")


def sort(values: rasp.SOp, keys: rasp.SOp, longest: int, least: float) -> rasp.SOp:
    """Values in the order of their keys, equal ones in the order they stand in."""
    return sort_unique(values, rasp.SequenceMap(lambda x, i: x + least * i / longest, keys, rasp.indices))


def shifted(by: int, sop: rasp.SOp) -> rasp.SOp:
    """The value so many places back."""
    return rasp.Aggregate(rasp.Select(rasp.indices, rasp.indices, lambda k, q: q == k + by), sop, default=None).named(f"shift_by({by})")


def pattern(sop: rasp.SOp, wanted: Sequence[Any]) -> rasp.SOp:
    """Whether a pattern ends here."""
    found = [sop == x if i == 0 else shifted(i, sop == x) for i, x in enumerate(reversed(wanted))]
    whole = found.pop()
    while found:
        whole = whole & found.pop()
    return whole.named("detect_pattern")


def rarer(n: int) -> rasp.SOp:
    """How many tokens occur at most n times."""
    hist = histogram()
    return rasp.SelectorWidth(rasp.Select(hist, hist, lambda k, q: k <= n)).named("count_less_freq")


def count(token: Any) -> rasp.SOp:
    """How often a token occurs."""
    return rasp.SelectorWidth(rasp.Select(rasp.tokens, rasp.tokens, lambda k, q: k == token)).named("count")


def of_many(f: Any, first: rasp.SOp, *rest: rasp.SOp) -> rasp.SOp:
    """A function of many operations, by tuples."""
    for sop in rest:
        first = rasp.SequenceMap(lambda x, y: (*x, y) if isinstance(x, tuple) else (x, y), first, sop)
    return rasp.Map(lambda row: f(*row), first)


def most_frequent() -> rasp.SOp:
    """The paper's: each token once, the most frequent first; where fewer differ than there are places, nothing."""
    earlier = rasp.Select(rasp.tokens, rasp.tokens, Comparison.EQ) & rasp.Select(rasp.indices, rasp.indices, Comparison.LT)
    is_first = rasp.SelectorWidth(earlier) == 0
    key = rasp.SequenceMap(lambda h, new: -h if new else 99, histogram(), is_first)
    before = rasp.Select(key, key, Comparison.LT) | (
        rasp.Select(key, key, Comparison.EQ) & rasp.Select(rasp.indices, rasp.indices, Comparison.LT)
    )
    place = rasp.SelectorWidth(before)
    shown = rasp.SequenceMap(lambda t, new: t if new else None, rasp.tokens, is_first)
    return rasp.Aggregate(rasp.Select(place, rasp.indices, Comparison.EQ), shown).named("most_freq")


def double_histogram() -> rasp.SOp:
    """The paper's: how many different tokens occur as often as this one."""
    hist = histogram()
    same = rasp.Select(rasp.tokens, rasp.tokens, Comparison.EQ)
    is_first = rasp.SelectorWidth(same & rasp.Select(rasp.indices, rasp.indices, Comparison.LT)) == 0
    often = rasp.Select(hist, hist, Comparison.EQ) & rasp.Select(is_first, is_first, lambda k, q: k)
    return rasp.SelectorWidth(often).named("double_hist")


def induction() -> rasp.SOp:
    """What followed the latest earlier occurrence: of those, the one with the most before it."""
    previous = shifted(1, rasp.tokens)
    number = rasp.SelectorWidth(rasp.Select(previous, previous, Comparison.EQ))
    so_far = rasp.SelectorWidth(rasp.Select(previous, rasp.tokens, Comparison.EQ))
    pair = rasp.SequenceMap(lambda t, n: (t, n), previous, number)
    mine = rasp.SequenceMap(lambda t, n: (t, n), rasp.tokens, so_far)
    return rasp.Aggregate(rasp.Select(pair, mine, Comparison.EQ), rasp.tokens).named("induction")


@dataclass(frozen=True)
class Case:
    """A program and what it says on an input."""

    name: str
    program: rasp.SOp
    vocabulary: str | tuple[Any, ...]
    given: Sequence[Any]
    said: Sequence[Any]
    length: int
    causal: bool = False


def thirds(*pairs: tuple[int, int]) -> list[Fraction]:
    """Fractions."""
    return [Fraction(p, q) for p, q in pairs]


BOTH = [
    ("frac_prevs_1", shares(rasp.tokens == "l"), "helo", "hello", thirds((0, 1), (0, 1), (1, 3), (1, 2), (2, 5)), 5),
    (
        "frac_prevs_2",
        shares(rasp.tokens == "("),
        "abc()",
        "a()b(c))",
        thirds((0, 1), (1, 2), (1, 3), (1, 4), (2, 5), (1, 3), (2, 7), (1, 4)),
        10,
    ),
    (
        "frac_prevs_3",
        shares(rasp.tokens == ")"),
        "abc()",
        "a()b(c))",
        thirds((0, 1), (0, 1), (1, 3), (1, 4), (1, 5), (1, 6), (2, 7), (3, 8)),
        10,
    ),
    ("shift_by_one", shifted(1, rasp.tokens), "abcd", "abcd", [None, *"abc"], 5),
    ("shift_by_two", shifted(2, rasp.tokens), "abcd", "abcd", [None, None, *"ab"], 5),
    ("detect_pattern_a", pattern(rasp.tokens, "a"), "abcd", "bacd", [False, True, False, False], 5),
    ("detect_pattern_ab", pattern(rasp.tokens, "ab"), "ab", "aaba", [None, False, True, False], 5),
    ("detect_pattern_ab_2", pattern(rasp.tokens, "ab"), "ab", "abaa", [None, True, False, False], 5),
    ("detect_pattern_ab_3", pattern(rasp.tokens, "ab"), "ab", "aaaa", [None, False, False, False], 5),
    ("detect_pattern_abc", pattern(rasp.tokens, "abc"), "abc", "abcabc", [None, None, True, False, False, True], 6),
]
SEEING_ALL = [
    ("reverse_1", reverse(rasp.tokens), "abcd", "abcd", "dcba", 5),
    ("reverse_2", reverse(rasp.tokens), "abcd", "abc", "cba", 5),
    ("reverse_4", reverse(rasp.tokens), "abcd", "c", "c", 5),
    ("length_categorical", rasp.categorical(LENGTH), "abcd", "abc", [3] * 3, 3),
    ("length_numerical", rasp.numerical(LENGTH), "abcd", "ad", [2] * 2, 3),
    ("pair_balance", balance("(", ")"), "abc()", "a()b(c))", thirds((0, 1), (1, 2), (0, 1), (0, 1), (1, 5), (1, 6), (0, 1), (-1, 8)), 10),
    ("shuffle_dyck2_1", dyck(["()", "{}"]), "(){}", "({)}", [True] * 4, 5),
    ("shuffle_dyck2_2", dyck(["()", "{}"]), "(){}", "(){)}", [False] * 5, 5),
    ("shuffle_dyck3_1", dyck(["()", "{}", "[]"]), "(){}[]", "({)[}]", [True] * 6, 6),
    ("shuffle_dyck3_3", dyck(["()", "{}", "[]"]), "(){}[]", "{}[(]", [False] * 5, 6),
    ("hist", histogram(), "abcd", "abac", [2, 1, 2, 1], 5),
    ("sort_unique_1", sort_unique(rasp.tokens, rasp.tokens), (1, 2, 3, 4), [2, 4, 3, 1], [1, 2, 3, 4], 5),
    ("sort_unique_2", sort_unique(rasp.tokens, 1 - rasp.indices), "abcd", "abcd", "dcba", 5),
    ("sort_1", sort(rasp.tokens, rasp.tokens, 5, 1), (1, 2, 3, 4), [2, 4, 3, 1], [1, 2, 3, 4], 5),
    ("sort_2", sort(rasp.tokens, 1 - rasp.indices, 5, 1), "abcd", "abcd", "dcba", 5),
    ("sort_3", sort(rasp.tokens, rasp.tokens, 5, 1), (1, 2, 3, 4), [2, 4, 1, 2], [1, 2, 2, 4], 5),
    ("sort_freq", sort(rasp.tokens, -1 * histogram(), 5, 1), (1, 2, 3, 4), [2, 4, 2, 1], [2, 2, 4, 1], 5),
    ("count_less_freq_1", rarer(2), "abcd", "aaabbc", [3] * 6, 6),
    ("count_less_freq_2", rarer(2), "abcd", "aacbbc", [6] * 6, 6),
    ("count_1", count("a"), "abc", "aaabbc", [3] * 6, 8),
    ("count_3", count("a"), "abc", "bbc", [0] * 3, 8),
    ("nary_1", of_many(lambda x, y, z: x + y - z, rasp.tokens, rasp.tokens, rasp.indices), (1, 2, 3), [1, 2, 3], [2, 3, 4], 5),
    ("nary_2", of_many(lambda x, y, z: x * y / z, rasp.indices, rasp.indices, rasp.tokens), (1, 2, 3), [1, 2, 3], [0, 1 / 2, 4 / 3], 3),
    ("double_hist", double_histogram(), "abcd", "aabbcd", [2] * 6, 6),
    ("most_freq", most_frequent(), "abcd", "babbca", ["b", "a", "c", None, None, None], 6),
]
CAUSAL = [
    ("width_so_far", rasp.SelectorWidth(EVERYTHING), "abcd", "abcd", [1, 2, 3, 4], 5),
    ("induction", induction(), "abc", "abcabca", [None, None, None, "b", "c", "a", "b"], 7),
]
UNSUPPORTED_ELSEWHERE = [  # what Tracr's compiler refuses
    ("mean_of_tokens", rasp.Aggregate(EVERYTHING, rasp.tokens), (1, 2, 3), [1, 2, 2], thirds((5, 3), (5, 3), (5, 3)), 5),
    (
        "default_one",
        rasp.Aggregate(rasp.Select(rasp.indices, rasp.indices, Comparison.EQ), rasp.tokens, default=1),
        (1, 2, 3),
        [3, 1],
        [3, 1],
        5,
    ),
    (
        "numbers_ordered",
        rasp.SelectorWidth(rasp.Select(rasp.numerical(rasp.tokens), rasp.tokens, Comparison.LT)),
        (1, 2, 3),
        [3, 1, 2],
        [2, 0, 1],
        5,
    ),
    ("sum_of_numbers", rasp.numerical(rasp.SequenceMap(lambda x, y: x + y, rasp.indices, rasp.tokens)), (1, 2, 3), [1, 2, 3], [1, 3, 5], 5),
    ("linear_categorical", rasp.LinearSequenceMap(rasp.indices, rasp.tokens, 1, 1), (1, 2, 3), [1, 2, 3], [1, 3, 5], 5),
]
CASES = [
    *(Case(*row) for row in (*BOTH, *SEEING_ALL, *UNSUPPORTED_ELSEWHERE)),
    *(Case(f"{name}_causal", *rest, causal=True) for name, *rest in (*BOTH, *CAUSAL)),
]
