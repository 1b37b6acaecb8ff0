"""The protocol language: what rounds mean, message by message, against deliveries written out here; and every refusal."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import pytest

import headwork as hw
from headwork.mpc.superstep import bounds, script

Sent = tuple[int, int, int]  # sender, slot, word


def delivered(targets: list[tuple[int, ...]], words: list[tuple[int, ...]]) -> dict[int, list[Sent]]:
    """What each machine receives, in the order of senders and slots; written out, without headwork."""
    inbox: dict[int, list[Sent]] = {i + 1: [] for i in range(len(targets))}
    for sender, (to, what) in enumerate(zip(targets, words, strict=True), 1):
        for slot, (target, word) in enumerate(zip(to, what, strict=True)):
            if 1 <= target <= len(targets):
                inbox[target].append((sender, slot, word))
    return inbox


@hw.protocol(memory=3, words=lambda n: {"a": range(n + 2), "b": range(n + 2), "x": range(-2, 3)})
def everything(me, a, b, x):
    """Two messages a machine; the inbox read in every way."""
    inbox = hw.shuffle(to=[a, b], payload=[x, me])
    return (*inbox.messages, *inbox.senders, inbox.count, inbox.sum, inbox.min, inbox.max, inbox.first)


@hw.protocol(memory=2, words=lambda n: {"a": range(n + 2), "b": range(n + 2), "x": range(-2, 3)})
def combined(me, a, b, x):
    """The same with an inbox of any size."""
    inbox = hw.shuffle(to=[a, b], payload=[(x, x > 0), (me, me > 2)], inbox="any")
    word = inbox.word(0)
    return (inbox.count, word.sum, word.min, word.max, *inbox.first, inbox.word(1).any)


def wanted(messages: list[Sent], slots: int) -> tuple[int | None, ...]:
    """What `everything` returns at a machine that receives these."""
    padded = [*messages, *[(None, None, None)] * slots][:slots]
    words = [m[2] for m in messages]
    extremes = (min(words, default=None), max(words, default=None), words[0] if words else None)
    return (*(m[2] for m in padded), *(m[0] for m in padded), len(words), sum(words), *extremes)


def random_machines(rng: random.Random, n: int) -> list[tuple[int, int, int]]:
    return [(rng.randrange(n + 2), rng.randrange(n + 2), rng.randrange(-2, 3)) for _ in range(n)]


@pytest.mark.parametrize("seed", range(40))
def test_a_shuffle_delivers_in_order_or_overflows(seed: int) -> None:
    rng = random.Random(seed)
    n = rng.randrange(1, 9)
    machines = random_machines(rng, n)
    inbox = delivered([m[:2] for m in machines], [(m[2], i) for i, m in enumerate(machines, 1)])
    trace = everything.trace(8)
    over = [machine for machine, messages in inbox.items() if len(messages) > 3]
    if over:
        senders = ", ".join(str(s) for s, *_ in inbox[over[0]])
        fact = f"round 1: machine {over[0]} was sent {len(inbox[over[0]])} messages, its inbox holds 3 .from machines {senders}"
        with pytest.raises(hw.CapacityError, match=fact):
            hw.run_protocol(trace, machines, workers=rng.randrange(1, 4))
    else:
        assert hw.run_protocol(trace, machines, workers=rng.randrange(1, 4)) == [wanted(inbox[i], 3) for i in range(1, n + 1)]


@pytest.mark.parametrize("seed", range(20))
def test_any_number_of_messages_can_be_combined(seed: int) -> None:
    rng = random.Random(seed)
    n = rng.randrange(1, 9)
    machines = random_machines(rng, n)
    inbox = delivered([m[:2] for m in machines], [(m[2], i) for i, m in enumerate(machines, 1)])
    found = []
    for messages in inbox.values():
        words = [w for *_, w in messages]
        truths = [w > 0 if slot == 0 else w > 2 for _, slot, w in messages]
        ends = (min(words, default=None), max(words, default=None))
        found.append((len(words), sum(words), *ends, *((words[0], truths[0]) if words else (None, None)), any(truths)))
    assert hw.run_protocol(combined.trace(8), machines, workers=1 + seed % 3) == found


def test_every_way_three_machines_can_send_one_message() -> None:
    @hw.protocol(memory=1, words=lambda n: {"to": range(n + 1)})
    def send(me, to):
        inbox = hw.shuffle(to=to, payload=me)
        return (*inbox.messages, inbox.count)

    trace = send.trace(3)
    for targets in itertools.product(range(4), repeat=3):
        inbox = delivered([(t,) for t in targets], [(i,) for i in (1, 2, 3)])
        if max(map(len, inbox.values())) > 1:
            with pytest.raises(hw.CapacityError):
                hw.run_protocol(trace, targets)
        else:
            assert hw.run_protocol(trace, targets) == [(m[0][2] if m else None, len(m)) for m in inbox.values()]


def test_requests_pull_from_machines_that_exist() -> None:
    @hw.protocol(memory=2, words=lambda n: {"a": range(-1, n + 2), "x": range(5)})
    def pull(me, a, x):
        one, other = hw.request([a, me], [(x, me), (me, x)])
        return (*one, *other)

    machines = [(3, 4), (-1, 0), (5, 2), (4, 1)]
    assert hw.run_protocol(pull.trace(6), machines, workers=2) == [(2, 3, 1, 4), (None, None, 2, 0), (None, None, 3, 2), (1, 4, 4, 1)]
    assert pull.rounds(6) == 2


def test_patterns_gather_broadcast_and_reduce() -> None:
    @hw.protocol(memory=2, words=lambda n: {"x": [None, *range(4)], "t": [False, True]})
    def known(me, x, t):
        inbox = hw.scatter(to=[lambda i: i + 1, lambda i: i + 2 if i % 2 else None], payload=[me, me])
        back = hw.gather(lambda i: i - 1 if i > 1 else None, x)
        return (*inbox.messages, back, hw.broadcast(x, source=2), hw.all_reduce(x), hw.all_reduce(x, "max"), hw.all_reduce(t, "any"))

    machines = [(3, False), (1, True), (None, False), (2, False)]
    assert hw.run_protocol(known.trace(4), machines, workers=3) == [
        (None, None, None, 1, 6, 3, True),
        (1, None, 3, 1, 6, 3, True),
        (1, 2, 1, 1, 6, 3, True),
        (3, None, None, 1, 6, 3, True),
    ]
    # scatter 1, gather 1, broadcast ceil(log2 4) = 2, three all-reduces of 2 * 2.
    assert known.rounds(4) == 1 + 1 + 2 + 3 * 4
    assert known.rounds(1024) == 1 + 1 + 10 + 3 * 20


@pytest.mark.parametrize(("memory", "length", "rounds"), [(2, 2, 1), (2, 3, 2), (3, 27, 3), (3, 28, 4), (4, 1024, 5), (32, 1024, 2)])
def test_trees_take_as_many_rounds_as_the_theory_says(memory: int, length: int, rounds: int) -> None:
    @hw.protocol(memory=memory, alphabet=4)
    def tell(me, x):
        return hw.broadcast(x)

    @hw.protocol(memory=memory, alphabet=4)
    def total(me, x):
        return hw.all_reduce(x)

    assert (tell.rounds(length), total.rounds(length)) == (rounds, 2 * rounds)


def test_workers_divide_the_machines() -> None:
    for machines, workers in itertools.product(range(1, 12), range(1, 5)):
        ends = bounds(machines, workers)
        assert ends[0] == 0
        assert ends[-1] == machines
        assert max(b - a for a, b in itertools.pairwise(ends)) - min(b - a for a, b in itertools.pairwise(ends)) <= 1


def test_local_steps_and_exchanges_alternate() -> None:
    @hw.protocol(memory=2, alphabet=4)
    def steps(me, x):
        a = hw.request(x, me) + 1
        b = hw.shuffle(to=me, payload=a).messages[0]
        return b + x

    plan = script(steps.trace(8))
    assert [e.phase for e in plan.exchanges] == ["ask", "answer", "deliver"]
    assert [e.round for e in plan.exchanges] == [1, 1, 3]
    assert len(plan.local) == 4
    assert str(steps.trace(8)).startswith("protocol steps: 8 machines, memory 2, 3 rounds\n  rounds 1 to 2: request (ask and answer)")


def test_blocks_forget_what_nothing_reads_again() -> None:
    trace = everything.trace(4)
    plan = script(trace)
    token = next(i for i, node in enumerate(trace.graph.nodes) if node.name == "token")
    assert plan.held[-1] == set(trace.graph.outputs)
    assert token not in plan.held[0]  # its words were taken apart in the first step
    shuffle = plan.exchanges[0].nodes[0]
    # What is sent leaves with the messages: only the shuffle, and what is returned, are still to come.
    assert plan.held[0] <= {shuffle, *trace.graph.outputs, *(a for o in trace.graph.outputs for a in trace.graph.nodes[o].args)}


def test_progress_counts_rounds_of_the_model() -> None:
    @hw.protocol(memory=2, alphabet=4)
    def rounds(me, x):
        a = hw.request(x, me).or_else(1)
        return hw.shuffle(to=me, payload=hw.all_reduce(a, "max")).messages[0]

    told: list[tuple[int, int]] = []
    hw.run_protocol(rounds.trace(8), [1, 2, 3], progress=lambda done, total: told.append((done, total)))
    # The request's two rounds, then six of the all-reduce (two trees of depth 3), then the shuffle.
    assert told == [(0, 9), (0, 9), (2, 9), (8, 9), (9, 9)]


def refused(function: Callable[..., object], memory: int = 2) -> str:
    with pytest.raises(hw.HeadworkError) as caught:
        hw.protocol(memory=memory, alphabet=4)(function).trace(4)
    return str(caught.value)


REFUSALS: list[tuple[Callable[..., object], str, str]] = [
    (lambda me, x: hw.shuffle(to=[me, me, me], payload=[x, x, x]).count, "round 1: shuffle() sends 3 messages", "memory holds 2"),
    (lambda me, x: hw.request([x, x, x], me)[0], "round 1: request() sends 3 messages", "more memory"),
    (lambda me, x: hw.shuffle(to=[me, me], payload=[x]).count, "2 destinations and 1 payloads", "for every slot"),
    (lambda me, x: hw.shuffle(to=[me, me], payload=[x, (x, x)]).count, "payloads of different shapes", "as many words"),
    (lambda me, x: hw.shuffle(to=[me, me], payload=[x, x > 1]).count, "a boolean", "one kind"),
    (lambda me, x: hw.shuffle(to=x > 1, payload=x).count, "sends to a boolean", "a machine's number"),
    (lambda me, x: hw.shuffle(to=me, payload=x, inbox=3).count, "inbox=3", "from 1 to the memory 2"),
    (lambda me, x: hw.shuffle(to=me, payload=x, inbox=0).count, "inbox=0", '"any"'),
    (lambda me, x: hw.shuffle(to=me, payload=x, inbox="any").messages[0], "no list of messages", "read count, sum"),
    (lambda me, x: hw.shuffle(to=me, payload=x, inbox="any").senders[0], "no list of senders", "read count, sum"),
    (lambda me, x: hw.shuffle(to=me, payload=x > 1).sum, "inbox.sum needs a number", "on booleans"),
    (lambda me, x: hw.shuffle(to=me, payload=(x, me)).word(2).max, "word(2) is asked of messages of 2 words", "from 0"),
    (lambda me, x: hw.shuffle(to=me, payload=x).word(0).max, "word(0) is asked of messages that are no tuples", "from 0"),
    (lambda me, x: hw.shuffle(to=me, payload=x).any, "inbox.any needs a boolean", "compare first"),
    (
        lambda me, x: hw.scatter(to=lambda i: 1, payload=x).count,
        "machine 1 was sent 4 messages, its inbox holds 2",
        "from machines 1, 2, 3, 4",
    ),
    (lambda me, x: hw.scatter(to=lambda i: "1", payload=x).count, "returned '1' for machine 1", "a machine's number, or None"),
    (lambda me, x: hw.gather(lambda i: 2, x), "machine 2 sends 4 messages", "broadcast()"),
    (lambda me, x: hw.broadcast(x, source=5), "source=5", "1 to 4"),
    (lambda me, x: hw.all_reduce(x, "mean"), "how='mean'", "sum, min, max"),
    (lambda me, x: hw.all_reduce(x, "any"), "needs a boolean", "compare first"),
    (lambda me, x: (x, 3.5j), "returned 3.5j in a tuple", "a tuple of values"),
]


@pytest.mark.parametrize(("function", "fact", "hint"), REFUSALS, ids=lambda x: x if isinstance(x, str) else "")
def test_refusals(function: Callable[..., object], fact: str, hint: str) -> None:
    text = refused(function)
    assert fact in text
    assert hint in text


def test_communication_is_for_protocols() -> None:
    @hw.program(alphabet=4)
    def not_one(token, position):
        return hw.request(position, token)

    with pytest.raises(hw.ProgramError, match=r"request\(\) is for protocols(.|\n)*@hw.protocol"):
        not_one.build(4)


def test_protocols_say_what_is_wrong_with_their_inputs() -> None:
    with pytest.raises(hw.ProgramError, match="takes no input word"):
        hw.protocol(memory=2)(lambda me: me)

    @hw.protocol(memory=2, words={"b": range(3)})
    def misnamed(me, a):
        return a

    with pytest.raises(hw.ProgramError, match="has the words b and takes a"):
        misnamed.trace(4)

    @hw.protocol(memory=2)
    def nothing_known(me, a):
        return a

    with pytest.raises(hw.InputError, match="was given no alphabet"):
        nothing_known.trace(4)
    with pytest.raises(hw.InputError, match="the length is 0"):
        nothing_known.trace(0, 4)

    @hw.protocol(memory=2)
    def two(me, a, b):
        return a + b

    with pytest.raises(hw.ProgramError, match="takes 2 words and the alphabet holds 0"):
        two.trace(4, 3)
    with pytest.raises(hw.ProgramError, match="input word b of str"):
        two.trace(4, [(1, "x"), (2, "y")])
    for memory in (0, True, "2"):
        with pytest.raises(hw.InputError, match="has the memory"):
            hw.protocol(memory=memory, alphabet=3)(lambda me, a: a).trace(4)  # pyright: ignore[reportArgumentType]


def test_memory_may_grow_with_the_machines() -> None:
    @hw.protocol(memory=lambda n: max(1, round(n**0.5)), alphabet=4)
    def root(me, memory, machines, x):
        assert (memory, machines) == (round(machines**0.5), me.builder.sizes.length)
        return hw.broadcast(x)

    assert root.trace(16).memory == 4
    assert root.rounds(16) == 2
    assert root.rounds(1024) == 2


@pytest.mark.parametrize("memory", [1, 2, 3])
def test_a_question_and_its_answer_are_one_lookup(memory: int) -> None:
    """Two shuffles are two rounds; where the second only sends a word back to who asked, they are one layer, and can overflow still."""

    @hw.protocol(memory=memory, words=lambda n: {"a": range(n + 1), "x": range(4)})
    def ask(me, a, x):
        asked = hw.shuffle(to=a, payload=me)
        answered = hw.shuffle(to=asked.senders, payload=[x] * memory)
        return answered.messages[0], answered.senders[0], answered.count

    model = hw.compile(ask, length=6)
    assert (ask.rounds(6), model.cost.attention_layers) == (2, 1)
    machines = [(2, 0), (3, 1), (0, 2), (3, 3), (1, 0)] if memory > 1 else [(2, 0), (3, 1), (0, 2), (1, 3), (0, 0)]
    wanted = [(machines[a - 1][1], a, 1) if a else (None, None, 0) for a, _ in machines]
    assert model.run(machines) == hw.run_protocol(ask.trace(6), machines) == wanted
    crowd = [(3, x % 4) for x in range(memory + 1)] + [(0, 0)] * 3
    with pytest.raises(hw.CapacityError) as caught:
        model.run(crowd[:6])
    assert f"machine 3 was sent {memory + 1} messages" in str(caught.value)
