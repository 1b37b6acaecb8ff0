"""The kernel's rules of equality, one by one: what each accepts means the same on every input, and what does not is rejected."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import replace

import pytest

import headwork as hw
from headwork.compiler.graph import Builder, Graph
from headwork.compiler.ops import Affine, Clip, Fetch, Lookup, Position, Token
from headwork.compiler.rewrite import fold, push
from headwork.kernel.numbers import Rejected
from headwork.kernel.rewrite import RULES, step
from headwork.prover.rewrites import Chains, Ledger, shift
from headwork.runtime.interpreter import interpret_roots
from headwork.tests import generate

N, V = 4, 3
SHOWS = [*(rule for rule in RULES if rule not in ("later", "first")), "chain"]
Body = Callable[..., hw.Value]
pytestmark = pytest.mark.filterwarnings("ignore:this reads at a position that is always ahead")


def graph(body: Body, causal: bool = True) -> Graph:
    return hw.program(name="p", causal=causal)(body).build(N, V)


def outputs(g: Graph, node: int) -> list[list[list[int | None]]]:
    """A node's values on every input."""
    asked = replace(g, outputs=(node,), guard=None)
    return [interpret_roots(asked, ids) for k in range(1, N + 1) for ids in itertools.product(range(V), repeat=k)]


def optimised(g: Graph) -> Graph:
    """`found + 1` as reading position + 1, and what else the first rewrites do; a causal lookup of previous values stays."""
    return push(fold(g))


def accepts(a: Graph, b: Graph, rule: str, *before: tuple[str, int, int]) -> bool:
    """Whether the kernel takes the outputs of two graphs for equal by a rule, after steps on nodes of the one and the other."""
    ledger = Ledger(a)
    other = ledger.graph(b)
    try:
        for name, x, y in before:
            step(ledger.terms, name, ledger.program[x], other[y])
        shown(ledger, rule, ledger.program[a.output], other[b.output])
    except Rejected:
        return False
    return True


def shown(ledger: Ledger, rule: str, x: int, y: int) -> None:
    """Take a step, with those that the prover takes for it. Raises Rejected."""
    if rule == "shift":
        shift(ledger, x, y)
    elif rule == "chain":
        chains = Chains(ledger)
        if not ledger.terms.same(chains.normal(x), chains.normal(y)):
            raise Rejected("the chains are not the same composition of maps")
    else:
        step(ledger.terms, rule, x, y)


def strict_pick(token: hw.Value) -> hw.Value:
    rank = hw.table(lambda t: 2 - t, token)
    return hw.match(True, token < 2, before=True).largest(by=rank).fetch(token)


def causal_pick(by: Callable[[hw.Value], hw.Value], key: Callable[[hw.Value], hw.Value] = hw.previous) -> Body:
    """What `strict_pick` is with causal masks: keys, ranks and what is read, one place back."""
    return lambda token: hw.match(True, key(token < 2)).largest(by=by(hw.table(lambda t: 2 - t, token))).fetch(hw.previous(token))


def maybe(token: hw.Value) -> hw.Value:
    """A value that is ⊥ at some places, though not at the first."""
    return hw.match(token, token, before=True).latest().position


SHIFTS: dict[str, tuple[Body, Body, bool]] = {
    "ranks one place back": (causal_pick(lambda r: hw.previous(r).or_else(1)), strict_pick, True),
    "ranks in their place": (causal_pick(lambda r: r), strict_pick, False),
    "ranks two places back": (causal_pick(lambda r: hw.previous(r, by=2).or_else(1)), strict_pick, False),
    "keys in their place": (causal_pick(lambda r: hw.previous(r).or_else(1), lambda k: k), strict_pick, False),
    "positions": (
        lambda token, position: hw.match(token, hw.previous(token)).latest().fetch(position),
        lambda token, position: hw.match(token, token, before=True).latest().fetch(position + 1),
        True,
    ),
    "positions that stay": (
        lambda token, position: hw.match(token, hw.previous(token)).latest().fetch(position),
        lambda token, position: hw.match(token, token, before=True).latest().fetch(position),
        False,
    ),
    "totals": (
        lambda token: hw.select(token, hw.previous(token)).count(),
        lambda token: hw.select(token, token, before=True).count(),
        True,
    ),
    "totals of a value in its place": (
        lambda token: hw.select(token, hw.previous(token)).sum(hw.table(lambda t: t + 1, token)),
        lambda token: hw.select(token, token, before=True).sum(hw.table(lambda t: t + 1, token)),
        False,
    ),
}


@pytest.mark.parametrize("name", SHIFTS)
def test_shift_moves_keys_ranks_and_values_together(name: str) -> None:
    causal, strict, same = SHIFTS[name]
    a, b = graph(causal), graph(strict)
    assert accepts(a, b, "shift") == same == (outputs(a, a.output) == outputs(b, b.output))


def test_shift_does_not_take_the_lookups_themselves_for_equal() -> None:
    """They find t and t - 1: a value that is not one place on, read through the one and the other, is another value."""
    a, b = (graph(body) for body in (causal_pick(lambda r: hw.previous(r).or_else(1)), strict_pick))
    one, other = (next(i for i, n in reversed(list(enumerate(g.nodes))) if isinstance(n.op, Lookup)) for g in (a, b))
    last = a.nodes[a.output].args[0], b.nodes[b.output].args[0]
    ledger = Ledger(a)
    lowered = ledger.graph(b)
    for x, y in {(one, other), last}:
        with pytest.raises(Rejected, match="not equal by shift"):
            step(ledger.terms, "shift", ledger.program[x], lowered[y])
        with pytest.raises(Rejected, match="not equal by shift"):
            shift(ledger, ledger.program[x], lowered[y])
    shift(ledger, ledger.program[a.output], lowered[b.output])


