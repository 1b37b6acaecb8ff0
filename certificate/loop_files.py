"""A looped checkpoint's three files as its proof reads them, by the formats' own definitions: no torch, no compiler, no prover."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..kernel.blocks import Fact
from ..kernel.files import read
from ..kernel.numbers import ARITHMETICS, Reals, Rejected
from ..kernel.stream import Form
from ..kernel.terms import FIELDS, NOTHING, Range
from ..kernel.totals import EXP_BITS
from ..kernel.verify import Checkpoint, frozen
from .induction import LoopCheckpoint, Part, verify_loop

PARTS = ("entry", "round", "exit")


def has_loop(directory: Path) -> bool:
    """Whether a directory holds the checkpoint of a looped model, by what its config.json says."""
    try:
        config = json.loads((directory / "config.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(config, dict) and "loop" in config


def verify_loop_files(directory: Path, proof: Path) -> tuple[str, LoopCheckpoint, Mapping[str, Any], list[list[Fact]]]:
    """Check the proof script of a looped checkpoint: its name, what was read, the script, and what was shown. Raises Rejected."""
    name, checkpoint, script = read(directory, proof, _checkpoint)
    return name, checkpoint, script, verify_loop(checkpoint, script)


def _checkpoint(config: Mapping[str, Any], program: Mapping[str, Any], tensors: dict[str, Reals]) -> LoopCheckpoint:
    symbols, loop, state = program["alphabet"], config["loop"], program["state"]
    symbols = symbols if isinstance(symbols, int) else len(symbols)
    sizes = (config["format"], config["alphabet"], type(config["length"]), type(symbols), type(config["causal"]))
    if sizes != ("headwork", symbols, int, int, bool) or len(program["parts"]) != 3 or len(loop["blocks"]) != 3:
        raise Rejected("config.json is of another format, or of another alphabet than program.json, or its loop has not three parts")
    first, second, third = (Part(tuple(map(_row, p["graph"]["nodes"])), frozen(p["graph"]["outputs"])) for p in program["parts"])
    forms = tuple(Form(f["kind"], f["off"], f["top"], f["parts"], f.get("radix", 0)) for f in program["output_forms"])
    masks = tuple(tuple(b["masks"]) if b["kind"] == "attention" else () for b in config["blocks"])
    whole = Checkpoint(config["length"], symbols, config["dtype"], (), third.outputs, forms, masks, tensors)
    domains = [(d["lo"], d["hi"], d["none"], d["lag"]) for d in state]
    spans = tuple(span_of(*domain, length=config["length"]) for domain in domains)
    changing = tuple(j for j, d in enumerate(state) if d["changes"] is True)
    counts = (loop["blocks"][0], loop["blocks"][1], loop["blocks"][2])
    codes = tuple(scalar_of(lo, hi) for lo, hi, *_ in domains)
    return LoopCheckpoint(whole, (first, second, third), spans, codes, frozen(loop["state"]), changing, counts)


def _row(node: Mapping[str, Any]) -> tuple[str, tuple[Any, ...], tuple[int, ...]]:
    op, fields = node["op"], node["fields"]
    names = ("state",) if op == "given" else FIELDS[op][0]
    return op, tuple(frozen(fields[name]) for name in names), frozen(node["args"])


def span_of(lo: int, hi: int, none: bool, lag: int | None, *, length: int) -> Range:
    """A domain of the state as the kernel has ranges: at most N + lag, and nothing at all where it is empty."""
    hi = hi if lag is None else min(hi, length + lag)
    return Range(lo, hi, none, lag) if lo <= hi else NOTHING


def scalar_of(lo: int, hi: int) -> Form:
    """The scalar code of a domain: the number itself where all are positive, else shifted so that the least is 1."""
    off = 0 if lo >= 1 else lo - 1
    return Form("digits", off, max(1, hi - off))


def statement(name: str, loop: LoopCheckpoint, script: Mapping[str, Any], totals: bool) -> str:
    """What an accepted script proves, in words."""
    whole = loop.whole
    rule = ARITHMETICS[whole.dtype]
    exp = f" and off by a relative 2^{EXP_BITS - rule.sums} at most" if totals else ""
    outputs = "the output" if len(whole.outputs) == 1 else f"the {len(whole.outputs)} outputs"
    values = _values(loop, script)
    return (
        f"For every number of rounds T >= 0 and every sequence of 1..{whole.length:,} tokens over {whole.symbols:,} symbols, "
        f"{outputs} of {name} after T rounds of its one block, and all values that the blocks write ({values:,} with T = 1), "
        f"equal the interpreter's, in {whole.dtype}, for any order of summation and any exp with exp(0) = 1 that is zero below "
        f"-{rule.underflow:g}{exp}; by induction: from any state the block leaves the next one."
    )


def _values(loop: LoopCheckpoint, script: Mapping[str, Any]) -> int:
    """How many values a script says are written with one round: each has one first dimension of its code."""
    rows = [script["entry"]["embedding"]]
    masks = iter(loop.whole.blocks)
    for part in PARTS:
        for block in script[part]["blocks"]:
            rows += [one["cells"] for one in ([block] if next(masks) else block["values"])]
    return sum(row[2] == 0 for some in rows for row in some)
