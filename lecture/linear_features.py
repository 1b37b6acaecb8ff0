"""How many features linear attention needs: a bound, features that reach it, and prompts that defeat fewer.

What r must be. Linear attention answers a query a over pairs (b, v_b), v_b = ±1, by the sign of Σ_b M_ab v_b, M_ab = ⟨φ(a), ψ(b)⟩. It is
right for every choice of at most m different keys and of their values if and only if M_aa > Σ_{b in B} |M_ab| for every a and every set B
of m - 1 other keys: the worst values are v_b = -sign M_ab v_a. Then each m x m principal submatrix is strictly diagonally dominant, hence
has rank m (Levy, Desplanques), and M is a product of σ x r by r x σ. So r >= m, and with m = σ, r = σ features are needed and are enough
(one-hot). Below, `witness` gives a prompt that any features get wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from .shown import Check


def witness(phi: np.ndarray, psi: np.ndarray, m: int) -> tuple[int, list[int], list[int]] | None:
    """A query, at most m keys and their values ±1 that these features answer wrongly, or None. Shapes: (σ, r) each; integers stay exact."""
    M = phi @ psi.T
    for a in range(len(M)):
        others = sorted((b for b in range(len(M)) if b != a), key=lambda b: -abs(M[a, b]))[: m - 1]
        if M[a, a] <= sum(abs(M[a, b]) for b in others):
            return a, [a, *others], [1, *(-1 if M[a, b] > 0 else 1 for b in others)]
    return None


def answer(phi: np.ndarray, psi: np.ndarray, query: int, keys: Sequence[int], values: Sequence[int]) -> float:
    """What linear attention computes: φ(query) · Σ ψ(key) value; its sign is the answer."""
    return float(phi[query] @ sum(psi[b] * v for b, v in zip(keys, values, strict=True)))


def features(symbols: int, m: int, r: int, seeds: int = 4, steps: int = 200) -> tuple[np.ndarray, np.ndarray] | None:
    """Integer features that are right for all prompts of m pairs, found by descent and proved by `witness`; None where none was found."""
    itself = torch.eye(symbols, dtype=torch.bool)
    for seed in range(seeds):
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(symbols, r, generator=generator, dtype=torch.float64).requires_grad_()
        adam = torch.optim.Adam([x], lr=0.05)
        for step in range(steps):
            phi = x / x.norm(dim=1, keepdim=True)  # φ = ψ on the sphere, so M_aa = 1
            if step % 25 == 0:
                whole = np.round(phi.detach().numpy() * 1024).astype(np.int64)
                if witness(whole, whole, m) is None:
                    return whole, whole
            off = (phi @ phi.T).abs().masked_fill(itself, 0)
            loss = (off.topk(m - 1, 1).values.sum(1) * 30).logsumexp(0)
            adam.zero_grad()
            loss.backward()
            adam.step()
    if r >= symbols:
        return np.eye(symbols, dtype=np.int64), np.eye(symbols, dtype=np.int64)
    return None


def coherence(symbols: int, m: int, r: int) -> float:
    """Of the features found, the greatest share of a key's own weight that m - 1 others take: below 1 they are always right."""
    found = features(symbols, m, r)
    assert found is not None
    M = found[0] @ found[1].T
    off = np.sort(np.abs(M - np.diag(M.diagonal())), axis=1)[:, ::-1][:, : m - 1]
    return float((off.sum(1) / M.diagonal()).max())


def defeated() -> Check:
    """Random features, one fewer than the pairs: each must have a prompt that it answers wrongly."""
    rng, wrong = np.random.default_rng(0), 0
    for _ in range(200):
        m = int(rng.integers(2, 8))
        phi, psi = (rng.integers(-9, 10, size=(m + 1, m - 1)) for _ in range(2))
        found = witness(phi, psi, m)
        wrong += found is None or answer(phi, psi, *found) > 0
    return Check("random features, one too few, that a prompt defeats", 200, wrong)
