"""headwork's worker: the library's programs."""

from __future__ import annotations

import headwork as hw

from .cell import Built, work
from .tasks import HOPS, Answers, Symbol, Task


def build(task: Task, length: int) -> Built:
    """A task's program, compiled with every default."""
    program = hw.programs.get(task.name, **({"k": HOPS} if task.name == "khop" else {}))
    model = hw.compile(program, length=length, alphabet=task.symbols)

    def run(tokens: list[Symbol]) -> Answers:
        answers = model.run(tokens)
        return [answer is True for answer in answers] if task.name == "dyck1" else answers  # ⊥: a bracket closed too many

    cost = model.cost
    return Built(cost.attention_layers, max(cost.heads), cost.d_model, cost.parameters, program.causal, run)


if __name__ == "__main__":
    work("headwork", build)
