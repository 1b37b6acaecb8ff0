"""Trees of nodes merged a phase at a time: what the graph protocols share. floor(log2 n) phases merge every component of n nodes.

Machine v plays node v and holds its parent; a root is its own. Machine i also holds an edge, as the roots of its two ends, as
far as they are known. In a phase a root that is free is hooked below a root that one of its edges leads to, and then
every node and every end follows its pointer twice. A tree that is not a star by then tells its root, and this root is not
free in the next phase: only a root that all of its edges know may choose.

Claim: after p phases a finished component has one root, at depth at most 1; in any other, every tree has at least 2**p nodes.

Proof. Call a node retired once it lies below a free root; nobody points to it any more, and it follows its pointer as an end
does. Heights are those of the others, after the first of the two steps, so a tree of height at most 1 is a star at the second.
Let a tree of height h weigh w(h): w(0) = w(1) = 1, w(2) = 2, and ceil(3h/2)/2 above. By induction a tree has 2**p·w(h) nodes.
Let T be the pointers after hooking, every free root r to its target t. (Isolated roots have no target and are finished.)

- k free roots in a chain, the last two hooked to each other. Where t is the least of r's neighbours, T(T(r)) <= r if t is free;
  so cycles have two roots. The upper one is hooked and the lower stays. If t > r, r waits for one step, which nobody does
  twice in succession: two steps advance by 3. The new height is at most floor((2k - 1)/3), and w of it at most k/2.
- a chain of k free roots hooked into a tree of height h whose root is not free, at a node of depth at most h - 1 before the
  second step and q = ceil((h - 1)/2) after it: height at most ceil(2(k - 1)/3) + 1 + ceil(max(q - 1, 0)/2), and ceil(h/4)
  without a chain. w of both is at most (w(h) + k)/2.

So the weight of what there is halves at most: a tree of weight w after the phase unites trees of weight 2w before it. Hooks that are
known to be mutual, and wait for nothing, give no greater heights. Of n nodes, p = floor(log2 n) leaves no room for a second
tree nor for one of weight 2: n < 2·2**p. QED. (The inequalities are checked by number in the tests.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..compiler.language import Value
from ..mpc import request, shuffle

Row = tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Trees:
    """Where the machines stand between two steps: a node's parent, an edge's ends, what moved last and what has retired."""

    me: Value
    parent: Value
    ends: tuple[Value, Value]
    moved: Value | None = None
    retired: Value | None = None

    @property
    def root(self) -> Value:
        """Whether this node is a root."""
        return self.parent == self.me


def phases(nodes: int, machines: int) -> int:
    """How many phases merge every component of so many nodes, of which only those that have a machine exist."""
    return min(nodes, machines).bit_length() - 1


def free(trees: Trees) -> Value:
    """Whether this node is a root that all of its tree knows: a shuffle of what moved, none in the first phase."""
    if trees.moved is None:
        return trees.root
    return trees.root & ~shuffle(to=trees.parent, payload=trees.moved, inbox="any").any


def first_step(trees: Trees, free: Value, start: Value, parent: Value, *words: Value) -> tuple[Trees, list[Row]]:
    """Every pointer followed once, after hooking, a node's own from `start`: one request, of the new parents and of `words`."""
    (up, settled, *mine), (a, _, *at_a), (b, _, *at_b) = request([start, *trees.ends], (parent, free, *words))
    retired = ~trees.root & settled
    if trees.retired is None:
        up = up.or_else(trees.me)  # an edge may name a node that no machine plays
    else:
        retired = trees.retired | retired
    return Trees(trees.me, up, (a, b), None, retired), [(*mine,), (*at_a,), (*at_b,)]


def second_step(trees: Trees, *words: Value) -> tuple[Trees, list[Row]]:
    """Every pointer followed once more, and which nodes moved by it: one request, of the parents and of `words`."""
    assert trees.retired is not None, "the second step comes after the first"
    (top, *mine), (a, *at_a), (b, *at_b) = request([trees.parent, *trees.ends], (trees.parent, *words))
    moved = (top != trees.parent) & ~trees.retired
    return replace(trees, parent=top, ends=(a, b), moved=moved), [(*mine,), (*at_a,), (*at_b,)]
