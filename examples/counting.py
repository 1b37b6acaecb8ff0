"""Counting, sorting and automata on words: what attention that adds up can do, and how each program was lowered."""

from __future__ import annotations

import headwork as hw

TEXT = "the cat saw the dog and the dog saw the bird".split()
WORDS = sorted(set(TEXT))


@hw.program(causal=False)
def rarest(token: hw.Value) -> hw.Value:
    """The last of the rarest words of the text, at every position."""
    often = hw.match(query=token, key=token).count()
    return hw.visible(token).smallest(by=often).fetch(token)


def ends_in(pattern: str, alphabet: str) -> list[tuple[str, str, str]]:
    """The automaton of the regular expression `.*pattern`: its states are how much of the pattern stands at the end."""

    def step(seen: str, c: str) -> str:
        return next((seen + c)[i:] for i in range(len(seen) + 2) if pattern.startswith((seen + c)[i:]))

    states = [pattern[:i] for i in range(len(pattern) + 1)]
    return [(state, c, step(state, c)) for state in states for c in alphabet]


def main() -> None:
    """Run three programs and say what they cost and how they are exact."""
    counts = hw.compile(hw.programs.get("histogram"), length=64, alphabet=WORDS)
    for word, count in dict(zip(TEXT, counts.run(TEXT), strict=True)).items():
        print(f"{word:5} {count}")
    print()

    order = hw.compile(hw.programs.get("sort"), length=64, alphabet=WORDS)
    print(*order.run(TEXT))
    print("\n".join(order.graph.notes))
    print()

    print("rarest:", hw.compile(rarest, length=64, alphabet=WORDS).run(TEXT)[0])
    print()

    dfa = ends_in("abab", "ab")
    regex = hw.compile(hw.programs.get("automaton", dfa=dfa, accept=("abab",), heads=3), length=64)
    letters = "abaababab"
    print(letters)
    print("".join("!" if yes else "." for yes in regex.run(list(letters))), f" after {regex.cost.attention_layers} layers")
    print()
    print(hw.certify(counts))


if __name__ == "__main__":
    main()
