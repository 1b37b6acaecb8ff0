"""The programs of the RASP paper and of its standard library as texts in its language, each with what it says in plain Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple


class Text(NamedTuple):
    """A program, its alphabet, the longest sequence, and what it says; `begins` stands in front of every sequence."""

    name: str
    text: str
    alphabet: str
    length: int
    said: Callable[[list[str]], list[Any]]
    begins: str = ""


def histogram(x: list[str]) -> list[int]:
    """How often each token occurs."""
    return [x.count(t) for t in x]


def firsts(x: list[str]) -> list[bool]:
    """Whether each token is the first of its kind."""
    return [t not in x[:i] for i, t in enumerate(x)]


def double_histogram(x: list[str]) -> list[int]:
    """How many kinds of tokens occur as often as each."""
    often = Counter(Counter(x).values())
    return [often[n] for n in histogram(x)]


def by_frequency(x: list[str]) -> list[str]:
    """Each kind once, the most frequent first, equal ones as they come; then a dash for each repetition."""
    kinds = sorted(dict.fromkeys(x), key=lambda t: (-x.count(t), x.index(t)))
    return [*kinds, *"-" * (len(x) - len(kinds))]


def prefixes(x: list[str], pairs: list[str], shuffled: bool) -> list[str]:
    """Of each prefix: T where it is balanced, P where it may become so, F where not. Kinds may cross where they are shuffled."""
    found: list[str] = []
    for end in range(1, len(x) + 1):
        stack: list[str] = []
        fine = True
        for t in x[:end]:
            for opening, closing in pairs:
                if t == opening:
                    stack.append(t)
                elif t == closing:
                    at = len(stack) - 1 - stack[::-1].index(opening) if opening in stack else -1
                    fine &= at >= 0 and (shuffled or at == len(stack) - 1)
                    del stack[at : at + 1 or None]
        found.append("F" if not fine else "P" if stack else "T")
    return found


def next_same(x: list[str]) -> list[int]:
    """Where each token occurs next, -1 where it does not."""
    return [x.index(t, i + 1) if t in x[i + 1 :] else -1 for i, t in enumerate(x)]


DYCK = """
def opened(t) { return num_prevs(tokens == t); }
def ptf(diffs) {
    below = False; open = False;
    for d in diffs { below = below or (d < 0); open = open or (d > 0); }
    return "F" if num_prevs(below) > 0 else ("P" if open else "T");
}
"""
MATCHED = """
up = num_prevs(tokens == "(") + num_prevs(tokens == "{");
down = num_prevs(tokens == ")") + num_prevs(tokens == "}");
depth = up - down;
closes = (tokens == ")") or (tokens == "}");
level = depth + 1 if closes else depth;                       # a closing bracket stands as deep as the one it closes
opens = (tokens == "(") or (tokens == "{");
alike = select(level, level, ==) and select(closes or opens, True, ==);
turn = selector_width(select(indices, indices, <=) and alike);
partner = select(indices, indices, <) and alike and select(turn, turn - 1, ==);
opener = aggregate(partner, tokens, "-");
wrong = (tokens == ")" and opener != "(") or (tokens == "}" and opener != "{");
bad = num_prevs(wrong or depth < 0) > 0;
"F" if bad else ("T" if depth == 0 else "P");
"""
TEXTS = [
    Text("length", "round(1 / aggregate(select_all, indicator(indices == 0)));", "abc", 8, lambda x: [len(x)] * len(x)),
    Text("reverse", "flip = select(indices, length - indices - 1, ==); aggregate(flip, tokens);", "abcd", 8, lambda x: x[::-1]),
    Text("histogram", "selector_width(select(tokens, tokens, ==));", "abcd", 8, histogram),
    Text(
        "histogram_after_a_first_token",
        """same = select(tokens, tokens, ==) or select(indices, 0, ==);
           share = aggregate(same, indicator(indices == 0));
           0 if indices == 0 else round(1 / share) - 1;""",
        "abc",
        8,
        lambda x: [0, *histogram(x[1:])],
        "§",
    ),
    Text(
        "width_by_shares",
        """def width(s) {
               first = select(indices, 0, ==); light = indicator(indices == 0);
               return round(1 / aggregate(s or first, light)) - 1 + aggregate(s and first, light, 0);
           }
           width(select(tokens, tokens, ==));""",
        "abc",
        7,
        histogram,
    ),
    Text(
        "double_histogram",
        """hist = selector_width(select(tokens, tokens, ==));
           new = not has_prev(tokens);
           selector_width(select(hist, hist, ==) and select(new, True, ==));""",
        "abc",
        8,
        double_histogram,
    ),
    Text("sort", "sort(tokens, tokens);", "dabc", 8, sorted),
    Text("sort_numbers_by_place", "sort(tokens, -indices);", "abc", 8, lambda x: x[::-1]),
    Text(
        "most_frequent",
        """new = not has_prev(tokens);
           key = histf(tokens) - indicator(not new) * 20;
           sort(tokens if new else "-", -1 * key);""",
        "abcd",
        7,
        by_frequency,
    ),
    Text("dyck_1", DYCK + 'ptf([opened("(") - opened(")")]);', "()", 8, lambda x: prefixes(x, ["()"], False)),
    Text(
        "shuffle_dyck_2",
        DYCK + 'ptf([opened("(") - opened(")"), opened("{") - opened("}")]);',
        "(){}",
        6,
        lambda x: prefixes(x, ["()", "{}"], True),
    ),
    Text("dyck_2", MATCHED, "(){}", 6, lambda x: prefixes(x, ["()", "{}"], False)),
    Text("parity", 'num_prevs(tokens == "1") % 2;', "01", 10, lambda x: [x[: i + 1].count("1") % 2 for i in range(len(x))]),
    Text(
        "next_identical",
        """ahead = select(tokens, tokens, ==) and select(indices, indices, >);
           number = selector_width(select(tokens, tokens, ==) and select(indices, indices, <));
           following = select(tokens, tokens, ==) and select(number, number + 1, ==);
           aggregate(following, indices, -1);""",
        "abc",
        7,
        next_same,
    ),
    Text("has_prev", "has_prev(tokens);", "abc", 8, lambda x: [not f for f in firsts(x)]),
    Text("is_first", "is_first(tokens);", "abc", 8, firsts),
    Text("shift", "shift_by(2, tokens);", "abc", 8, lambda x: [None, None, *x][: len(x)]),
    Text("shift_back", "shift_by(-1, tokens);", "abc", 8, lambda x: [*x[1:], None]),
    Text("count", 'count(tokens, "a");', "abc", 8, lambda x: [x.count("a")] * len(x)),
    Text("contains", 'contains(tokens, "a");', "abc", 8, lambda x: ["a" in x] * len(x)),
    Text("ends", "aggregate(select_first, tokens) == aggregate(select_last, tokens);", "abc", 8, lambda x: [x[0] == x[-1]] * len(x)),
    Text("load", "load_from_location(tokens, 1);", "abc", 8, lambda x: [x[1] if len(x) > 1 else None] * len(x)),
    Text(
        "pattern",
        'def at(i, t) { return shift_by(i, tokens == t); } at(2, "a") and at(1, "b") and tokens == "c";',
        "abc",
        8,
        lambda x: [None if i < 2 else x[i - 2 : i + 1] == list("abc") for i in range(len(x))],
    ),
    Text(
        "shares",
        'frac_prevs(tokens == "a") > 0.5;',
        "ab",
        8,
        lambda x: [2 * x[: i + 1].count("a") > i + 1 for i in range(len(x))],
    ),
]
