"""A compiled induction head in TransformerLens: export to GPT-2, boot it there, compare the patterns, draw the head.

Needs `pip install 'headwork[lens]'`; without it the example says so and ends. Writes induction-head.png where it is run.
"""

import importlib.util
import tempfile

import torch

import headwork as hw

TEXT = "a rose is a rose is a rose".split()  # TransformerLens tries the tokenizer on the word "a", which must be a symbol


def main() -> None:
    if not all(importlib.util.find_spec(name) for name in ("transformer_lens", "matplotlib")):
        print("this example draws with TransformerLens and matplotlib: pip install 'headwork[lens]'")
        return
    from matplotlib import pyplot
    from transformer_lens.model_bridge import TransformerBridge

    with tempfile.TemporaryDirectory() as directory:
        hw.compile(hw.programs.get("induction"), length=16, alphabet=sorted(set(TEXT))).export(f"{directory}/induction", "gpt2")
        bridge = TransformerBridge.boot_transformers(f"{directory}/induction", device="cpu", dtype=torch.float32)
        native = hw.read_export(f"{directory}/induction")
    ids = [native.alphabet.id(word) for word in TEXT]
    words = len(native.alphabet)
    logits, cache = bridge.run_with_cache(torch.tensor([[words + 1, *(i + 1 for i in ids)]]))  # <bos> comes after ⊥ and the symbols

    # The same heads in headwork's own module, read back from the exported files.
    states = list(native.module.stream(torch.tensor([ids])))
    own = [block.pattern(state)[0] for block, state in zip(native.module.blocks, states, strict=False) if hasattr(block, "pattern")]
    for layer, pattern in enumerate(own):
        theirs = cache[f"blocks.{layer}.attn.hook_pattern"][0, : len(pattern)]  # GPT-2's other heads are padding
        difference = (theirs - pattern).abs().max().item()
        print(f"layer {layer}: patterns differ by at most {difference:.0e}")
        assert difference < 1e-6

    said = logits[0, 1:].argmax(-1).tolist()
    print("predicted next:", " ".join("⊥" if w == 0 else str(native.alphabet.symbols[w - 1]) for w in said))
    names = ["<bos>", *TEXT]
    pyplot.figure(figsize=(5, 5))
    pyplot.imshow(cache["blocks.1.attn.hook_pattern"][0, 0], cmap="Blues")
    pyplot.xticks(range(len(names)), names, rotation=90)
    pyplot.yticks(range(len(names)), names)
    pyplot.title("blocks.1 head 0: latest match, one step on")
    pyplot.tight_layout()
    pyplot.savefig("induction-head.png", dpi=120)


if __name__ == "__main__":
    main()
