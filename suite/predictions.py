"""Predictions: what a method says of a suite's models, as a JSON file, read strictly.

    {"format": "headwork-predictions", "version": 1, "method": "EAP-IG", "graph": "native", "names": "eap", "threshold": 0.1,
     "models": {"0001": {"edges": {"input->a0.h0<v>": 0.7, …}, "nodes": {"a0.h0": 0.9, …},
                         "values": {"v1": [{"block": 2, "dims": [3, 4]}]}}}}

`graph` is `native` (the default) or `gpt2`; `names` the tool whose names edges have, `eap` by default, nodes always have EAP's.
Scores are numbers, the greater the surer; a list of names says those are in the circuit and the others are not. What is in the
circuit has a score above `threshold`, 0 by default. Each of `edges`, `nodes` and `values` may be left out. A value is said to lie in
dimensions of the stream after a block (0: the embedding), in the span of the rows of a `basis`, or in what a `node` adds.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, cast, get_args

from ..compiler.errors import InputError
from ..lab.tools import Tool
from ..runtime.serial import Json

FORMAT, VERSION = "headwork-predictions", 1
Graph: TypeAlias = Literal["native", "gpt2"]
Scores: TypeAlias = dict[str, float]
Location: TypeAlias = dict[str, Json]


@dataclass(frozen=True)
class Said:
    """What is said of one model; None where nothing is said of its edges, or of its nodes."""

    edges: Scores | None
    nodes: Scores | None
    values: dict[str, list[Location]] = field(default_factory=dict[str, "list[Location]"])


@dataclass(frozen=True)
class Predictions:
    """What a method says of the models of a suite, by their ids."""

    method: str
    graph: Graph
    names: Tool
    threshold: float
    models: dict[str, Said]


def read_predictions(path: str | Path) -> Predictions:
    """Predictions from their file. Raises InputError naming the field for anything that is not as the schema says."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", hint="give a file of predictions") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}", hint="docs/suite.md has the schema") from error
    return predictions(content, Path(path).name)


def predictions(content: object, name: str = "predictions") -> Predictions:
    """Predictions from their JSON value. Raises InputError as `read_predictions` does."""
    top = _object(content, name)
    _only(top, name, {"format", "version", "method", "graph", "names", "threshold", "models"})
    if top.get("format") != FORMAT or top.get("version") != VERSION:
        raise InputError(
            f'{name} is not of format "{FORMAT}", version {VERSION}', hint=f'begin it with "format": "{FORMAT}", "version": {VERSION}'
        )
    method, threshold = top.get("method", ""), top.get("threshold", 0)
    graph, names = top.get("graph", "native"), top.get("names", "eap")
    for what, given, known in (("graph", graph, get_args(Graph)), ("names", names, get_args(Tool))):
        if given not in known:
            raise InputError(f"{name}: {what} is {given!r}", hint=f"use one of {', '.join(known)}")
    if not isinstance(method, str):
        raise InputError(f"{name}: method is {method!r}, not a string", hint="name the method")
    models = {i: _said(said, f"{name}: models.{i}") for i, said in _object(top.get("models"), f"{name}: models").items()}
    return Predictions(method, cast(Graph, graph), cast(Tool, names), _number(threshold, f"{name}: threshold"), models)


def _said(content: object, where: str) -> Said:
    said = _object(content, where)
    _only(said, where, {"edges", "nodes", "values"})
    edges, nodes = (_scores(said[what], f"{where}.{what}") if what in said else None for what in ("edges", "nodes"))
    values: dict[str, list[Location]] = {}
    for name, places in _object(said.get("values", {}), f"{where}.values").items():
        if not isinstance(places, list) or not places:
            raise InputError(f"{where}.values.{name} is no list of places", hint='for example [{"block": 2, "dims": [3, 4]}]')
        values[name] = [_place(place, f"{where}.values.{name}[{i}]") for i, place in enumerate(places)]
    return Said(edges, nodes, values)


def _scores(content: object, where: str) -> Scores:
    if isinstance(content, list):
        if any(not isinstance(name, str) for name in content):
            raise InputError(f"{where} holds what is no name", hint="give a list of names, or an object from names to scores")
        return dict.fromkeys(content, math.inf)
    return {name: _number(score, f"{where}.{name}") for name, score in _object(content, where).items()}


def _place(content: object, where: str) -> Location:
    place = _object(content, where)
    if set(place) == {"node"} and isinstance(place["node"], str):
        return cast(Location, place)
    block = place.get("block")
    if set(place) not in ({"block", "dims"}, {"block", "basis"}) or isinstance(block, bool) or not isinstance(block, int):
        hint = 'use {"block": 2, "dims": [3, 4]}, {"block": 2, "basis": [[0, 1, …], …]} or {"node": "a0.h1"}'
        raise InputError(f"{where} is no place", hint=hint)
    rows = place["basis"] if "basis" in place else [place["dims"]]
    if not isinstance(rows, list) or not all(isinstance(row, list) and row for row in rows) or not rows:
        raise InputError(f"{where} has no list of numbers", hint="give dimensions, or a list of rows")
    numbers = [x for row in cast("list[list[object]]", rows) for x in row]
    for x in numbers:
        _number(x, where)
    if "dims" in place and any(not isinstance(d, int) for d in numbers):
        raise InputError(f"{where}.dims holds what is no dimension", hint="dimensions count from 0")
    return cast(Location, place)


def _object(content: object, where: str) -> Mapping[str, object]:
    if not isinstance(content, dict):
        raise InputError(f"{where} is {type(content).__name__}, not an object", hint="docs/suite.md has the schema")
    return cast("Mapping[str, object]", content)


def _only(content: Mapping[str, object], where: str, known: set[str]) -> None:
    for name in content:
        if name not in known:
            raise InputError(f"{where} has the field {name!r}", hint=f"fields are {', '.join(sorted(known))}")


def _number(x: object, where: str) -> float:
    if isinstance(x, bool) or not isinstance(x, (int, float)) or not math.isfinite(x):
        raise InputError(f"{where} is {x!r}, not a finite number", hint="scores are numbers, the greater the surer")
    return float(x)
