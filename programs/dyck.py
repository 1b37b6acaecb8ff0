"""Brackets: whether what stands so far is balanced, and which opening bracket a closing one belongs to."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..compiler import language as hw
from ..compiler.domain import Symbol
from ..compiler.errors import InputError
from .entry import Entry, always, one_of

KINDS = ("()", "[]", "{}")


def make_dyck1() -> hw.Program:
    """True where the brackets ( ) so far are balanced, False where some are still open, ⊥ once one closes too many.

    Layer 1 is the depth, a sum of +1 and -1; layer 2 asks whether it was negative anywhere so far.
    """

    @hw.program(name="dyck1", alphabet=("(", ")"))
    def dyck1(token: hw.Value) -> hw.Value:
        return _verdict([_depth(token, "()")])

    return dyck1


def make_shuffle_dyck(kinds: Sequence[str] = KINDS) -> hw.Program:
    """As dyck1, each kind of brackets on its own: ( [ ) ] is balanced. All depths are sums of one head.

    Raises InputError unless `kinds` are pairs of different characters, at least one.
    """
    _require_kinds("shuffle_dyck", kinds)

    @hw.program(name="shuffle_dyck", alphabet=_characters(kinds))
    def shuffle_dyck(token: hw.Value) -> hw.Value:
        return _verdict([_depth(token, kind) for kind in kinds])

    return shuffle_dyck


def _depth(token: hw.Value, kind: str) -> hw.Value:
    """How many brackets of a kind are open."""
    return hw.visible(token).sum(hw.table(lambda c: {kind[0]: 1, kind[1]: -1}.get(c, 0), token))


def _verdict(depths: Sequence[hw.Value]) -> hw.Value:
    """⊥ where a depth was negative, True where all are 0, else False."""
    negative, balanced = depths[0] < 0, depths[0] == 0
    for depth in depths[1:]:
        negative, balanced = negative | (depth < 0), balanced & (depth == 0)
    return hw.where(hw.match(True, negative).any(), None, balanced)


def make_dyck_k(kinds: Sequence[str] = KINDS, give: str = "balanced") -> hw.Program:
    """Brackets of several kinds, properly nested: ( [ ] ) is balanced, ( [ ) ] never is.

    give="balanced": True, False or ⊥ as in dyck1. give="partner": at a closing bracket, the position of the bracket that
    it closes, ⊥ where there is none or it is of another kind. Other characters of the alphabet are passed over.

    Layer 1: depth. Layer 2: the partner of a closing bracket is the latest opening one that is one level deeper; between
    them the depth stays above. Layer 3, for balance: no closing bracket so far without a partner of its kind.
    Raises InputError unless `kinds` are pairs of different characters, at least one, and `give` one of the two.
    """
    _require_kinds("dyck_k", kinds)
    one_of("dyck_k", "give", give, ("balanced", "partner"))
    opening = {kind[0]: number for number, kind in enumerate(kinds)}
    closing = {kind[1]: number for number, kind in enumerate(kinds)}

    @hw.program(name="dyck_k", alphabet=_characters(kinds))
    def dyck_k(token: hw.Value) -> hw.Value:
        opens, closes = hw.table(opening.get, token), hw.table(closing.get, token)
        depth = hw.visible(token).sum(hw.table(lambda c: (c in opening) - (c in closing), token))
        level = hw.where(opens.exists, depth, None)
        partner = hw.match(query=hw.where(closes.exists, depth + 1, None), key=level).latest()
        fits = partner.fetch(opens) == closes
        if give == "partner":
            return hw.where(fits, partner.position, None)
        wrong = closes.exists & ~fits.or_else(False)
        return hw.where(hw.match(True, wrong).any(), None, depth == 0)

    return dyck_k


def _require_kinds(program: str, kinds: Sequence[str]) -> None:
    pairs = bool(kinds) and all(isinstance(kind, str) and len(kind) == 2 for kind in kinds)
    if not pairs or len(set("".join(kinds))) < 2 * len(kinds):
        raise InputError(f"program {program} was given kinds={kinds!r}", hint='give pairs of characters, such as ["()", "[]"]')


def _characters(kinds: Sequence[str]) -> tuple[str, ...]:
    return (*"".join(kinds), *(["x"] if not any("x" in kind for kind in kinds) else []))


def reference_dyck1(tokens: Sequence[Symbol]) -> list[Symbol | None]:
    """A counter that must not go below 0."""
    out: list[Symbol | None] = []
    depth, good = 0, True
    for token in tokens:
        depth += (token == "(") - (token == ")")
        good = good and depth >= 0
        out.append(depth == 0 if good else None)
    return out


def reference_shuffle_dyck(tokens: Sequence[Symbol], kinds: Sequence[str] = KINDS) -> list[Symbol | None]:
    """Cancel pairs of a kind, the other kinds taken out, until nothing changes; what cannot be balanced starts with a closing one."""
    out: list[Symbol | None] = []
    rests = ["" for _ in kinds]
    for token in map(str, tokens):
        rests = [(rest + token).replace(kind, "") if token in kind else rest for rest, kind in zip(rests, kinds, strict=True)]
        out.append(None if any(rest[:1] == kind[1] for rest, kind in zip(rests, kinds, strict=True)) else not any(rests))
    return out


def reference_dyck_k(tokens: Sequence[Symbol], kinds: Sequence[str] = KINDS, give: str = "balanced") -> list[Symbol | None]:
    """A stack of opening brackets; each closing one pops."""
    closes = {kind[1]: kind[0] for kind in kinds}
    stack: list[int] = []
    partners: list[Symbol | None] = []
    verdicts: list[Symbol | None] = []
    good = True
    for i, token in enumerate(map(str, tokens)):
        partner: int | None = None
        if token in closes.values():
            stack.append(i)
        elif token in closes:
            partner = stack.pop() if stack else None
            if partner is None or tokens[partner] != closes[token]:
                partner, good = None, False
        partners.append(None if partner is None else partner + 1)
        verdicts.append(not stack if good else None)
    return verdicts if give == "balanced" else partners


def sample_dyck1(rng: random.Random, length: int) -> list[Symbol]:
    """Brackets that are balanced as far as they go, or nearly so."""
    return sample_dyck_k(rng, length, ("()",))


def sample_dyck_k(rng: random.Random, length: int, kinds: Sequence[str] = KINDS, give: str = "balanced") -> list[Symbol]:
    """Random nested brackets; in one of four prompts, one character is replaced at random."""
    tokens: list[Symbol] = []
    stack: list[str] = []
    while len(tokens) < length:
        if stack and (rng.random() < 0.5 or len(stack) >= length - len(tokens)):
            tokens.append(stack.pop())
        else:
            opens, closes = rng.choice(kinds)
            tokens.append(opens)
            stack.append(closes)
    if rng.random() < 0.25:
        tokens[rng.randrange(length)] = rng.choice("".join(kinds))
    return tokens


def sample_shuffle_dyck(rng: random.Random, length: int, kinds: Sequence[str] = KINDS) -> list[Symbol]:
    """Nested brackets of each kind, shuffled into each other."""
    parts = [sample_dyck_k(rng, max(1, length // len(kinds)), (kind,)) for kind in kinds]
    order = [number for number, part in enumerate(parts) for _ in part]
    rng.shuffle(order)
    queues = [iter(part) for part in parts]
    return [next(queues[number]) for number in order][:length]


DYCK1 = Entry(
    name="dyck1",
    summary="Whether the brackets so far are balanced; ⊥ once they never can be.",
    make=make_dyck1,
    reference=reference_dyck1,
    sample=sample_dyck1,
    layers=always(2),
    layers_formula="2",
    alphabet=("(", ")"),
    alphabet_fixed=True,
)

DYCK_K = Entry(
    name="dyck_k",
    summary="Whether nested brackets of several kinds are balanced so far, or the partner of each closing one.",
    make=make_dyck_k,
    reference=reference_dyck_k,
    sample=sample_dyck_k,
    layers=lambda length, kinds, give: 3 if give == "balanced" else 2,
    layers_formula="3, 2 for give=partner",
    alphabet=_characters(KINDS),
    alphabet_fixed=True,
    parameters={"kinds": KINDS, "give": "balanced"},
)

SHUFFLE_DYCK = Entry(
    name="shuffle_dyck",
    summary="Whether the brackets of each kind are balanced so far, whatever stands between them.",
    make=make_shuffle_dyck,
    reference=reference_shuffle_dyck,
    sample=sample_shuffle_dyck,
    layers=always(2),
    layers_formula="2",
    alphabet=_characters(KINDS),
    alphabet_fixed=True,
    parameters={"kinds": KINDS},
)
