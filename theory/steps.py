"""Chain of thought: how many steps of text a shallow transformer needs, and what each step is worth."""

from __future__ import annotations

from .hops import OWN, PAPER
from .shallow import ABSTRACT, NOTES
from .statement import Bound, Statement

ROWS = (
    Statement(
        id="RANK-COMP",
        statement="One layer of hard attention composes ℓ functions in exactly ℓ steps of thought, and in no fewer.",
        note="The least number of steps of a function is its Ehrenfeucht–Haussler rank, and the rank of ℓ-fold composition is ℓ.",
        source="arXiv 2501.12997",
        checked=ABSTRACT,
        families=("compose-by-steps",),
        bounds="steps == k",
        assumes=("L == 1", "H == 1", "hard attention", "k functions, and N as large as the theorem asks"),
    ),
    Statement(
        id="RANK-KTH",
        statement="One layer of one head of hard attention takes k steps of thought to find the place of the k-th one, and no fewer.",
        note="The rank of the function is k; the tests compute it for all k and small N by dynamic programming.",
        source="arXiv 2501.12997",
        checked=ABSTRACT,
        families=("kth-one",),
        bounds="steps >= k",
        assumes=("L == 1", "H == 1", "hard attention", "N as large as the theorem asks"),
    ),
    Statement(
        id="KTH-UB",
        statement="One layer finds the place of the k-th one in k steps of thought, each the place of the next one.",
        note="The compiled layer asks for a greater place bit by bit, with log2 N heads where the theorem's one head may be as wide "
        "as it likes.",
        source="derived here; exactly k with one head: arXiv 2501.12997",
        certainty="D",
        checked=OWN,
        families=("kth-one",),
        bounds=("L <= 1", Bound("steps <= k", part="steps")),
    ),
    Statement(
        id="HOP-STEPS",
        statement="k-hop takes two layers and k + 1 steps of thought: k pointers and the letter.",
        note="The first layer knows every place's pointer, the second reads it at the place the last step wrote.",
        source="derived here; the trade against depth: arXiv 2402.09268, Section 5",
        certainty="D",
        checked=OWN,
        families=("hop-by-steps",),
        bounds=("L <= 2", Bound("steps <= k + 1", part="steps")),
    ),
    Statement(
        id="COT-STEPS",
        statement="With hard attention of a constant number of layers, parity, multiplication, medians and reachability take Ω(N) "
        "steps of thought.",
        note="Tight up to logarithms: what is local in the text has to be written out.",
        source="arXiv 2502.02393",
        kind="asymptotic",
        checked=NOTES,
        families=("automaton-by-steps", "counter-by-steps"),
        assumes=("hard attention",),
    ),
    Statement(
        id="COT-POWER",
        statement="t(N) steps of thought let a transformer run a Turing machine for t(N) steps.",
        note="A step of text is a step of the machine, whose tape is read by looking for the last time a cell was written.",
        source="arXiv 2310.07923",
        kind="asymptotic",
        checked=PAPER,
        families=("turing-by-steps", "automaton-by-steps", "counter-by-steps", "hop-by-steps", "circuit-by-steps"),
    ),
    Statement(
        id="TM-CONST",
        statement="A transformer of constant size runs any Turing machine, with a text of polynomially many steps a step.",
        note="The compiled machine has a fixed tape, so its weights grow with the number of cells and not with the steps.",
        source="arXiv 2506.12027; arXiv 2512.00003",
        kind="asymptotic",
        checked=NOTES,
        families=("turing-by-steps",),
    ),
    Statement(
        id="COT-CIRCUIT",
        statement="T steps of thought and width O(log T) evaluate every Boolean circuit of T gates.",
        note="`circuit_by_steps` writes one gate a step: its inputs are looked up where they were written.",
        source="arXiv 2402.12875",
        kind="asymptotic",
        checked=NOTES,
        families=("circuit-by-steps",),
        bounds=("steps = O(gates)", Bound("m = O(log2(N))", part="m")),
    ),
)
