"""Programs of a user's collection, with attention: counts, shares, orders, patterns, brackets, what stands elsewhere. Small and many.

They are what people write in Tracr's embedding: Map most of all, then SequenceMap, Select, indices, SelectorWidth, Aggregate; nearly
no annotation, no selector made of others, causal or not.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

from headwork import rasp
from headwork.rasp import Aggregate, Comparison, Map, Select, SelectorWidth, SequenceMap, indices, tokens
from headwork.tests.rasp_pointwise import CODE, DIGITS, LETTERS, POINTWISE, REALS, SIGNED, SMALL, TRUTHS, WORDS, Item, prime

EQ, NEQ, LT, LEQ, GT, GEQ, TRUE = (
    Comparison.EQ,
    Comparison.NEQ,
    Comparison.LT,
    Comparison.LEQ,
    Comparison.GT,
    Comparison.GEQ,
    Comparison.TRUE,
)
ALL = Select(tokens, tokens, TRUE)
BEFORE = Select(indices, indices, LEQ)
SAME = Select(tokens, tokens, EQ)
LENGTH = SelectorWidth(ALL).named("length")


def share(truths: rasp.SOp, selector: rasp.Selector = ALL) -> rasp.SOp:
    """How much of what is selected is true."""
    return Aggregate(selector, Map(int, truths))


def at(place: rasp.SOp, sop: rasp.SOp = tokens, default: Any = None) -> rasp.SOp:
    """What stands at a place."""
    return Aggregate(Select(indices, place, EQ), sop, default=default)


def back(by: int, default: Any = None) -> rasp.SOp:
    """What stands so many places before."""
    return at(Map(lambda i: i - by, indices), default=default)


def opposite() -> rasp.SOp:
    """What stands as far from the end as this place from the beginning."""
    return at(SequenceMap(lambda n, i: n - i - 1, LENGTH, indices))


def many(token: Any) -> rasp.SOp:
    """How often a token occurs."""
    return SelectorWidth(Select(tokens, tokens, lambda key, query: key == token))


def zscore() -> rasp.SOp:
    """How far from the mean, in units of the mean distance."""
    away = SequenceMap(lambda x, m: abs(x - m), tokens, Aggregate(ALL, tokens))
    return SequenceMap(lambda a, m: a > m, away, Aggregate(ALL, away))


def rank() -> rasp.SOp:
    """How many are less."""
    return SelectorWidth(Select(tokens, tokens, LT))


def balance(opening: str, closing: str) -> rasp.SOp:
    """Opening brackets so far, less closing ones, as a share."""
    value = Map(lambda c: 1 if c == opening else -1 if c == closing else 0, tokens)
    return Aggregate(BEFORE, value)


BELOW = Aggregate(ALL, Map(lambda b: int(b < 0), balance("(", ")")))
COUNTS = [
    Item("histogram", SelectorWidth(SAME), LETTERS, 10, False),
    Item("histogram_so_far", SelectorWidth(SAME), LETTERS, 10),
    Item("unique", Map(lambda n: n == 1, SelectorWidth(SAME)), LETTERS, 10, False),
    Item("seen_before", Map(lambda n: n > 1, SelectorWidth(SAME)), DIGITS, 12),
    Item("repeated_marked", SequenceMap(lambda t, n: "*" if n > 1 else t, tokens, SelectorWidth(SAME)), LETTERS, 10, False),
    Item("without_repeats", SequenceMap(lambda t, n: t if n == 1 else None, tokens, SelectorWidth(SAME)), LETTERS, 10),
    Item("frequency", SequenceMap(lambda n, m: n / m, SelectorWidth(SAME), LENGTH), LETTERS, 8, False),
    Item("frequency_rounded", SequenceMap(lambda n, m: round(n / m, 2), SelectorWidth(SAME), LENGTH), LETTERS, 8, False),
    Item("occurrence_number", SequenceMap(lambda t, n: f"{t}{n}", tokens, SelectorWidth(SAME)), LETTERS, 8),
    Item("count_of_x", many("x"), CODE, 10, False),
    Item("count_of_x_so_far", many("x"), CODE, 10),
    Item("x_or_not", Map(lambda n: n > 0, many("x")), CODE, 10, False),
    Item("more_than_half_x", SequenceMap(lambda n, m: 2 * n > m, many("x"), LENGTH), CODE, 10, False),
    Item("count_parity", Map(lambda n: n % 2, many("a")), LETTERS, 12, False),
    Item("length", LENGTH, LETTERS, 16, False),
    Item("length_even", Map(lambda n: n % 2 == 0, LENGTH), LETTERS, 12, False),
    Item("last_place", SequenceMap(lambda i, n: i == n - 1, indices, LENGTH), LETTERS, 10, False),
    Item("relative_place", SequenceMap(lambda i, n: i / n, indices, LENGTH), LETTERS, 8, False),
    Item("middle", SequenceMap(lambda i, n: n % 2 == 1 and i == n // 2, indices, LENGTH), LETTERS, 11, False),
    Item("last_half", SequenceMap(lambda i, n: i >= n / 2, indices, LENGTH), LETTERS, 10, False),
    Item("evens_so_far", SelectorWidth(Select(tokens, tokens, lambda k, q: k % 2 == 0)), DIGITS, 10),
    Item("primes", SelectorWidth(Select(tokens, tokens, lambda k, q: prime(k))), DIGITS, 10, False),
    Item("divisors", SelectorWidth(Select(tokens, tokens, lambda k, q: k > 0 and q % k == 0)), DIGITS, 10, False),
    Item("greater_by_two", SelectorWidth(Select(tokens, tokens, lambda k, q: k >= q + 2)), DIGITS, 10, False),
    Item("near_in_value", SelectorWidth(Select(tokens, tokens, lambda k, q: abs(k - q) <= 1)), SIGNED, 10, False),
    Item("shared_letters", SelectorWidth(Select(tokens, tokens, lambda k, q: bool(set(k) & set(q)))), WORDS, 8, False),
    Item("prefixes", SelectorWidth(Select(tokens, tokens, lambda k, q: q.startswith(k))), WORDS, 8, False),
    Item("same_length", SelectorWidth(Select(Map(len, tokens), Map(len, tokens), EQ)), WORDS, 8, False),
    Item("opposite_numbers", SelectorWidth(Select(tokens, tokens, lambda k, q: k + q == 0)), SIGNED, 10, False),
    Item("greatest", Map(lambda n: n == 0, SelectorWidth(Select(tokens, tokens, GT))), DIGITS, 10, False),
    Item("record", Map(lambda n: n == 0, SelectorWidth(Select(tokens, tokens, GEQ))), REALS, 10),
    Item("new_high", Map(lambda n: n == 1, SelectorWidth(Select(tokens, tokens, GEQ))), DIGITS, 10),
    Item("rank", rank(), DIGITS, 10, False),
    Item("rank_of_reals", rank(), REALS, 10, False),
    Item("rank_share", SequenceMap(lambda r, n: r / n, rank(), LENGTH), SMALL, 8, False),
    Item("above_median", SequenceMap(lambda r, n: 2 * r >= n, rank(), LENGTH), SMALL, 10, False),
    Item("different_before", SelectorWidth(Select(tokens, tokens, NEQ)), LETTERS, 10),
    Item("sorted_or_not", Map(lambda n: n == 0, SelectorWidth(Select(tokens, tokens, GT))), DIGITS, 8),
    Item("tie_broken_rank", SelectorWidth(Select(*[SequenceMap(lambda x, i: x + i / 100, tokens, indices)] * 2, LT)), SMALL, 10, False),
]
MEANS = [
    Item("share_of_x_so_far", share(tokens == "x", BEFORE), CODE, 10),
    Item("share_of_x", share(tokens == "x"), CODE, 10, False),
    Item("share_numerical", rasp.Aggregate(BEFORE, rasp.numerical(Map(lambda t: int(t == "x"), tokens)), default=0), CODE, 8, False),
    Item("share_of_truths", Aggregate(ALL, tokens), TRUTHS, 8, False),
    Item("mean", Aggregate(ALL, tokens), DIGITS, 10, False),
    Item("mean_so_far", Aggregate(BEFORE, tokens), SIGNED, 8),
    Item("mean_of_reals", Aggregate(ALL, tokens), REALS, 8, False),
    Item("mean_of_squares", Aggregate(ALL, Map(lambda x: x * x, tokens)), SIGNED, 8, False),
    Item("mean_of_halves", Aggregate(BEFORE, Map(lambda x: x / 2, tokens)), SMALL, 8),
    Item("mean_length", Aggregate(ALL, Map(len, tokens)), WORDS, 8, False),
    Item("mean_place", Aggregate(SAME, indices), LETTERS, 8, False),
    Item("sum_so_far", SequenceMap(lambda m, n: m * n, Aggregate(BEFORE, tokens), SelectorWidth(BEFORE)), SMALL, 8),
    Item("total", SequenceMap(lambda m, n: round(m * n), Aggregate(ALL, tokens), LENGTH), SMALL, 6, False),
    Item("above_mean", SequenceMap(lambda x, m: x > m, tokens, Aggregate(ALL, tokens)), DIGITS, 10, False),
    Item("from_mean", SequenceMap(lambda x, m: x - m, tokens, Aggregate(ALL, tokens)), SMALL, 6, False),
    Item("scaled_by_mean", SequenceMap(lambda x, m: x / m if m else 0, tokens, Aggregate(ALL, tokens)), (0, 1, 2, 3), 5, False),
    Item("far_from_mean", zscore(), (0, 1, 2, 5), 5, False),
    Item("windowed_mean", Aggregate(Select(indices, indices, lambda k, q: q - 3 < k <= q), tokens), SMALL, 8),
    Item("mean_of_others", Aggregate(Select(indices, indices, NEQ), tokens, default=0), SMALL, 8, False),
    Item("mean_of_evens", Aggregate(Select(tokens, tokens, lambda k, q: k % 2 == 0), tokens, default=0), DIGITS, 8, False),
    Item("mean_of_evens_or_none", Aggregate(Select(tokens, tokens, lambda k, q: k % 2 == 0), tokens), DIGITS, 8, False),
    Item("percent", Map(lambda m: round(100 * m), share(tokens == "a")), LETTERS, 8, False),
    Item("mostly_x", Map(lambda m: m > 0.5, share(tokens == "x")), CODE, 10, False),
    Item("graded", Map(lambda m: "low" if m < 0.25 else "high" if m > 0.75 else "mid", share(tokens == "x", BEFORE)), CODE, 10),
    Item("one_less_share", Map(lambda m: 1 - m, share(tokens == "a", BEFORE)), LETTERS, 8),
    Item("share_compared", SequenceMap(lambda a, b: a > b, share(tokens == "a"), share(tokens == "b")), LETTERS, 8, False),
    Item("share_difference", SequenceMap(lambda a, b: a - b, share(tokens == "a"), share(tokens == "b")), LETTERS, 8, False),
    Item("share_ratio", SequenceMap(lambda a, b: a / b if b else 0, share(tokens == "a"), share(tokens == "b")), ("a", "b", "c"), 5, False),
    Item("entropy_part", Map(lambda m: -m * math.log(m) if m else 0.0, share(tokens == "a", BEFORE)), LETTERS, 6),
]
ELSEWHERE = [
    Item("previous", back(1), LETTERS, 10),
    Item("previous_or_x", back(1, "x"), CODE, 10),
    Item("previous_number_or_0", back(1, 0), DIGITS, 10),
    Item("two_back", back(2), DIGITS, 12),
    Item("next", at(Map(lambda i: i + 1, indices)), LETTERS, 10, False),
    Item("first", at(rasp.Full(0)), LETTERS, 10),
    Item("last", at(Map(lambda n: n - 1, LENGTH)), LETTERS, 10, False),
    Item("reversed", opposite(), LETTERS, 12, False),
    Item("palindrome", Map(lambda m: m == 1, share(SequenceMap(lambda a, b: a == b, tokens, opposite()))), LETTERS, 8, False),
    Item("mirrored_sum", SequenceMap(lambda a, b: a + b, tokens, opposite()), DIGITS, 8, False),
    Item("difference", SequenceMap(lambda a, b: a - b, tokens, back(1, 0)), DIGITS, 10),
    Item("difference_undefined", SequenceMap(lambda a, b: a - b, tokens, back(1)), SIGNED, 10),
    Item("ratio_to_previous", SequenceMap(lambda a, b: a / b, tokens, back(1, 1)), SMALL, 8),
    Item("rising", SequenceMap(lambda a, b: a > b, tokens, back(1, -1)), DIGITS, 10),
    Item("changed", SequenceMap(lambda a, b: a != b, tokens, back(1, "")), LETTERS, 10),
    Item("swapped_pairs", at(Map(lambda i: i + 1 if i % 2 == 0 else i - 1, indices)), LETTERS, 10, False),
    Item("every_other", at(Map(lambda i: 2 * i, indices)), LETTERS, 10, False),
    Item("rotated", at(SequenceMap(lambda i, n: (i + 1) % n, indices, LENGTH)), LETTERS, 8, False),
    Item("bigram", SequenceMap(lambda a, b: f"{a}{b}", back(1, "^"), tokens), LETTERS, 8),
    Item("pattern_ab", SequenceMap(lambda a, b: a == "a" and b == "b", back(1, ""), tokens), LETTERS, 10),
    Item("sum_of_three", SequenceMap(lambda a, b: a + b, SequenceMap(lambda a, b: a + b, tokens, back(1, 0)), back(2, 0)), SMALL, 8),
    Item("token_as_place", at(tokens, default=-1), SMALL, 8, False),
    Item("followed", SelectorWidth(Select(back(1), tokens, EQ)), LETTERS, 8),
    Item("sorted_unique", Aggregate(Select(rank(), indices, EQ), tokens), DIGITS, 6, False),
    Item("only_occurrence", Aggregate(Select(tokens, rasp.Full("x"), EQ), indices), CODE, 8, False),
    Item("balanced_so_far", Map(lambda b: b >= 0, balance("(", ")")), ("(", ")", "x"), 10),
    Item("balanced", SequenceMap(lambda a, b: a == 0 and b == 0, balance("(", ")"), BELOW), ("(", ")", "x"), 8, False),
    Item("depth", SequenceMap(lambda b, n: b * n, balance("(", ")"), SelectorWidth(BEFORE)), ("(", ")", "x"), 8),
    Item("ends_alike", SequenceMap(lambda a, b: a == b, at(rasp.Full(0)), at(Map(lambda n: n - 1, LENGTH))), LETTERS, 8, False),
    Item("token_and_mean", SequenceMap(lambda t, m: t if m > 0.3 else "-", tokens, share(tokens == "x")), CODE, 8, False),
]
COLLECTION = [*POINTWISE, *COUNTS, *MEANS, *ELSEWHERE]


def kinds(programs: Iterable[Item] = COLLECTION) -> Counter[str]:
    """In how many programs each construct occurs."""
    found: Counter[str] = Counter()
    for item in programs:
        seen: dict[int, rasp.RASPExpr] = {}
        stack: list[rasp.RASPExpr] = [item.program]
        while stack:
            e = stack.pop()
            if id(e) not in seen:
                seen[id(e)] = e
                stack.extend(e.children)
        found.update({type(e).__name__ for e in seen.values()})
        found["numerical"] += any(isinstance(e, rasp.SOp) and rasp.is_numerical(e) for e in seen.values())
        found["sees all"] += not item.causal
    return found
