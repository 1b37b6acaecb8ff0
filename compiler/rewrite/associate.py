"""Chains of reads are compositions of maps, so they re-associate; repeated maps share their powers.

    x.at(p).at(p).at(p)      ->    x.at(p).at(p.at(p))            depth 3 instead of 4 for p at depth 1

A chain x∘p1∘…∘pn costs one layer per composition, 1 + max of the two sides. Think of a leaf of depth d as needing
an aligned block of 2**d addresses: a tree of depth D exists exactly if the blocks, laid left to right, end by 2**D.
For x at depth 0 and k copies of p at depth 1 that is 2(k + 1) <= 2**D, or D = floor(log2 k) + 2, the bound of
arXiv 2402.09268, Theorem 4.2.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..graph import Builder, Graph, Node, reachable
from ..ops import Fetch, Position
from .maps import Rewrite, Rule, at, at_query, copy, nowhere, position_of, read_known

MAX_RUNS, MAX_LEAVES = 64, 2048


@dataclass(frozen=True, slots=True)
class Word:
    """base ∘ map^count ∘ …: a value read through maps, the last of which is applied first."""

    base: int
    runs: tuple[tuple[int, int], ...] = ()


def _associate(_: Graph) -> Rule:
    """Replace a chain of reads by a shallower tree, or by one of equal depth that reads less.

    Preserves every value: composition is associative, ⊥ included, provided every map points to a visible place
    (in a causal program p[j] <= j, known from the domain's lag); a map without that proof ends the chain.
    """
    words: dict[int, Word] = {}
    of_word: dict[Word, int] = {}

    def rule(builder: Builder, node: Node, args: tuple[int, ...]) -> int:
        plain = copy(builder, node, args)
        if not isinstance(node.op, Fetch):
            return plain
        word = _word(builder, words, of_word, args[0], args[1])
        if word is None:
            return plain
        best = min((plain, _build(builder, word)), key=lambda i: (builder.depth[i], _fetches(builder, i)))
        words[best] = word
        of_word.setdefault(word, best)
        return best

    return rule


def _word(builder: Builder, words: dict[int, Word], of_word: dict[Word, int], lookup: int, value: int) -> Word | None:
    """The chain that reading `value` through `lookup` makes, or None if it is too long to spell out."""
    query = at_query(builder, lookup)
    leaf = position_of(builder, lookup) if query is None else query
    inner, spelled = words.get(value, Word(value)), _spelled(builder, words, of_word, leaf)
    if not all(_visible(builder, p) for p, _ in (*inner.runs, *spelled)):
        inner, spelled = Word(value), [(leaf, 1)]
    runs: list[tuple[int, int]] = []
    for p, count in (*inner.runs, *spelled):
        if isinstance(builder.nodes[p].op, Position):
            continue  # the identity
        static = read_known(builder, p, p) is not None
        if static:  # a map that depends on the position alone composes with its like when compiling
            p, count = _power(builder, p, count), 1
        if runs and runs[-1][0] == p and not static:
            runs[-1] = (p, runs[-1][1] + count)
        elif static and runs and (merged := read_known(builder, runs[-1][0], p)) is not None:
            q, before = runs.pop()  # the last of it is read at p; others stay, of a map that points ahead
            runs += [(q, before - 1)] * (before > 1) + [(merged, 1)]
        else:
            runs.append((p, count))
    if not runs:
        return None
    return Word(inner.base, tuple(runs)) if len(runs) <= MAX_RUNS else None


def _spelled(builder: Builder, words: dict[int, Word], of_word: dict[Word, int], leaf: int) -> list[tuple[int, int]]:
    """A map as a chain of maps that point to visible places; as itself alone where it is no such chain.

    `position + 1` points ahead, and what it is where a lookup found an earlier place does not: so the chain may begin with
    a value that stands for its own first maps.
    """
    word = words.get(leaf, Word(leaf))
    for cut in range(len(word.runs) + 1):
        first = of_word.get(Word(word.base, word.runs[:cut])) if cut else word.base
        if first is not None and all(_visible(builder, p) for p in (first, *(p for p, _ in word.runs[cut:]))):
            return [(first, 1), *word.runs[cut:]]
    return [(leaf, 1)]


def _visible(builder: Builder, p: int) -> bool:
    """Whether p points to a place, and never ahead of its own position; every place is visible to a bidirectional program."""
    lag = builder.nodes[p].domain.lag
    return not builder.sizes.causal or (lag is not None and lag <= 0 and not nowhere(builder, p))


def _fetches(builder: Builder, index: int) -> int:
    return sum(isinstance(builder.nodes[i].op, Fetch) for i in reachable(builder.nodes, [index]))


def _build(builder: Builder, word: Word) -> int:
    if len(word.runs) == 1:
        return _absorb(builder, word.base, *word.runs[0])
    leaves = [word.base]
    for p, count in word.runs:
        if len(leaves) + count > MAX_LEAVES:
            return _fold_left(builder, word)
        leaves += [p] * count
    starts: list[int] = []
    end = 0
    for leaf in leaves:
        block = 1 << builder.depth[leaf]
        starts.append(-(-end // block) * block)
        end = starts[-1] + block
    return _tree(builder, leaves, starts, 0, len(leaves), 0, (end - 1).bit_length(), with_base=True)


def _tree(builder: Builder, leaves: list[int], starts: list[int], a: int, b: int, low: int, level: int, with_base: bool) -> int:
    """The composition of leaves[a:b], whose blocks lie in [low, low + 2**level)."""
    maps = leaves[a + with_base : b]
    if b - a == 1:
        return leaves[a]
    if len(set(maps)) == 1:
        return _absorb(builder, leaves[a], maps[0], len(maps)) if with_base else _power(builder, maps[0], len(maps))
    half = low + (1 << (level - 1))
    cut = next((i for i in range(a, b) if starts[i] >= half), b)
    if cut in (a, b):
        return _tree(builder, leaves, starts, a, b, half if cut == a else low, level - 1, with_base)
    left = _tree(builder, leaves, starts, a, cut, low, level - 1, with_base)
    right = _tree(builder, leaves, starts, cut, b, half, level - 1, with_base=False)
    return at(builder, left, right)


def _fold_left(builder: Builder, word: Word) -> int:
    x = word.base
    for p, count in word.runs:
        x = _absorb(builder, x, p, count)
    return x


def _power(builder: Builder, p: int, m: int) -> int:
    """p∘p∘…∘p, m times, at depth(p) + ceil(log2 m)."""
    return p if m == 1 else _absorb(builder, p, p, m - 1)


def _absorb(builder: Builder, x: int, p: int, k: int) -> int:
    """x∘p^k at the least depth: ceil(log2(2**depth(x) + k·2**depth(p))), less where x reads through p's own lookup.

    If x is no deeper than p, the binary digits of k are absorbed lowest first: x waits for p^(2^t) and reads
    through the lookup that also squares it, because powers of one map commute. If x is deeper by u, then k mod 2**u
    steps go first and p^(2**u), which is then as deep as x, takes the place of p.
    """
    found = builder.nodes[p]
    direct = isinstance(found.op, Fetch) and isinstance(builder.nodes[found.args[1]].op, Position)
    if direct and builder.depth[x] <= builder.depth[found.args[0]]:
        x, k = at(builder, x, p), k - 1
    later = builder.depth[x] - builder.depth[p]
    if k and later > 0:
        block = 1 << later
        if k % block:
            x = at(builder, x, _power(builder, p, k % block))
        return _absorb(builder, x, _power(builder, p, block), k // block) if k >= block else x
    while k:
        if k & 1:
            x = at(builder, x, p)
        k >>= 1
        if k:
            p = at(builder, p, p)
    return x


associate = Rewrite("associate", _associate)
