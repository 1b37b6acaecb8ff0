"""The connected components of a graph from a file, found by a transformer, checked with networkx, and drawn.

The file has an edge a line, two names of nodes; # begins a comment. The model is compiled to fit: a machine (a token) for every
edge and every node. Run: python examples/connectivity.py [FILE] [-o picture.png]. Needs matplotlib for the picture.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import networkx as nx

import headwork as hw
from headwork.protocols import connected_components

FRIENDS = Path(__file__).parent / "friends.txt"


def read(path: Path) -> list[tuple[str, str]]:
    """The edges of a file. Raises InputError with the line for what is no edge, a loop, or an edge a second time."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise hw.InputError(f"{path} cannot be read: {error.strerror}", hint="give a text file with an edge a line") from None
    except UnicodeDecodeError as error:
        raise hw.InputError(f"{path} is no UTF-8 text: byte {error.start} is wrong", hint="give a text file with an edge a line") from None
    edges: list[tuple[str, str]] = []
    seen: dict[frozenset[str], int] = {}
    for number, line in enumerate(lines, 1):
        names = line.split("#")[0].split()
        if not names:
            continue
        if len(names) != 2:
            fact = f"{path}:{number}: {len(names)} name{'s' * (len(names) != 1)} in a line: {' '.join(names)}"
            raise hw.InputError(fact, hint="give two names of nodes, with a blank between them")
        if names[0] == names[1]:
            raise hw.InputError(f"{path}:{number}: an edge from {names[0]} to itself", hint="leave it out: it connects nothing")
        first = seen.setdefault(frozenset(names), number)
        if first != number:
            raise hw.InputError(f"{path}:{number}: the edge {' '.join(names)} is there since line {first}", hint="give every edge once")
        edges.append((names[0], names[1]))
    if not edges:
        raise hw.InputError(f"{path} has no edges", hint="give an edge a line, two names of nodes")
    return edges


def components(edges: list[tuple[str, str]]) -> list[list[str]]:
    """The components by a transformer that is compiled for so many nodes and edges."""
    names = list(dict.fromkeys(name for edge in edges for name in edge))
    number = {name: i for i, name in enumerate(names, 1)}
    length = max(len(names), len(edges))
    model = hw.compile(connected_components.make(nodes=len(names)), length=length)
    print(f"{len(names)} nodes, {len(edges)} edges: a transformer of {model.cost.attention_layers} attention layers for {length} machines")
    held = [(min(number[a], number[b]), max(number[a], number[b])) for a, b in edges]
    least = model.run([*held, *[(None, None)] * (length - len(held))])
    found: dict[object, list[str]] = {}
    for name in names:
        found.setdefault(least[number[name] - 1], []).append(name)
    return list(found.values())


def draw(graph: nx.Graph[str], found: list[list[str]], path: Path) -> None:
    """The graph, a colour a component."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    colour = {name: i for i, names in enumerate(found) for name in names}
    figure, axis = pyplot.subplots(figsize=(7, 5))
    places = nx.spring_layout(graph, seed=1)
    nx.draw_networkx_edges(graph, places, ax=axis, edge_color="gray")
    shades = [colour[name] % 20 for name in graph]
    nx.draw_networkx_nodes(graph, places, ax=axis, node_color=shades, cmap="tab20", vmin=0, vmax=19, node_size=420)
    nx.draw_networkx_labels(graph, places, ax=axis, font_size=8)
    axis.set_axis_off()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="The connected components of a graph, by a transformer.")
    parser.add_argument("file", nargs="?", type=Path, default=FRIENDS, help="an edge a line, two names; # begins a comment")
    parser.add_argument("-o", "--output", type=Path, help="where to draw the graph, a .png")
    given = parser.parse_args(arguments)
    try:
        edges = read(given.file)
        found = components(edges)
    except hw.HeadworkError as error:
        sys.exit(f"error: {error}")
    for i, names in enumerate(found, 1):
        print(f"component {i}: {' '.join(names)}")
    graph: nx.Graph[str] = nx.Graph(edges)
    assert sorted(map(sorted, found)) == sorted(map(sorted, nx.connected_components(graph)))
    print("networkx agrees")
    if given.output is not None:
        draw(graph, found, given.output)
        print(f"drawn in {given.output}")


if __name__ == "__main__":
    main()
