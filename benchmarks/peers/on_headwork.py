"""headwork's worker."""

from __future__ import annotations

import headwork as hw

from .cell import Built, work
from .tasks import HOPS, Task


def histogram(token: hw.Value) -> hw.Value:
    """How often this token occurs."""
    return hw.match(token, token).count()


def reverse(token: hw.Value, position: hw.Value) -> hw.Value:
    """The token as far from the end as this is from the beginning."""
    return hw.match(position, hw.visible(token).count() + 1 - position).latest().fetch(token)


def sort(token: hw.Value, position: hw.Value) -> hw.Value:
    """The token whose rank is this position; equal ones rank as they came."""
    number = hw.table(lambda symbol: symbol - 1, token)
    rank = hw.select(number, number, ">").count() + hw.match(token, token, before=True).count() + 1
    return hw.match(position, rank).latest().fetch(token)


def dyck1(token: hw.Value) -> hw.Value:
    """Whether the depth is zero here and was nowhere negative."""
    depth = hw.match("(", token).count() - hw.match(")", token).count()
    return (depth == 0) & ~hw.visible(token).any(depth < 0)


PROGRAMS = {
    "previous": hw.programs.get("previous"),
    "induction": hw.programs.get("induction"),
    "khop": hw.programs.get("khop", k=HOPS),
    "histogram": hw.program(causal=False)(histogram),
    "reverse": hw.program(causal=False)(reverse),
    "sort": hw.program(causal=False)(sort),
    "dyck1": hw.program(dyck1),
}


def build(task: Task, length: int) -> Built:
    """A task's program, compiled with every default."""
    model = hw.compile(PROGRAMS[task.name], length=length, alphabet=task.symbols)
    cost = model.cost
    return Built(cost.attention_layers, max(cost.heads), cost.d_model, cost.parameters, PROGRAMS[task.name].causal, model.run)


if __name__ == "__main__":
    work("headwork", build)
