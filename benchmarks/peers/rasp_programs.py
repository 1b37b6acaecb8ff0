"""The RASP programs that are measured: of Tracr's library and tests, and of the paper; made for a length, over their own symbols or 16.

The same programs are read by headwork and by Tracr: of the first kind with their import changed, of the second after their text is parsed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

WIDE = 16
SEQUENCES, SEED = 6, 0
LIBRARY = (  # one of each program; the rest of their tests differ in their inputs only
    *("frac_prevs_1", "shift_by_one", "shift_by_two", "detect_pattern_a", "detect_pattern_ab", "detect_pattern_abc", "reverse_1"),
    *("length_categorical", "length_numerical", "pair_balance", "shuffle_dyck2_1", "shuffle_dyck3_1", "hist"),
    *("sort_unique_1", "sort_unique_2", "sort", "sort_by_place", "sort_freq", "count_less_freq_1", "count_1", "nary_1", "nary_2"),
    *("double_hist", "most_freq", "induction_causal", "width_so_far_causal"),
)
PAPER = (  # as texts in RASP's own language, named `.rasp`
    *("length", "reverse", "histogram", "histogram_after_a_first_token", "width_by_shares", "double_histogram", "sort"),
    *("sort_numbers_by_place", "most_frequent", "dyck_1", "shuffle_dyck_2", "dyck_2", "parity", "next_identical", "has_prev", "is_first"),
    *("shift", "shift_back", "count", "contains", "ends", "load", "pattern", "shares"),
)
NAMES = (*LIBRARY, *(f"{name}.rasp" for name in PAPER))


@dataclass(frozen=True)
class Given:
    """A program for a length: the operation, its symbols, whether it is causal, and what stands in front of every sequence."""

    sop: Any
    symbols: Sequence[Any]
    causal: bool = False
    begins: str = ""

    def inputs(self, name: str, length: int) -> list[list[Any]]:
        """Sequences: random ones, one of equal tokens, and the shortest."""
        rng, symbols = random.Random(f"{SEED} {name} {length}"), [s for s in self.symbols if s not in [*self.begins]]
        long = length - len(self.begins)
        rows = [*(rng.choices(symbols, k=long) for _ in range(SEQUENCES - 2)), [symbols[0]] * long, [symbols[-1]]]
        return [[*self.begins, *row] for row in rows]


def widened(symbols: Sequence[Any]) -> list[Any]:
    """16 symbols that have the given ones among them: more numbers, or more letters."""
    if all(isinstance(s, int) for s in symbols):
        return list(range(1, WIDE + 1))
    more = [c for c in "abcdefghijklmnopqrst" if c not in symbols]
    return [*symbols, *more[: WIDE - len(symbols)]]


def of_library(library: Any, name: str, length: int, wide: bool = False) -> Given:
    """A program of the library, whose module is given: headwork's, or the same with Tracr's import."""
    tokens, indices = library.rasp.tokens, library.rasp.indices
    if name in ("sort", "sort_by_place", "sort_freq"):
        keys = {"sort": lambda: tokens, "sort_by_place": lambda: 1 - indices, "sort_freq": lambda: -1 * library.histogram()}[name]()
        symbols = list("abcd") if name == "sort_by_place" else [1, 2, 3, 4]
        return Given(library.sort(tokens, keys, length, 1), widened(symbols) if wide else symbols)
    case = next(c for c in library.CASES if c.name == name)
    return Given(case.program, widened(case.vocabulary) if wide else list(case.vocabulary), case.causal)


def of_paper(texts: Sequence[Any], parse: Callable[[str], Any], name: str, length: int, wide: bool = False) -> Given:
    """A program of the paper. The one with a number that outweighs every count has one that does at this length."""
    case = next(t for t in texts if t.name == name.removesuffix(".rasp"))
    text = case.text.replace("* 20", f"* {max(20, length + 1)}")
    return Given(parse(text).result, [*case.begins, *(widened(case.alphabet) if wide else case.alphabet)], False, case.begins)
