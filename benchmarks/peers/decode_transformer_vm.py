"""mlx-transformer-vm on khop-8 over 64 symbols, token by token with its caches: tokens a second. Runs in its environment.

Its O(log n) cache in C++ is built from a file that its package does not contain; the one in Python is what is there.
"""

from __future__ import annotations

import random
import time

import mlx.core as mx
from mlx_transformer_vm.attention import OptimizedKVCache
from mlx_transformer_vm.attention.hull_cache import HullKVCache, has_hull_extension
from mlx_transformer_vm.attention.hull_python import PythonHullKVCache
from mlx_transformer_vm.graph import core as g
from mlx_transformer_vm.model import build_model

HOPS, SYMBOLS, CONTEXT, MORE = 8, 64, 1000, 100


def graph() -> g.ProgramGraph:
    """The token eight induction pointers back: three times the pointer over itself, then the token there."""
    g.reset_graph()
    x = g.InputDimension("x")
    previous = g.persist(g.fetch(x, query=g.position - 1, key=g.position) + 0)
    found, place = g.fetch([previous, g.position], query=x, key=previous)
    differs = g.persist(found - x)
    same = g.persist(g.one - g.stepglu(g.one, differs - 1) - g.stepglu(g.one, -1 * differs - 1))
    place = g.persist(g.reglu(place, same))
    for _ in range(HOPS.bit_length() - 1):
        place = g.persist(g.fetch(place, query=place, key=g.position) + 0)
    out = g.persist(g.fetch(x, query=place, key=g.position) + 0)
    inputs = {f"t{v}": g.one + v * x for v in range(1, SYMBOLS + 1)}
    value = {f"t{v}": v for v in range(1, SYMBOLS + 1)} | {"bos": 0}
    return g.ProgramGraph(inputs | {"bos": g.one + 0}, {name: 2 * v * out - (v * v) * g.one for name, v in value.items()})


def main() -> None:
    """Each cache after CONTEXT tokens."""
    mx.set_default_device(mx.cpu)
    model, names, ids, _ = build_model(program_graph=graph())
    rng = random.Random(1)
    text = ["bos", *(f"t{rng.randint(1, SYMBOLS)}" for _ in range(CONTEXT + MORE))]
    makers = {"dense cache": lambda: OptimizedKVCache(model.n_layers, model.n_heads, max_seq=len(text) + 1)}
    if has_hull_extension():
        makers["hull cache in C++"] = lambda: HullKVCache(model.n_layers, model.n_heads)
    else:
        print("no compiler or no source for the hull cache in C++;", end=" ")
        makers["hull cache in Python"] = lambda: PythonHullKVCache(model.n_layers, model.n_heads)
    said: list[list[str]] = []
    for what, make in makers.items():
        cache, answers = make(), list[str]()
        for layer, heads in enumerate(model.head_tiebreak):
            for head, latest in enumerate(heads):
                if latest:
                    cache.set_tiebreak(layer, head, True)
        start = 0.0
        for position, name in enumerate(text):
            if position == CONTEXT:
                start = time.process_time()
            answers.append(names[mx.argmax(model.step_logits(ids[name], position, cache)).item()])
        seconds = time.process_time() - start
        said.append(answers)
        print(f"khop-8, {what}, after {CONTEXT:,} tokens: {MORE / seconds:,.0f} a second;", end=" ")
    print("the caches agree" if all(answers == said[0] for answers in said) else "the caches DIFFER")


if __name__ == "__main__":
    main()
