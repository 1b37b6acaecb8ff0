"""Protocols on Ray: the same results and the same errors as in this process, also where workers are killed on the way."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

import headwork as hw
from headwork import protocols
from headwork.cli.app import app
from headwork.compiler.domain import Symbol
from headwork.mpc import Local, Ray, Run, run_blocks
from headwork.mpc.trace import Trace

pytest.importorskip("ray", reason="ray is not installed: pip install -e '.[ray]'")


@hw.protocol(memory=3, words=lambda n: {"a": range(n + 2), "b": range(n + 2), "x": range(-2, 3)})
def lists(me, a, b, x):
    """Inboxes of at most three messages, read one by one; then sent back."""
    inbox = hw.shuffle(to=[a, b], payload=[x, me])
    first, _, _ = inbox.senders
    back = hw.shuffle(to=first, payload=(me, inbox.count))
    return (*inbox.messages, *inbox.senders, *back.messages[0], back.count)


@hw.protocol(memory=2, words=lambda n: {"a": range(n + 2), "b": range(n + 2), "x": range(-2, 3)})
def everything_else(me, a, b, x):
    """Inboxes of any size, pulls, known patterns, reductions."""
    inbox = hw.shuffle(to=[a, b], payload=[(x, x > 0), (me, me > 2)], inbox="any")
    word = inbox.word(0)
    asked = hw.request([a, b], (x, me))
    back = hw.gather(lambda i: i - 1 if i > 1 else None, x)
    known = hw.scatter(to=[lambda i: i + 1, lambda i: i + 2 if i % 2 else None], payload=[me, me])
    totals = (hw.all_reduce(x), hw.all_reduce(x, "max"), hw.broadcast(x, source=2))
    return (inbox.count, word.sum, word.min, *inbox.first, inbox.word(1).any, *asked[0], *asked[1], back, *known.messages, *totals)


def random_machines(rng: random.Random, n: int) -> list[tuple[int, int, int]]:
    return [(rng.randrange(n + 2), rng.randrange(n + 2), rng.randrange(-2, 3)) for _ in range(n)]


def permuted_machines(rng: random.Random, n: int) -> list[tuple[int, int, int]]:
    """Two permutations as destinations: two messages to every machine."""
    a, b = rng.sample(range(1, n + 1), n), rng.sample(range(1, n + 1), n)
    return [(a[i], b[i], rng.randrange(-2, 3)) for i in range(n)]


class Killed:
    """An engine on which the first worker that comes to superstep `step` is killed, when it has computed it."""

    def __init__(self, engine: Ray, step: int, marker: Path) -> None:
        self.engine, self.step, self.marker = engine, step, marker
        self.put, self.fetch = engine.put, engine.fetch

    def call(self, function: Callable[..., list[object]], args: Sequence[object], results: int) -> list[object]:
        step, marker = self.step, str(self.marker)

        def dying(*given: object) -> list[object]:
            found = function(*given)
            if given[1] == step:
                try:
                    os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
                except FileExistsError:
                    return found
                os.kill(os.getpid(), signal.SIGKILL)
            return found

        return self.engine.call(dying, args, results)


def same(trace: Trace, tokens: Sequence[Symbol], engine: Ray, workers: int) -> Run:
    here, there = run_blocks(trace, tokens, Local(), 1), run_blocks(trace, tokens, engine, workers)
    assert (here.results, here.rounds, here.messages) == (there.results, there.rounds, there.messages)
    return there


def every_exchange(engine: Ray, workers: int) -> None:
    rng = random.Random(workers)
    assert same(lists.trace(12), permuted_machines(rng, 11), engine, workers).workers == workers
    run = same(everything_else.trace(12), random_machines(rng, 11), engine, workers)
    assert run.rounds == everything_else.rounds(12)


def the_library(engine: Ray, name: str) -> None:
    entry = protocols.entry(name)
    case = max(entry.cases(random.Random(0), 16), key=lambda case: len(case.machines))
    run = same(entry.protocol().trace(max(1, len(case.machines))), case.machines, engine, 3)
    assert run.results == entry.oracle(case.machines)


def an_overflow_is_the_same_error(engine: Ray) -> None:
    machines = [(4, 0, 0), (4, 0, 1), (4, 4, 2), (1, 0, 0)]
    texts: list[str] = []
    for runner, workers in ((Local(), 1), (engine, 4)):
        with pytest.raises(hw.CapacityError) as caught:
            hw.run_protocol(lists.trace(8), machines, runner, workers)
        texts.append(str(caught.value))
    assert texts[0] == texts[1]
    assert "round 1: machine 4 was sent 4 messages, its inbox holds 3 (from machines 1, 2, 3, 3)\n    inbox = hw.shuffle(" in texts[1]


def a_killed_worker_loses_nothing(engine: Ray, tmp_path: Path) -> None:
    marker = tmp_path / "killed"
    machines = permuted_machines(random.Random(0), 12)
    trace = lists.trace(12)
    assert hw.run_protocol(trace, machines, Killed(engine, 1, marker), 3) == hw.run_protocol(trace, machines)
    assert marker.exists()


def workers_that_always_die_are_an_error(engine: Ray) -> None:
    def dies() -> list[object]:
        os.kill(os.getpid(), signal.SIGKILL)
        return [None]

    never = Ray(retries=0)  # on the Ray that runs already
    with pytest.raises(hw.EngineError, match=r"Ray gave up on a task that it had repeated 0 times: WorkerCrashedError(.|\n)*memory"):
        never.fetch(never.call(dies, [], 1))
    never.close()
    assert engine.fetch(engine.call(lambda: [7], [], 1)) == [7]  # it was not this one's to end


def the_command_line(engine: Ray) -> None:
    """It runs on the Ray that is there, and leaves it running."""
    results = {}
    for name in ("local", "ray"):
        done = CliRunner().invoke(app, ["mpc", "run", "prefix_sum", "--machines", "20", "--engine", name, "--workers", "3", "--json"])
        assert done.exit_code == 0, done.output
        results[name] = json.loads(done.stdout)
    assert {key for key, value in results["ray"].items() if results["local"][key] != value} <= {"engine", "seconds"}
    assert results["ray"]["agrees"] is True
    assert results["ray"]["engine"] == "ray"
    assert engine.fetch([engine.put(1)]) == [1]


@pytest.mark.slow
def test_on_ray(tmp_path: Path) -> None:
    """All that needs Ray running: starting it takes seconds, and tests apart would each start one in their own process."""
    with Ray(address="local", cpus=2) as engine:
        for workers in (2, 5):
            every_exchange(engine, workers)
        for name in protocols.names():
            the_library(engine, name)
        an_overflow_is_the_same_error(engine)
        a_killed_worker_loses_nothing(engine, tmp_path)
        workers_that_always_die_are_an_error(engine)
        the_command_line(engine)


def test_a_cluster_that_is_not_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and nobody listens
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(hw.InputError, match=rf"no Ray cluster at {address}(.|\n)*ray start --head"):
            Ray(address)
