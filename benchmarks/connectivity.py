"""Connected components of random graphs on 256 nodes with 512 edges: compiled once, and held against networkx.

Run: python benchmarks/connectivity.py [--nodes 256] [--edges 512] [--graphs 200] [--seed 0] [--certify]
Half of the graphs have all the edges, the others fewer: from nodes/4 on there are many components.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import time

import headwork as hw
from headwork.protocols import connected_components, graphs


def main() -> None:
    parser = argparse.ArgumentParser(description="Connected components of random graphs, compiled, against networkx.")
    parser.add_argument("--nodes", type=int, default=256)
    parser.add_argument("--edges", type=int, default=512)
    parser.add_argument("--graphs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--certify", action="store_true")
    given = parser.parse_args()
    rng = random.Random(given.seed)
    length = max(given.nodes, given.edges)
    protocol = connected_components.make(nodes=given.nodes)
    start = time.perf_counter()
    model = hw.compile(protocol, length=length)
    print(f"{protocol.name}: {length} machines, {protocol.rounds(length)} rounds, compiled in {time.perf_counter() - start:.1f} s")
    print(model.cost)
    if given.certify:
        start = time.perf_counter()
        print(str(hw.certify(model)).splitlines()[0], f"in {time.perf_counter() - start:.1f} s")
    every = list(itertools.combinations(range(1, given.nodes + 1), 2))
    wrong, start = 0, time.perf_counter()
    counts: list[int] = []
    for i in range(given.graphs):
        most = min(given.edges, len(every))
        edges = rng.sample(every, most if i % 2 else rng.randint(min(given.nodes // 4, most), most))
        machines = graphs.placed(edges, length, rng)
        wanted = connected_components.oracle(machines, nodes=given.nodes)
        counts.append(len({least for least in wanted if least is not None}))
        wrong += model.run(machines) != wanted
    seconds = time.perf_counter() - start
    print(f"{given.graphs} random graphs of {min(counts)} to {max(counts)} components: {wrong} wrong, {seconds / given.graphs:.2f} s each")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
