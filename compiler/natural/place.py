"""Scheduling of a natural plan: every feature as early as its inputs allow; what a head brought is rounded in the next MLP."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError
from .stage import Compute, Copy, Embed, Plan


@dataclass(frozen=True, slots=True)
class Attention:
    """An attention layer: (head, the features it writes) of each head."""

    heads: tuple[tuple[int, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class Mlp:
    """An MLP: the features it writes, and those it rounds in place."""

    writes: tuple[int, ...]
    rounds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Schedule:
    """The blocks in order."""

    plan: Plan
    blocks: tuple[Attention | Mlp, ...]

    def ready(self) -> dict[int, int]:
        """The block after which each feature can be read: 0 is the embedding."""
        found = {f: 0 for f, feature in enumerate(self.plan.features) if isinstance(feature.recipe, Embed)}
        for number, part in enumerate(self.blocks, 1):
            if isinstance(part, Attention):
                found.update((f, number) for _, writes in part.heads for f in writes)
            else:
                found.update((f, number) for f in (*part.writes, *part.rounds))
        return found

    def __str__(self) -> str:
        lines = [f"schedule of {self.plan.graph.name}: {sum(isinstance(b, Attention) for b in self.blocks)} attention layers"]
        names = [feature.name for feature in self.plan.features]
        for number, part in enumerate(self.blocks, 1):
            if isinstance(part, Attention):
                lines += [f"{number:3}  attention  {self.plan.heads[h].name}: {', '.join(names[f] for f in fs)}" for h, fs in part.heads]
            else:
                said = [names[f] for f in part.writes] + [f"{names[f]} rounded" for f in part.rounds]
                lines.append(f"{number:3}  mlp        {', '.join(said)}")
        return "\n".join(lines)


def schedule(plan: Plan, heads: int | None = None) -> Schedule:
    """A layer takes the ready heads with the longest way still to go, at most `heads` of them. Raises InputError for a budget below 1."""
    if heads is not None and (isinstance(heads, bool) or not isinstance(heads, int) or heads < 1):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"the head budget is {heads!r}", hint="give an integer of at least 1, or none for no limit")
    owner = plan.owner()
    needs = [{owner[dim] for dim in feature.reads(plan.heads)} for feature in plan.features]
    rank = [0] * len(needs)
    for f in reversed(range(len(needs))):  # features come after what they read
        for needed in needs[f]:
            assert needed < f
            rank[needed] = max(rank[needed], rank[f] + isinstance(plan.features[f].recipe, Copy))
    readable = {f for f, feature in enumerate(plan.features) if isinstance(feature.recipe, Embed)}
    waiting = set(range(len(needs))) - readable
    rough: list[int] = []
    blocks: list[Attention | Mlp] = []
    while waiting or rough:
        computed = sorted(f for f in waiting if isinstance(plan.features[f].recipe, Compute) and needs[f] <= readable)
        if computed or rough:
            blocks.append(Mlp(tuple(computed), tuple(rough)))
            waiting.difference_update(computed)
            readable.update(rough)
            rough = [f for f in computed if plan.features[f].cleaner]
            readable.update(set(computed) - set(rough))
            continue
        uses: dict[int, list[int]] = {}
        for f in sorted(waiting, key=lambda f: (-rank[f], f)):
            recipe = plan.features[f].recipe
            if isinstance(recipe, Copy) and needs[f] <= readable and (recipe.head in uses or heads is None or len(uses) < heads):
                uses.setdefault(recipe.head, []).append(f)
        assert uses, "nothing is ready"
        blocks.append(Attention(tuple((h, tuple(sorted(fs))) for h, fs in sorted(uses.items()))))
        written = [f for fs in uses.values() for f in fs]
        waiting.difference_update(written)
        rough = [f for f in written if plan.features[f].cleaner]
        readable.update(set(written) - set(rough))
    return Schedule(plan, tuple(blocks))
