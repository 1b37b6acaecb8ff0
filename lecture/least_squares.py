"""Least squares without rounding, in fractions, and how far rounding may take a model of gradient steps from them.

Rounding. A layer computes d products, n sums and one difference for each token in some order; with u the unit roundoff and
γ = (n + 2d + 2)u / (1 - (n + 2d + 2)u), what it computes differs from what it should by at most γ (|r_i| + Σ_j (|W_Q||x_i|)·|x_j| |r_j|)
(Higham, Accuracy and Stability of Numerical Algorithms, §3), in either order of multiplication. An error e at the pairs before the layer is
|1 - ηG| e after it, G the Gram matrix. `rounding` adds both up.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import torch

UNIT = {torch.float32: 2.0**-24, torch.float64: 2.0**-53}


def exact(x: np.ndarray, y: np.ndarray, query: np.ndarray, layers: int, step: float) -> Fraction:
    """Gradient descent without any rounding, in fractions."""
    X, Y = [[Fraction(float(a)) for a in row] for row in x], [Fraction(float(a)) for a in y]
    w, eta = [Fraction(0)] * len(X[0]), Fraction(step)
    for _ in range(layers):
        off = [sum((a * b for a, b in zip(row, w, strict=True)), Fraction(0)) - t for row, t in zip(X, Y, strict=True)]
        w = [b - eta * sum((o * row[i] for o, row in zip(off, X, strict=True)), Fraction(0)) for i, b in enumerate(w)]
    return sum((Fraction(float(a)) * b for a, b in zip(query, w, strict=True)), Fraction(0))


def least_squares(x: np.ndarray, y: np.ndarray, query: np.ndarray, alpha: float) -> Fraction:
    """The intention layer's answer by elimination in fractions."""
    d = x.shape[1]
    X, Y = [[Fraction(float(a)) for a in row] for row in x], [Fraction(float(a)) for a in y]
    rows = [[sum(r[i] * r[j] for r in X) + (Fraction(alpha) if i == j else 0) for j in range(d)] for i in range(d)]
    rows = [[*row, sum((r[i] * t for r, t in zip(X, Y, strict=True)), Fraction(0))] for i, row in enumerate(rows)]
    for i in range(d):  # α > 0 makes every pivot positive
        rows[i] = [a / rows[i][i] for a in rows[i]]
        for j in range(d):
            if j != i:
                rows[j] = [a - rows[j][i] * b for a, b in zip(rows[j], rows[i], strict=True)]
    return sum((Fraction(float(a)) * row[-1] for a, row in zip(query, rows, strict=True)), Fraction(0))


def rounding(x: np.ndarray, y: np.ndarray, query: np.ndarray, layers: int, step: float, dtype: torch.dtype) -> float:
    """How far rounding may take the model from exact gradient descent, from the inequality above.

    Residuals are those of float64; they are enlarged by the bound so far, so that the computed ones are covered.
    """
    n, d = x.shape
    u = UNIT[dtype]
    gamma = (n + 2 * d + 2) * u / (1 - (n + 2 * d + 2) * u)
    tokens = np.vstack([x, query])
    gram, size = step * tokens @ x.T, step * np.abs(tokens) @ np.abs(x).T  # (n + 1, n)
    keep = np.eye(n + 1)[:, :n] - gram
    r, e = np.append(y, 0.0), np.zeros(n + 1)
    for _ in range(layers):
        held = np.abs(r) + e
        grown = np.abs(keep) @ e[:n] + np.append(np.zeros(n), e[n])
        e = grown + gamma * (held + size @ held[:n])
        r = r - gram @ r[:n]
    return float(e[n]) * (1 + 1e-9)  # this function's own rounding is float64's
