"""What a round of messages costs as one attention layer: `python benchmarks/routing.py [N]`.

N machines with s slots and an inbox of s send one word, a position. Prints, for s = 2, 3, 4: heads (of them, those that
count), attention width (Σ d_head as the layer has it), d_model, the MLP of the round (hidden units, sublayers), and seconds
to compile, to run one sequence of N machines, and to certify.
"""

from __future__ import annotations

import random
import sys
import time

import headwork as hw
from headwork.compiler.language import Value
from headwork.compiler.ops import Affine
from headwork.mpc.routing import route


def round_of(slots: int) -> hw.Program:
    """A program that routes one round and returns the first message's word and the count."""

    @hw.program(name=f"round of {slots}", causal=False)
    def one_round(token: Value, position: Value) -> tuple[Value, ...]:
        builder = token.builder
        n = builder.sizes.length
        to: list[int] = []
        for r in range(slots):
            number = hw.table(lambda x, r=r: (x * (r + 1) + 37 * r) % (n + 1) or None, token)
            to.append(builder.add(Affine("position", (1,), 0), [number.index], f"to{r}"))
        got = route(builder, to, [[position.index]] * slots, slots, True, None)
        assert got.count is not None
        return tuple(Value(builder, node) for node in (got.count, *got.senders, *(word for (word,) in got.words)))

    return one_round


def main() -> None:
    """Measure and print a table."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1024
    rng = random.Random(0)
    print("| s | heads | attention width | d_model | hidden units | MLP sublayers | compile | run | certify |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for slots in (2, 3, 4):
        start = time.perf_counter()
        model = hw.compile(round_of(slots), length=n, alphabet=n + 1)
        compiled = time.perf_counter()
        model.run([rng.randrange(n + 1) for _ in range(n)])
        ran = time.perf_counter()
        hw.certify(model)
        certified = time.perf_counter()
        cost = model.cost
        seconds = [f"{b - a:.1f} s" for a, b in ((start, compiled), (compiled, ran), (ran, certified))]
        heads = f"{cost.heads[0]} ({slots} count)"
        sizes = [cost.heads[0] * cost.d_head, cost.d_model, sum(cost.d_mlp), cost.mlp_sublayers]
        print(f"| {slots} | {heads} | {' | '.join(map(str, sizes))} | {' | '.join(seconds)} |", flush=True)


if __name__ == "__main__":
    main()
