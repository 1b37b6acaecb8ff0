"""k hops cost k + 1 attention layers as written, and floor(log2 k) + 2 when compiled: the optimiser finds the doubling."""

from math import floor, log2

import headwork as hw

LENGTH, ALPHABET = 64, 4


def main() -> None:
    print(" k  as written  compiled  floor(log2 k) + 2  heads a layer  d_model")
    for k in range(1, 17):
        program = hw.programs.get("khop", k=k)
        written = program.build(LENGTH, ALPHABET).depth
        cost = hw.compile(program, length=LENGTH, alphabet=ALPHABET).cost
        theorem = floor(log2(k)) + 2
        print(f"{k:2}  {written:10}  {cost.attention_layers:8}  {theorem:17}  {max(cost.heads):13}  {cost.d_model:7}")
        assert cost.attention_layers == theorem
        assert set(cost.heads) == {1}


if __name__ == "__main__":
    main()
