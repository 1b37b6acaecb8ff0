"""A Boolean circuit evaluated on its own text, one gate a step (arXiv 2402.12875)."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import cast

from ..compiler import language as hw
from ..compiler.domain import Symbol
from ..compiler.errors import InputError
from .entry import Entry, always

Gate = Sequence[object]

BITS = ("0", "1")
TABLES: dict[str, Callable[[bool, bool], bool]] = {
    "and": lambda a, b: a and b,
    "or": lambda a, b: a or b,
    "xor": lambda a, b: a != b,
    "nand": lambda a, b: not (a and b),
}
ADDER = (("xor", 1, 2), ("xor", 4, 3), ("and", 1, 2), ("and", 4, 3), ("or", 6, 7))  # of three bits: the sum is wire 5, the carry 8


def make(gates: Sequence[Gate] = ADDER, inputs: int = 3) -> hw.Program:
    """After `inputs` bits: the value of the next gate, at every step one; ⊥ after the last gate.

    A gate is [and, or, xor or nand, wire, wire]; wires are numbered from 1, the inputs first, then the gates in their order, and a gate
    reads earlier ones. One layer of two heads: a place knows which gate comes next, and looks both wires up.
    Raises InputError for a gate that is none, or reads a wire that is not known before it.
    """
    _check(gates, inputs)
    wires: dict[int, tuple[int, int]] = {inputs + i: (cast("int", g[1]), cast("int", g[2])) for i, g in enumerate(gates)}
    names = tuple(TABLES)
    kinds = {inputs + i: names.index(str(g[0])) for i, g in enumerate(gates)}

    @hw.program(name="circuit_by_steps", alphabet=BITS)
    def circuit(token: hw.Value, position: hw.Value) -> hw.Value:
        first, second = (
            hw.match(query=hw.table(lambda p, side=side: wires[p][side] if p in wires else None, position), key=position)
            .latest()
            .fetch(token)
            for side in (0, 1)
        )
        kind = hw.table(kinds.get, position)
        return hw.table(lambda k, a, b: BITS[TABLES[names[k]](a == "1", b == "1")], kind, first, second)

    return circuit


def _check(gates: Sequence[Gate], inputs: int) -> None:
    if inputs < 1:
        raise InputError(f"program circuit_by_steps was given inputs={inputs}", hint="give inputs of at least 1")
    if not gates:
        raise InputError("program circuit_by_steps was given no gates", hint='a gate is ["and", 1, 2]')
    for i, gate in enumerate(gates):
        known = inputs + i
        if isinstance(gate, str) or not isinstance(gate, Sequence) or len(gate) != 3 or gate[0] not in TABLES:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"program circuit_by_steps was given the gate {gate!r}", hint=f"a gate is [{', '.join(TABLES)}; wire; wire]")
        if not all(isinstance(w, int) and 1 <= w <= known for w in gate[1:]):
            raise InputError(f"gate {i + 1} of circuit_by_steps reads {gate[1:]}", hint=f"{known} wires are known before it, from 1")


def reference(tokens: Sequence[Symbol], gates: Sequence[Gate] = ADDER, inputs: int = 3) -> list[Symbol | None]:
    """Each place's next gate on the bits that stand in the text."""
    out: list[Symbol | None] = []
    for i in range(1, len(tokens) + 1):
        gate = gates[i - inputs] if inputs <= i < inputs + len(gates) else None
        out.append(None if gate is None else str(int(TABLES[str(gate[0])](*(tokens[cast("int", w) - 1] == "1" for w in gate[1:])))))
    return out


def sample(rng: random.Random, length: int, gates: Sequence[Gate] = ADDER, inputs: int = 3) -> list[Symbol]:
    """Random bits, then what the gates say; cut at the end."""
    tape: list[Symbol] = [*rng.choices(BITS, k=inputs)]
    while len(tape) < length and (said := reference(tape, gates, inputs)[-1]) is not None:
        tape.append(said)
    return tape[:length]


ENTRY = Entry(
    name="circuit_by_steps",
    summary="A Boolean circuit on its own text: the bits, then a gate a step. By default a full adder.",
    make=make,
    reference=reference,
    sample=sample,
    layers=always(1),
    layers_formula="1",
    alphabet=BITS,
    alphabet_fixed=True,
    parameters={"gates": ADDER, "inputs": 3},
)
