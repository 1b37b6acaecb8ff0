"""Texts in the form in which Transformer Programs are printed, of the published kinds and sizes, with tables and weights drawn at random.

A kind says how many layers, heads and tables a program has, and over which symbols and lengths it is; `printed` writes one as text, with
the weights of its classifier, and `said` runs the text as Python, with what it needs of pandas in a few lines.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Kind:
    """The shape of a task's programs: symbols, the longest sequence, layers, categorical and numerical heads, tables of each."""

    symbols: tuple[str, ...]
    length: int
    layers: int
    heads: int
    counting: int
    tables: int
    counting_tables: int
    classes: tuple[str, ...]


def digits(n: int) -> tuple[str, ...]:
    """Symbols of a task of numbers, with those for the beginning and the end."""
    return ("<s>", "</s>", *map(str, range(n)))


KINDS = {
    "reverse": Kind(digits(5), 8, 3, 4, 4, 2, 2, digits(5)),
    "hist": Kind(digits(6)[:1] + digits(6)[2:], 8, 1, 2, 2, 1, 1, tuple("1234567")),
    "double_hist": Kind(digits(6)[:1] + digits(6)[2:], 8, 3, 2, 2, 1, 1, tuple("1234567")),
    "sort": Kind(digits(5), 8, 3, 4, 4, 2, 2, digits(5)),
    "most_freq": Kind(digits(6)[:1] + digits(6)[2:], 8, 3, 4, 4, 2, 2, digits(6)[2:]),
    "dyck1": Kind(("<s>", "(", ")"), 16, 3, 4, 4, 2, 2, ("F", "P", "T")),
    "dyck2": Kind(("<s>", "(", ")", "{", "}"), 16, 3, 4, 4, 2, 2, ("F", "P", "T")),
}
HEAD = """import pandas as pd


def select_closest(keys, queries, predicate):
    chosen = []
    for i, q in enumerate(queries):
        matches = [j for j, k in enumerate(keys) if predicate(q, k)]
        chosen.append(min(matches, key=lambda j: len(matches) if j == i else abs(i - j)) if any(matches) else 0)
    return chosen


def select(keys, queries, predicate):
    return [[predicate(q, k) for k in keys] for q in queries]


def aggregate(chosen, values):
    return [values[j] for j in chosen]


def aggregate_sum(pattern, values):
    return [sum(v for held, v in zip(row, values) if held) for row in pattern]


def run(tokens):
    classifier_weights = pd.read_csv("weights.csv", index_col=[0, 1], dtype={"feature": str})
    token_scores = classifier_weights.loc[[("tokens", str(v)) for v in tokens]]
    positions = list(range(len(tokens)))
    position_scores = classifier_weights.loc[[("positions", str(v)) for v in positions]]
    ones = [1 for _ in range(len(tokens))]
    one_scores = classifier_weights.loc[[("ones", "_") for v in ones]].mul(ones, axis=0)
"""
TAIL = """    feature_logits = pd.concat([df.reset_index() for df in [{scores}]])
    logits = feature_logits.groupby(level=0).sum(numeric_only=True).to_numpy()
    classes = classifier_weights.columns.to_numpy()
    predictions = classes[logits.argmax(-1)]
    if tokens[0] == "<s>":
        predictions[0] = "<s>"
    if tokens[-1] == "</s>":
        predictions[-1] = "</s>"
    return predictions.tolist()
"""
Weights = dict[tuple[str, str], dict[str, float]]


