"""transformer-vm's worker (its MLX port): programs in its graph language, run token by token on its hard-maximum attention."""

from __future__ import annotations

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_transformer_vm.attention import OptimizedKVCache
from mlx_transformer_vm.graph import core as g
from mlx_transformer_vm.model import build_model

from .cell import Built, Inexpressible, work
from .tasks import HOPS, Answers, Symbol, Task

BOS = "bos"


def pointer(x: g.Dimension, previous: g.Expression) -> g.Expression:
    """The position after the latest earlier occurrence of this token, 0 (BOS) where there is none."""
    found, place = g.fetch([previous, g.position], query=x, key=previous)
    differs = g.persist(found - x)
    same = g.persist(g.one - g.stepglu(g.one, differs - 1) - g.stepglu(g.one, -1 * differs - 1))
    return g.persist(g.reglu(place, same))


def sums(values: list[g.Expression | g.Dimension]) -> list[g.Expression]:
    """Sums so far: a mean over position + 1 keys, BOS included, times as many. (The library's `fetch_sum` takes the position alone.)"""
    means = g.fetch(values, query=g.Expression(), key=g.Expression(), tie_break="average")
    return [g.persist(g.reglu(mean, g.position + 1)) for mean in means]


def graph(task: Task, length: int) -> tuple[g.ProgramGraph, dict[str, Symbol | bool]]:
    """A task as a graph, and what each of its output tokens means; BOS stands for no answer."""
    g.reset_graph()
    if task.name == "histogram":
        marks = [g.InputDimension(f"is_{symbol}") for symbol in task.symbols]
        counts = sums(list(marks))
        out = g.persist(sum((g.reglu(count, mark) for count, mark in zip(counts, marks, strict=True)), g.Expression()))
        inputs = {f"t{symbol}": g.one + mark for symbol, mark in zip(task.symbols, marks, strict=True)}
        meaning: dict[str, Symbol | bool] = {f"n{n}": n for n in range(length + 1)}
        value = {f"n{n}": n for n in range(length + 1)}
    elif task.name == "dyck1":
        step = g.InputDimension("step")
        (depth,) = sums([step])
        (broken,) = sums([g.stepglu(g.one, -1 * depth - 1)])
        balanced = g.reglu(g.stepglu(g.one, -1 * depth), g.one - g.stepglu(g.one, broken - 1))
        out = g.persist(g.one + balanced)  # 1 or 2: a token that is no output scores 0
        inputs = {"t(": g.one + step, "t)": g.one - step}
        meaning, value = {"no": False, "yes": True}, {"no": 1, "yes": 2}
    else:
        x = g.InputDimension("x")
        previous = g.persist(g.fetch(x, query=g.position - 1, key=g.position) + 0)
        out = previous
        if task.name != "previous":
            place = pointer(x, previous)
            for _ in range((HOPS if task.name == "khop" else 1).bit_length() - 1):
                place = g.persist(g.fetch(place, query=place, key=g.position) + 0)
            out = g.persist(g.fetch(x, query=place, key=g.position) + 0)
        inputs = {f"t{symbol}": g.one + symbol * x for symbol in task.symbols}
        meaning, value = {f"t{symbol}": symbol for symbol in task.symbols}, {f"t{symbol}": symbol for symbol in task.symbols} | {BOS: 0}
    # the greatest of 2·v·out - v² is the v nearest to out
    scores = {name: 2 * v * out - (v * v) * g.one for name, v in value.items()}
    return g.ProgramGraph(inputs | {BOS: g.one + 0}, scores), meaning


def build(task: Task, length: int) -> Built:
    """Compile with every default."""
    if not task.causal:
        raise Inexpressible("its attention is causal")
    program, meaning = graph(task, length)
    model, names, ids, _ = build_model(program_graph=program)

    def run(tokens: list[Symbol]) -> Answers:
        cache = OptimizedKVCache(model.n_layers, model.n_heads, max_seq=length + 1)
        for layer, heads in enumerate(model.head_tiebreak):
            for head, latest in enumerate(heads):
                if latest:
                    cache.set_tiebreak(layer, head, True)
        out: Answers = []
        for position, name in enumerate([BOS, *(f"t{token}" for token in tokens)]):
            best = mx.argmax(model.step_logits(ids[name], position, cache)).item()
            out.append(meaning.get(names[best]))
        return out[1:]

    parameters = sum(array.size for _, array in tree_flatten(model.parameters()))
    return Built(model.n_layers, model.n_heads, model.d_model, parameters, True, run)


if __name__ == "__main__":
    mx.set_default_device(mx.cpu)
    work("transformer-vm", build)
