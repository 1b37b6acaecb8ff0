"""Relations of low rank take their rank in dimensions: factors are exact, and models with them are certified and as the one-hot ones."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest

import headwork as hw
from headwork.compiler.ops import Relation
from headwork.compiler.rewrite.factor import Factors, factored_part, factors

BITS = np.arange(32)


def relation(table: object) -> Relation:
    """A table of truths as a relation."""
    held = np.array(table, np.int64)
    return (0, held.shape[0], 0, held.shape[1], *(int(x) for x in held.flat))


def exact(found: Factors | None, table: object) -> Factors:
    """Factors that multiply to what they should."""
    assert found is not None
    u, v = np.array(found.queries).T, np.array(found.keys)
    assert (u @ v == found.over * (found.scale * np.array(table, np.int64) - found.shift)).all()
    return found


@pytest.mark.parametrize(
    ("table", "rank"),
    [
        (np.kron(np.eye(2), np.ones((3, 5))), 1),  # two blocks: half of 1 and a product of signs
        (np.kron(np.eye(3), np.ones((3, 5))), 3),
        ((BITS[:, None] > 20) | (BITS[None, :] < 7), 1),  # thresholds and a constant: all but a rectangle
        ((BITS[:, None] > 20) & (BITS[None, :] < 7), 1),
        (BITS[:, None] % 2 != BITS[None, :] // 4 % 2, 1),  # XOR of bits, as a product of signs
        ((BITS[:, None] % 2 != BITS[None, :] // 4 % 2) & (BITS[:, None] < 9), 2),
        (BITS[:, None] >> (BITS[None, :] % 5) & 1, 5),  # whether the query's bits have the key's
    ],
)
def test_tables_of_known_rank(table: object, rank: int) -> None:
    assert len(exact(factors(relation(table), False), table).queries) == rank


def test_with_bottom_there_is_no_constant() -> None:
    table = (BITS[:, None] > 20) | (BITS[None, :] < 7)
    found = exact(factors(relation(table), True), table)
    assert len(found.queries) == 2 and found.shift == 0


def test_an_equality_has_no_factors() -> None:
    assert factors(relation(np.eye(12)), False) is None


def test_factors_of_random_tables_multiply_to_them() -> None:
    rng = np.random.default_rng(0)
    for _ in range(40):
        rank, rows, columns = (int(x) for x in rng.integers((1, 8, 8), (6, 40, 40)))
        classes = rng.integers(rank, size=columns)  # disjoint rectangles: any of the query's classes may be wanted
        wanted = rng.integers(2, size=(rows, rank))
        table = wanted[:, classes]
        found = factors(relation(table), bool(rng.integers(2)))
        if found is not None:
            assert len(exact(found, table).queries) <= rank
        else:
            assert not table.any() or 2 * np.linalg.matrix_rank(table) >= rows + columns


def models(read: Callable[[hw.Selector, hw.Value], hw.Value], causal: bool, f: Callable[[int, int], object]) -> list[hw.Model]:
    """A program with a relation of positions, with factors and without, by a pinned code."""

    @hw.program(causal=causal)
    def related(token: hw.Value, position: hw.Value) -> hw.Value:
        return read(hw.select(position, position, lambda q, k: bool(f(q, k))), token)

    return [hw.compile(related, length=64, alphabet=4, code=code) for code in ("auto", "onehot")]


@pytest.mark.parametrize(
    ("read", "causal", "most"),
    [(lambda s, _: s.count(), False, (14, 66)), (lambda s, token: s.latest().fetch(token), True, (16, 68))],
    ids=["count", "latest"],
)
def test_a_model_takes_the_rank_in_dimensions(
    read: Callable[[hw.Selector, hw.Value], hw.Value], causal: bool, most: tuple[int, int]
) -> None:
    few, many = models(read, causal, lambda q, k: q >> (k % 6) & 1)
    assert (few.cost.d_model, many.cost.d_model) == most
    assert hw.certify(few) and hw.certify(many)
    rng = random.Random(0)
    for _ in range(5):
        row = rng.choices(range(4), k=rng.randint(1, 64))
        assert few.run(row) == many.run(row) == hw.interpret(few, row)


def test_factors_of_computed_values_and_of_bottom() -> None:
    @hw.program(causal=False)
    def related(token: hw.Value, position: hw.Value) -> tuple[hw.Value, hw.Value]:
        earlier = hw.match(query=token, key=token, before=True).latest().position  # ⊥ at the first of its kind
        bits = hw.table(lambda t: None if t == 9 else t, token)
        count = hw.select(bits, position, lambda q, k: bool(q >> (k % 6) & 1)).count()
        return count, hw.select(position, hw.table(lambda p: p % 6, earlier), lambda q, k: bool(q >> k & 1)).latest().fetch(token)

    model = hw.compile(related, length=64, alphabet=64)
    parts = [factored_part(model.optimised, i, 0) for i, node in enumerate(model.optimised.nodes) if node.op.label().count("relation")]
    assert len(parts) == 2 and all(part is not None and len(part.queries) == 6 for part in parts)
    assert hw.certify(model)
    rng = random.Random(1)
    for _ in range(10):
        row = rng.choices([*range(8, 64, 5), 9], k=rng.randint(1, 64))
        assert model.run(row) == hw.interpret(model, row)


def test_a_wrong_factor_is_not_certified() -> None:
    few, _ = models(lambda s, _: s.count(), False, lambda q, k: q >> (k % 6) & 1)
    query = few.module.blocks[0].W_Q
    at = query.abs().argmax()
    query.data.view(-1)[at] *= 2
    with pytest.raises(hw.HeadworkError, match="matches score from -4 to -1 steps, not alike"):
        hw.certify(few)