def printed(kind: Kind, seed: int) -> tuple[str, Weights]:
    """A program of a kind as text, and its classifier's weights."""
    rng = random.Random(f"{kind} {seed}")
    lines: list[str] = []
    sizes: dict[str, Sequence[Any]] = {"tokens": kind.symbols, "positions": range(kind.length)}  # categorical variables
    numbers: dict[str, int] = {"ones": 1}  # numerical ones, and the most they can be
    scores = ["token_scores", "position_scores", "one_scores"]
    table = range(kind.length)

    def predicate(name: str, queries: str, keys: str) -> None:
        groups: dict[Any, list[Any]] = {}
        for q in sizes[queries]:
            groups.setdefault(rng.choice(list(sizes[keys])), []).append(q)
        lines.append(f"    def {name}(q, k):")
        for i, (key, some) in enumerate(groups.items()):
            lines.extend([f"        {'el' if i else ''}if q in {{{', '.join(map(repr, some))}}}:", f"            return k == {key!r}"])

    def scored(name: str, number: bool) -> None:
        value = '"_"' if number else "str(v)"
        rows = f'classifier_weights.loc[[("{name}", {value}) for v in {name}]]' + (f".mul({name}, axis=0)" if number else "")
        lines.append(f"    {name[:-1]}_scores = {rows}")
        scores.append(f"{name[:-1]}_scores")

    def tabled(name: str, of: list[str], domains: list[Sequence[Any]]) -> None:
        lines.append(f"    def {name}({', '.join(f'x{i}' for i in range(len(of)))}):")
        lines.append(f"        key = {'(x0, x1)' if len(of) == 2 else 'x0'}")
        points = [(a, b) for a in domains[0] for b in domains[1]] if len(of) == 2 else list(domains[0])
        for i in range(rng.randint(1, 3)):
            some = rng.sample(points, k=max(1, len(points) // 4))
            lines.extend(
                [f"        {'el' if i else ''}if key in {{{', '.join(map(repr, some))}}}:", f"            return {rng.choice(table)}"]
            )
        lines.append(f"        return {rng.choice(table)}")
        call = f"{name}(k0, k1) for k0, k1 in zip({of[0]}, {of[1]})" if len(of) == 2 else f"{name}(k0) for k0 in {of[0]}"
        lines.append(f"    {name}_outputs = [{call}]")
        scored(f"{name}_outputs", False)

    for layer in range(kind.layers):
        categorical, counted, made = list(sizes), list(numbers), {}
        for h in range(kind.heads):
            name, (keys, queries, values) = f"attn_{layer}_{h}", rng.choices(categorical, k=3)
            predicate(f"predicate_{layer}_{h}", queries, keys)
            lines.append(f"    {name}_pattern = select_closest({keys}, {queries}, predicate_{layer}_{h})")
            lines.append(f"    {name}_outputs = aggregate({name}_pattern, {values})")
            scored(f"{name}_outputs", False)
            made[f"{name}_outputs"] = sizes[values]
        for h in range(kind.counting):
            name, (keys, queries), values = f"num_attn_{layer}_{h}", rng.choices(categorical, k=2), rng.choice(counted)
            predicate(f"num_predicate_{layer}_{h}", queries, keys)
            lines.append(f"    {name}_pattern = select({keys}, {queries}, num_predicate_{layer}_{h})")
            lines.append(f"    {name}_outputs = aggregate_sum({name}_pattern, {values})")
            scored(f"{name}_outputs", True)
            numbers[f"{name}_outputs"] = numbers[values] * kind.length
        sizes |= made
        for m in range(kind.tables):
            of = rng.sample(list(sizes), k=rng.choice((1, 2)))
            tabled(f"mlp_{layer}_{m}", of, [sizes[x] for x in of])
        for m in range(kind.counting_tables):
            of = rng.sample([x for x in numbers if x != "ones"], k=rng.choice((1, 2)))
            tabled(f"num_mlp_{layer}_{m}", of, [range(kind.length + 1) for _ in of])
        for m in range(kind.tables):
            sizes[f"mlp_{layer}_{m}_outputs"] = table
        for m in range(kind.counting_tables):
            sizes[f"num_mlp_{layer}_{m}_outputs"] = table
    features = {**{name: [str(v) for v in values] for name, values in sizes.items()}, **{key: ["_"] for key in numbers}}
    weights = {
        (name, value): {c: round(4 * rng.gauss(0, 1)) / 4 for c in kind.classes} for name, values in features.items() for value in values
    }
    return HEAD + "\n".join(lines) + "\n" + TAIL.format(scores=", ".join(scores)), weights


class _Rows(list[np.ndarray]):
    """Scores, a row for each position."""

    def mul(self, by: Sequence[int], axis: int) -> _Rows:
        return _Rows(row * x for row, x in zip(self, by, strict=True))

    def reset_index(self) -> _Rows:
        return self

    def groupby(self, level: int) -> _Rows:
        return self

    def sum(self, numeric_only: bool) -> _Rows:
        return self

    def to_numpy(self) -> np.ndarray:
        return np.array(self)


def said(text: str, weights: Weights, tokens: list[str]) -> list[str]:
    """What a printed program says of a sequence, by running it."""
    classes = list(next(iter(weights.values())))

    class Loc:
        def __getitem__(self, rows: list[tuple[str, str]]) -> _Rows:
            return _Rows(np.array(list(weights[row].values())) for row in rows)

    table = SimpleNamespace(loc=Loc(), columns=SimpleNamespace(to_numpy=lambda: np.array(classes, dtype=object)))
    pandas = SimpleNamespace(read_csv=lambda *a, **k: table, concat=lambda frames: _Rows(np.sum([np.array(f) for f in frames], axis=0)))
    names: dict[str, Any] = {}
    exec(text.replace("import pandas as pd", ""), names)
    names["pd"] = pandas
    return names["run"](tokens)
