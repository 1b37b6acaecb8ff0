"""firebrand's RV32IM machine on a loop that counts, by its C decoder: tokens a second of one thread. Runs in firebrand's environment."""

from __future__ import annotations

import time

from firebrand import compile_machine
from firebrand.machines.rv32 import RV32Spec

TURNS = 65_536


def addi(number: int, source: int, target: int) -> int:
    """target = source + number."""
    return ((number & 0xFFF) << 20) | (source << 15) | (target << 7) | 0x13


def unequal(offset: int, a: int, b: int) -> int:
    """Go on at the offset if a is not b."""
    high = ((offset >> 12) & 1) << 31 | ((offset >> 5) & 0x3F) << 25
    return high | (b << 20) | (a << 15) | (1 << 12) | ((offset >> 1) & 0xF) << 8 | ((offset >> 11) & 1) << 7 | 0x63


def main() -> None:
    """Count to TURNS and stop."""
    program = [addi(0, 0, 1), (TURNS >> 12) << 12 | (2 << 7) | 0x37, addi(1, 1, 1), unequal(-4, 1, 2), addi(93, 0, 17), 0x73]
    spec = RV32Spec(ram_bytes=1024, max_context=1 << 22)
    model = compile_machine(spec.machine())
    prompt = spec.encode(b"".join(word.to_bytes(4, "little") for word in program), 0)
    start = time.process_time()
    said = len(model.generate(prompt, 2_000_000, backend="c")) - len(prompt)
    seconds = time.process_time() - start
    print(f"RV32IM machine, {said:,} tokens in {seconds:.2f} CPU s, {said / seconds:,.0f} a second")


if __name__ == "__main__":
    main()
