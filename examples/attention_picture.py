"""What the induction head looks at, as a picture in text: one row a query, one mark at the key it reads."""

import torch

import headwork as hw

TEXT = "a rose is a rose is a rose".split()


def main() -> None:
    model = hw.compile(hw.programs.get("induction"), length=16, alphabet=sorted(set(TEXT)))
    ids = torch.tensor([[model.alphabet.id(word) for word in TEXT]])  # (1, n)

    # `stream` yields the residual stream after the embedding and after every block.
    states = list(model.module.stream(ids))
    layers = [(block, state) for block, state in zip(model.module.blocks, states, strict=False) if hasattr(block, "pattern")]
    for number, (block, state) in enumerate(layers, 1):
        pattern = block.pattern(state)[0, 0]  # (n + 1, n + 1); row and column 0 are the internal BOS
        print(f"\nattention layer {number}: rows read from the marked columns (BOS: nothing there)")
        print(" " * 8 + "".join(f"{word:>6}" for word in ["BOS", *TEXT]))
        for word, row in zip(TEXT, pattern[1:], strict=True):
            print(f"{word:>8}" + "".join(f"{'■' if weight == 1 else '·':>6}" for weight in row))
            assert row.max() == 1 and row.sum() == 1  # exactly one position, no leak

    print("\npredicted next:", " ".join(word or "⊥" for word in model.run(TEXT)))


if __name__ == "__main__":
    main()
