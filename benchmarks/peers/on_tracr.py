"""Tracr's worker: its own library's programs; induction and k-hop, which it has not, in RASP."""

from __future__ import annotations

import jax
from tracr.compiler import compiling, lib
from tracr.rasp import rasp

from .cell import Built, work
from .tasks import HOPS, NUMBERS, Answers, Symbol, Task

BOS = "BOS"


def hop(k: int) -> rasp.SOp:
    """k induction pointers, k a power of two: the pointer found once, then doubled.

    RASP's attention averages over what is selected, so "the latest" must be a single key: each previous token is paired with
    the number of its occurrence, and the query with the number of matches so far (causal evaluation).
    """
    equal = rasp.Comparison.EQ
    previous = lib.shift_by(1, rasp.tokens)
    number = rasp.SelectorWidth(rasp.Select(previous, previous, equal))
    matches = rasp.SelectorWidth(rasp.Select(previous, rasp.tokens, equal))
    keys = rasp.SequenceMap(lambda token, n: (token, n), previous, number)
    queries = rasp.SequenceMap(lambda token, n: (token, n), rasp.tokens, matches)
    latest = rasp.Select(keys, queries, equal)
    if k == 1:
        return rasp.Aggregate(latest, rasp.tokens)
    pointer = rasp.Aggregate(latest, rasp.indices)
    for _ in range(k.bit_length() - 1):
        pointer = rasp.Aggregate(rasp.Select(rasp.indices, pointer, equal), pointer)
    return rasp.Aggregate(rasp.Select(rasp.indices, pointer, equal), rasp.tokens)


def program(name: str, length: int) -> rasp.SOp:
    """A task in RASP."""
    match name:
        case "previous":
            return lib.shift_by(1, rasp.tokens)
        case "induction":
            return hop(1)
        case "khop":
            return hop(HOPS)
        case "histogram":
            return lib.make_hist()
        case "reverse":
            return lib.make_reverse(rasp.tokens)
        case "sort":
            return lib.make_sort(rasp.tokens, rasp.tokens, max_seq_len=length, min_key=min(NUMBERS))
        case _:
            return lib.make_shuffle_dyck(["()"])


def build(task: Task, length: int) -> Built:
    """Compile with every default."""
    causal = task.name in ("previous", "induction", "khop")
    model = compiling.compile_rasp_to_model(program(task.name, length), set(task.symbols), length, causal=causal, compiler_bos=BOS)

    def run(tokens: list[Symbol]) -> Answers:
        return model.apply([BOS, *tokens]).decoded[1:]

    config = model.model_config
    parameters = sum(array.size for module in model.params.values() for array in module.values())
    return Built(config.num_layers, config.num_heads, len(model.residual_labels), parameters, causal, run)


if __name__ == "__main__":
    jax.config.update("jax_default_matmul_precision", "float32")
    work("Tracr", build)
