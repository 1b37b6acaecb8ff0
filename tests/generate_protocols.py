"""Random protocols: local operations and communication of every kind, on small numbers and pointers."""

from __future__ import annotations

import random

import headwork as hw

WORDS = 4  # values of an input word


def random_protocol(seed: int) -> hw.Protocol:
    """Two input words, then local operations and communication on whatever there is; two or three values are returned."""
    rng = random.Random(seed)
    memory = rng.choice([1, 2, 2, 3])
    steps = [rng.random() for _ in range(rng.randrange(2, 7))]

    @hw.protocol(memory=memory, words=lambda n: {"a": range(n + 2), "b": [None, *range(-1, WORDS - 1)]}, name=f"random {seed}")
    def protocol(me: hw.Value, machines: int, a: hw.Value, b: hw.Value) -> tuple[hw.Value, ...]:
        draw = random.Random(seed + 1)
        small, pointers = [b, hw.where(a > 1, b, 0)], [a, me, hw.machine(a)]

        def message() -> tuple[list[hw.Value], list[hw.Value]]:
            slots = draw.randrange(1, memory + 1)
            return [draw.choice(pointers) for _ in range(slots)], [draw.choice(small) for _ in range(slots)]

        def keep(value: hw.Value) -> None:
            """A number made small again, so that domains do not grow without end."""
            small.append(hw.minimum(hw.maximum(value, -3), 3) if value.domain.size > 7 else value)

        for step in steps:
            if step < 0.15:
                keep(draw.choice(small) + draw.choice(small))
            elif step < 0.25:
                keep(hw.where((draw.choice(small) > draw.choice(small)).or_else(False), draw.choice(small), draw.choice(small)))
            elif step < 0.32:
                pointers.append(hw.where((draw.choice(small) > 0).or_else(True), draw.choice(pointers), me))
            elif step < 0.5:
                address = draw.choice(pointers)
                x, where_to = hw.request(address, (draw.choice(small), draw.choice(pointers)))
                keep(x)
                pointers.append(where_to)
            elif step < 0.68:
                to, payload = message()
                inbox = hw.shuffle(to=to, payload=payload)
                keep(draw.choice(inbox.messages))
                pointers.append(draw.choice(inbox.senders))
                keep(inbox.count)
            elif step < 0.82:
                to, payload = message()
                inbox = hw.shuffle(to=to, payload=payload, inbox=draw.choice(["any", memory]))
                keep(getattr(inbox, draw.choice(["sum", "min", "max", "first", "count"])))
            elif step < 0.88:
                asked = hw.shuffle(to=draw.choice(pointers), payload=me)
                answer = hw.shuffle(to=asked.senders, payload=[draw.choice(small)] * memory)
                keep(answer.messages[0])
                keep(answer.count)
                pointers.append(answer.senders[-1])
            elif step < 0.94:
                shifts = [draw.randrange(-2, 3) for _ in range(draw.randrange(1, memory + 1))]
                inbox = hw.scatter(to=[lambda i, s=s: i + s for s in shifts], payload=[draw.choice(small) for _ in shifts])
                keep(draw.choice(inbox.messages))
                keep(inbox.sum)
            else:
                keep(hw.all_reduce(draw.choice(small), draw.choice(["sum", "min", "max", "count", "first"])))
                keep(hw.broadcast(draw.choice(small), source=draw.randrange(1, machines + 1)))
        return (small[-1], pointers[-1], *small[2:-1][-1:])

    return protocol