@pytest.mark.parametrize("other", [3, 0])
def test_what_stands_in_for_a_missing_rank_counts(other: int) -> None:
    """`previous(r).or_else(y)` is `r.or_else(y)` one place back, with the same y: where r is ⊥, y decides."""

    def strict(token: hw.Value) -> hw.Value:
        return hw.match(True, token < 2, before=True).largest(by=maybe(token).or_else(3)).position + 1

    def causal(token: hw.Value) -> hw.Value:
        rank = hw.previous(maybe(token)).or_else(other)
        return hw.match(True, hw.previous(token < 2)).largest(by=rank).position

    a, b = optimised(graph(causal)), optimised(graph(strict))
    assert accepts(a, b, "shift") == (other == 3) == (outputs(a, a.output) == outputs(b, b.output))


PAIRS: dict[str, tuple[str, Body, Body, bool, bool]] = {  # rule, two programs, whether they mean the same, causal
    "sum of sums": ("sums", lambda token, position: (position + 2) + (position + 3), lambda token, position: position * 2 + 5, True, True),
    "another sum": ("sums", lambda token, position: (position + 2) + (position + 3), lambda token, position: position * 2 + 6, False, True),
    "a value and itself": ("decided", lambda position: hw.maximum(position, position), lambda position: position, True, True),
    "a value is itself": ("decided", lambda position: position == position, lambda position: True, True, True),
    "a missing value is not itself": ("decided", lambda token: maybe(token) == maybe(token), lambda token: True, False, True),
    "a value is not above itself": ("decided", lambda position: position > position, lambda position: True, False, True),
    "what cancels may be missing": (
        "sums",
        lambda token, position: maybe(token) - maybe(token) + position,
        lambda token, position: position + 0,
        False,
        True,
    ),
    "chains": (
        "chain",
        lambda token, position: token.at(maybe(token)).at(maybe(token)),
        lambda token, position: token.at(maybe(token).at(maybe(token))),
        True,
        True,
    ),
    "chains of maps that do not commute": (
        "chain",
        lambda token, position: token.at(maybe(token)).at(position - 1),
        lambda token, position: token.at(position - 1).at(maybe(token)),
        False,
        True,
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_sums_and_chains(name: str) -> None:
    rule, one, other, same, causal = PAIRS[name]
    a, b = graph(one, causal), graph(other, causal)
    assert (outputs(a, a.output) == outputs(b, b.output)) == same
    assert accepts(a, b, rule) == same


@pytest.mark.parametrize("causal", [True, False])
def test_chains_through_what_lies_ahead_compose_where_all_is_seen(causal: bool) -> None:
    """token.at(p).at(q) and token.at(p.at(q)), p = min(position + 1, N), q = position - 1: the first sees i only from the place i - 1."""
    builder = Builder("p", graph(lambda token: token, causal).sizes)
    token, position = builder.add(Token()), builder.add(Position())
    p = builder.add(Clip(1, N), [builder.add(Affine("position", (1,), 1), [position])])
    q = builder.add(Clip(1, N), [builder.add(Affine("position", (1,), -1), [position])])

    def at(value: int, pointer: int) -> int:
        return builder.add(Fetch(), [builder.add(Lookup("causal" if causal else "full", "only", 1), [pointer, position]), value])

    a, b = builder.finish(at(at(token, p), q)), builder.finish(at(token, at(p, q)))
    assert accepts(a, b, "chain") == (not causal) == (outputs(a, a.output) == outputs(b, b.output))


def test_constants_do_not_vouch_for_each_other() -> None:
    """max(1, 1) read where a match is found is ⊥ where none is; pushing a strict operation needs one that is read there."""
    a = graph(lambda token: hw.maximum(hw.match(token, token, before=True).latest().fetch(token), 1))
    ledger = Ledger(a)
    terms = ledger.terms
    one = ledger.add("const", (1,), ())
    lookup = next(n for n in ledger.program if terms.list[n].op == "lookup")
    top = ledger.add("extreme", (True,), (one, one))
    read = ledger.add("fetch", (), (lookup, top))
    for rule in RULES:
        with pytest.raises(Rejected):
            step(terms, rule, top, read)


@pytest.mark.parametrize("causal", [True, False])
def test_whatever_a_rule_accepts_means_the_same_on_every_input(causal: bool) -> None:
    """Random pairs of terms of random programs beside slightly different ones, by every rule; what is accepted is run."""
    rng, accepted = random.Random(11), dict.fromkeys(SHOWS, 0)
    for _ in range(150):
        numbers = [rng.randrange(1000) for _ in range(rng.randrange(4, 24))]
        other = list(numbers)
        other[rng.randrange(len(other))] = rng.randrange(1000)
        a, b = (generate.program(n, causal, most=1).build(N, V) for n in (numbers, other))
        ledger = Ledger(a)
        first, second = ledger.program, ledger.graph(b)
        terms = ledger.terms
        for _ in range(60):
            i, j = rng.randrange(len(first)), rng.randrange(len(second))
            x, y = first[i], second[j]
            if terms.same(x, y) or isinstance(a.nodes[i].op, Lookup) or isinstance(b.nodes[j].op, Lookup):
                continue
            rule = rng.choice(SHOWS if not isinstance(a.nodes[i].op, Fetch) else ["chain", "shift", "push", "place", "associate"])
            try:
                shown(ledger, rule, x, y)
            except Rejected:
                continue
            if not terms.same(x, y):  # chains take steps of their own
                continue
            accepted[rule] += 1
            assert outputs(a, i) == outputs(b, j), (rule, a, b, i, j)
    assert sum(accepted.values()) > 5, accepted
