"""Where Tracr's compiled models differ from its interpreter: each program and input of docs/from-rasp.md, run in Tracr's environment.

    PYTHON benchmarks/rasp_differences.py

PYTHON is the interpreter of an environment with Tracr, such as `make peers` leaves in benchmarks/peers/.cache/envs/tracr/bin/python.
Prints, for each, the input, what the interpreter says, and what the model says.
"""

from __future__ import annotations

import sys
from typing import Any


def cases() -> list[tuple[str, Any, Any, int, list[Any]]]:
    """A name, the program, its vocabulary, the longest sequence, and the input."""
    from tracr.compiler import lib  # type: ignore[import-not-found]
    from tracr.rasp import rasp  # type: ignore[import-not-found]

    everything = rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.TRUE)
    letters = set("ab")
    return [
        ("make_length()", lib.make_length(), letters, 12, list("ab" * 6)),
        ("make_reverse(tokens)", lib.make_reverse(rasp.tokens), set("abcd"), 16, list("abcd" * 4)),
        ("shift_by(1, shift_by(1, tokens))", lib.shift_by(1, lib.shift_by(1, rasp.tokens)), letters, 5, list("abaab")),
        ('shift_by(1, tokens == "a")', lib.shift_by(1, rasp.tokens == "a"), letters, 5, list("aab")),
        ("Aggregate(everything, tokens)", rasp.categorical(rasp.Aggregate(everything, rasp.tokens)), {1, 2, 3}, 5, [1, 3, 3, 3]),
        ("make_hist()", lib.make_hist(), set("abcd"), 64, list("abcd" * 16)),
    ]


def main() -> None:
    """The command."""
    from tracr.compiler import compiling  # type: ignore[import-not-found]

    wanted = sys.argv[1:]
    for name, program, vocabulary, longest, given in cases():
        if wanted and name not in wanted:
            continue
        try:
            model = compiling.compile_rasp_to_model(program, vocabulary, longest, compiler_bos="BOS")
            said = model.apply(["BOS", *given]).decoded[1:]
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
        print(f"{name}, longest {longest}, on {given}\n  interpreter: {program(given)}\n  model:       {said}", flush=True)


if __name__ == "__main__":
    main()
