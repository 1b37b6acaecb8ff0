"""Linear attention against gradient descent in fractions, and what would break the equality."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from headwork.lecture import gradient_step as gs


@pytest.mark.parametrize("order", gs.ORDERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("layers", [0, 1, 2, 5])
def test_layers_are_steps_within_the_rounding_bound(order: gs.Order, dtype: torch.dtype, layers: int) -> None:
    model = gs.GradientSteps(3, layers, 1 / 64, order=order)
    for task in gs.tasks(10, seed=layers):
        error = abs(Fraction(gs.predict(model, task, dtype)) - gs.exact(*task, layers, 1 / 64))
        assert error <= gs.rounding(*task, layers, 1 / 64, dtype)
        assert gs.rounding(*task, layers, 1 / 64, dtype) < (1e-3 if dtype == torch.float32 else 1e-12)


def test_one_step_by_hand() -> None:
    """Pairs (1, 2), (3, 4), step 1/2: w = ½(1·2 + 3·4) = 7, so 7·5 = 35 at the query 5."""
    task = np.array([[1.0], [3.0]]), np.array([2.0, 4.0]), np.array([5.0])
    assert gs.predict(gs.build(1, 1, 0.5), task) == 35
    assert gs.exact(*task, 1, 0.5) == 35 and gs.oracle(*task, 1, 0.5) == 35


def test_a_step_more_or_less_is_outside_the_bound() -> None:
    (task,) = gs.tasks(1)
    got = Fraction(gs.predict(gs.build(layers=4), task))
    assert all(abs(got - gs.exact(*task, t, 1 / 64)) > gs.rounding(*task, 4, 1 / 64, torch.float64) for t in (3, 5))


def test_a_preconditioner_is_numpys() -> None:
    P = np.array([[2.0, 0.5, 0], [0, 1, 0], [0, 0, 0.25]])
    for task in gs.tasks(10):
        assert gs.predict(gs.build(3, 6, 1 / 64, P), task) == pytest.approx(gs.oracle(*task, 6, 1 / 64, P), rel=1e-12, abs=1e-12)


def test_the_inverse_gram_matrix_as_preconditioner_is_least_squares_in_one_layer() -> None:
    (task,) = gs.tasks(1)
    x, y, query = task
    one = gs.predict(gs.build(3, 1, 1.0, np.linalg.inv(x.T @ x)), task)
    assert one == pytest.approx(float(query @ np.linalg.lstsq(x, y, rcond=None)[0]), rel=1e-12)


@pytest.mark.parametrize("alpha", [0.01, 0.5, 4.0])
def test_the_intention_layer_is_ridge_regression(alpha: float) -> None:
    for task in gs.tasks(10, seed=7):
        x, y, query = task
        by_numpy = float(query @ np.linalg.solve(x.T @ x + alpha * np.eye(3), x.T @ y))
        assert float(gs.least_squares(*task, alpha)) == pytest.approx(by_numpy, rel=1e-10)
        assert gs.predict(gs.Intention(alpha), task) == pytest.approx(by_numpy, rel=1e-10)


@pytest.mark.parametrize("n,d", [(1, 1), (5, 3), (16, 16), (40, 2)])
def test_both_orders_are_the_same_bits_on_integers_and_cost_what_torch_counts(n: int, d: int) -> None:
    q, k, v = (torch.randint(-8, 9, (2, n, d)).float() for _ in range(3))
    assert torch.equal(gs.attend(q, k, v, "(QK)V"), gs.attend(q, k, v, "Q(KV)"))
    for order in gs.ORDERS:
        assert gs.cost(n, d, order, d)["multiplications"] == gs.counted(n, d, order)
    assert (gs.counted(n, d, "(QK)V") < gs.counted(n, d, "Q(KV)")) == (n < d)


def test_the_bound_rows() -> None:
    assert [row.verdict for row in gs.bound(5, 12, 3)] == ["meets", "meets"]
