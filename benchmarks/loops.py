"""Random loops: bodies drawn from the language, compiled as one block, certified by induction, and compared with plain iteration.

    python benchmarks/loops.py --count 200 --seed 1

For each program: compile, certify, then for some numbers of rounds run random texts and every text of up to two tokens against the
interpreter, and check every value inside. Also one weight is changed: the certificate must refuse, or nothing may be wrong.
"""

from __future__ import annotations

import argparse
import itertools
import random
import time
from collections import Counter

import headwork as hw
from headwork.compiler.domain import Symbol

LENGTH, WORDS = 7, tuple("abc")


def drawn(seed: int) -> hw.Program:
    """A program whose loop's body is drawn with a seed: a state of one to three values, each made anew from the others."""
    draw = random.Random(seed)
    kinds = [draw.choice(("pointer", "number", "truth")) for _ in range(draw.randint(1, 3))]
    plan = [(draw.randrange(5), draw.randrange(3), draw.randrange(3), draw.randint(1, 4)) for _ in kinds]
    first, causal, strict = draw.randrange(3), draw.random() < 0.6, draw.random() < 0.5

    @hw.program(name=f"loop {seed}", alphabet=WORDS, causal=causal)
    def program(token: hw.Value, position: hw.Value) -> tuple[hw.Value, ...]:
        number = hw.table(WORDS.index, token)
        same = hw.match(query=token, key=token, before=strict and causal).latest()
        start = {"pointer": (same.position, position - 1, position)[first], "number": (number, number * 2, position)[first]}
        start["truth"] = (token == "a", position > 2, number == 2)[first]
        names = [f"{kind[0]}{i}" for i, kind in enumerate(kinds)]

        def body(*state: hw.Value) -> tuple[hw.Value, ...]:
            of = {kind: [v for k, v in zip(kinds, state, strict=True) if k == kind] for kind in ("pointer", "number", "truth")}

            def some(kind: str, i: int) -> hw.Value:
                return of[kind][i % len(of[kind])] if of[kind] else start[kind]

            def pointer(way: int, i: int, j: int, k: int) -> hw.Value:
                p, q = some("pointer", i), some("pointer", j)
                return (p.at(q), hw.where(some("truth", i), p, q.at(p)), p, q.at(same.position), hw.where(position > k, p.at(p), q))[way]

            def value(way: int, i: int, j: int, k: int) -> hw.Value:
                x, y, p = some("number", i), some("number", j), some("pointer", i)
                count = hw.match(query=x, key=y).count()
                return (hw.minimum(x + y, 9), hw.minimum(y.at(p).or_else(k), 9), hw.minimum(count, 6), hw.maximum(x - k, 0), x)[way]

            def truth(way: int, i: int, j: int, k: int) -> hw.Value:
                t, u, p = some("truth", i), some("truth", j), some("pointer", i)
                found = hw.match(query=(token, True), key=(token, t)).latest().found
                return (t & u, ~t, u.at(p).or_else(False), found, some("number", i) == k)[way]

            make = {"pointer": pointer, "number": value, "truth": truth}
            return tuple(make[kind](*how) for kind, how in zip(kinds, plan, strict=True))

        parameters = ", ".join(names)
        step = eval(f"lambda {parameters}: body({parameters})", {"body": body})
        found = hw.loop(2, step if len(kinds) > 1 else lambda x: body(x)[0], *(start[kind] for kind in kinds))
        return found if isinstance(found, tuple) else (found,)

    return program


def right(model: hw.Looped, program: hw.Program, rng: random.Random) -> bool:
    """Whether answers and every value inside are plain iteration's."""
    short: list[list[Symbol]] = [list(text) for n in (1, 2) for text in itertools.product(WORDS, repeat=n)]
    rows = short + [rng.choices(WORDS[: rng.randint(1, 3)], k=rng.randint(1, LENGTH)) for _ in range(12)]
    for times in (0, 1, 2, 5):
        plain = hw.unrolled(program, times)
        if model.run(rows, times=times) != [hw.interpret(plain, row, length=LENGTH) for row in rows]:
            return False
    return hw.check(model.repeat(2), samples=4, exhaustive=2, seed=rng.randrange(1 << 20)).ok


def tried(seed: int) -> str:
    """What became of one program, in a word."""
    rng, program = random.Random(seed), drawn(seed)
    try:
        model = hw.compile(program, length=LENGTH)
    except (hw.ProgramError, hw.ExactnessError):
        return "refused to compile"
    assert isinstance(model, hw.Looped)
    if not right(model, program, rng):
        return "WRONG"
    try:
        hw.certify(model, witness=False)
    except hw.Refused:
        return "right, not certified"
    _, tied = model.whole()
    tensor = tied[rng.choice([name for name, t in sorted(tied.items()) if t.numel()])].data.view(-1)
    place = rng.randrange(len(tensor))
    tensor[place] += rng.choice((-1.0, 1.0))
    try:
        hw.certify(model, witness=False)
    except hw.Refused:
        return "certified, change refused"
    return "certified, change without effect" if right(model, program, rng) else "CERTIFIED AND WRONG"


def main() -> None:
    """Try so many programs, and print what became of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    start, found = time.time(), Counter[str]()
    for seed in range(options.seed, options.seed + options.count):
        verdict = tried(seed)
        found[verdict] += 1
        if verdict.isupper() or verdict == "right, not certified":
            print(seed, verdict, flush=True)
    print(", ".join(f"{what}: {n}" for what, n in sorted(found.items())), f"in {time.time() - start:.0f} s")


if __name__ == "__main__":
    main()
