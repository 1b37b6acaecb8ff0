"""Attacks on proof scripts: what a liar writes beside a model that is wrong.

Grammar. An attack is one to four moves on the JSON of a script of the model before it was damaged. A place is any number, word, list or
entry of it; parts are its terms, steps, outputs, claims, heads, groups, cases and sums.

| move     | what                                                                                     |
|----------|------------------------------------------------------------------------------------------|
| number   | a number changed a little, made huge, or made another number of the script               |
| drop     | an entry of a list, or a field, left out                                                 |
| double   | an entry of a list twice                                                                 |
| swap     | two places, of the same list or of any two                                               |
| copy     | a place's content put in another place                                                   |
| type     | a place made null, a truth value, a fraction, a word, an empty list or an empty object   |
| renumber | two terms exchanged wherever they are named as arguments, in steps, claims and cases     |
| order    | a list reversed, or shuffled                                                             |
| block    | the script of one block put in the place of another's                                    |
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

Path = tuple[Any, ...]


def places(value: Any, path: Path = ()) -> list[Path]:
    """Where a script's fields, entries, numbers and words are."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, inner in entries for place in [(*path, key), *places(inner, (*path, key))]]


def at(script: Any, path: Path) -> Any:
    """What is at a place."""
    for key in path:
        script = script[key]
    return script


def _put(script: Any, path: Path, value: Any) -> None:
    at(script, path[:-1])[path[-1]] = value


def number(script: Any, rng: random.Random) -> None:
    """Another number."""
    fit = [p for p in places(script) if type(at(script, p)) is int]
    if fit:
        place = rng.choice(fit)
        old = at(script, place)
        _put(script, place, rng.choice([old + 1, old - 1, old + 2, -old, 2 * old, 2**53, -(2**62), 2**80, at(script, rng.choice(fit))]))


def drop(script: Any, rng: random.Random) -> None:
    """Something less."""
    place = rng.choice(places(script))
    del at(script, place[:-1])[place[-1]]


def double(script: Any, rng: random.Random) -> None:
    """An entry twice, side by side or at the end."""
    fit = [p for p in places(script) if isinstance(p[-1], int)]
    if fit:
        place = rng.choice(fit)
        holder = at(script, place[:-1])
        holder.insert(rng.choice([place[-1], len(holder)]), copy.deepcopy(at(script, place)))


def swap(script: Any, rng: random.Random) -> None:
    """Two places."""
    a = rng.choice(all_places := places(script))
    near = [p for p in all_places if p[:-1] == a[:-1]]
    b = rng.choice(near if rng.random() < 0.7 else all_places)
    if a[: len(b)] == b or b[: len(a)] == a:
        return
    one, other = at(script, a), at(script, b)
    _put(script, a, other)
    _put(script, b, one)


def copied(script: Any, rng: random.Random) -> None:
    """A place's content in another place, mostly of the same name."""
    a = rng.choice(all_places := places(script))
    like = [p for p in all_places if p[-1] == a[-1] and len(p) == len(a)]
    _put(script, a, copy.deepcopy(at(script, rng.choice(like if rng.random() < 0.7 else all_places))))


def kind(script: Any, rng: random.Random) -> None:
    """Another type."""
    _put(script, rng.choice(places(script)), rng.choice([None, True, False, 0, -1, 0.5, 1e300, "x", "", [], {}, [[]], [0], {"over": []}]))


def renumber(script: Any, rng: random.Random) -> None:
    """Two terms exchanged from one part on."""
    a, b = rng.randrange(3 + len(script["terms"])), rng.randrange(3 + len(script["terms"]))
    parts = [p for p in ("steps", "outputs", "embedding", "blocks", "logits") if rng.random() < 0.6 and p in script]
    for place in places(script):
        if place[0] in parts and type(at(script, place)) is int and place[-1] not in ("dims", "units"):
            _put(script, place, {a: b, b: a}.get(at(script, place), at(script, place)))


def order(script: Any, rng: random.Random) -> None:
    """A list in another order."""
    fit = [p for p in places(script) if isinstance(at(script, p), list) and len(at(script, p)) > 1]
    if fit:
        found = at(script, rng.choice(fit))
        rng.shuffle(found) if rng.random() < 0.5 else found.reverse()


def block(script: Any, rng: random.Random) -> None:
    """One block's script for another's."""
    if script["blocks"]:
        n = len(script["blocks"])
        script["blocks"][rng.randrange(n)] = copy.deepcopy(script["blocks"][rng.randrange(n)])


MOVES: tuple[Callable[[Any, random.Random], None], ...] = (
    number,
    number,
    drop,
    double,
    swap,
    swap,
    copied,
    copied,
    kind,
    renumber,
    order,
    block,
)


def attacked(script: Any, rng: random.Random) -> Any:
    """A script after one to four moves."""
    script = copy.deepcopy(script)
    for _ in range(rng.choice((1, 1, 2, 3, 4))):
        try:
            rng.choice(MOVES)(script, rng)
        except (IndexError, KeyError, TypeError, AttributeError):  # an earlier move took away what this one is about
            continue
    return script
