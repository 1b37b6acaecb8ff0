"""One round of a protocol as one attention layer: every machine sends two messages and receives at most two.

Draws the messages, and beside them where each routing head of the compiled layer looks. Writes one-round.png where it is run,
or the file that is named. Needs matplotlib.
"""

import sys

import torch

import headwork as hw

MACHINES = 12


@hw.protocol(memory=2, words=lambda n: {"a": range(1, n + 1), "b": range(1, n + 1)})
def one_round(me, a, b):
    """Machine me sends its number to the machines a and b."""
    return tuple(hw.shuffle(to=[a, b], payload=[me, me]).senders)


def main() -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    # Slot 1 of two neighbours goes to one machine of the upper half, slot 2 of machines six apart to one of the lower half.
    sent = [(1 + i // 2, 7 + i % 6) for i in range(MACHINES)]
    model = hw.compile(one_round, length=MACHINES)
    got = model.run(sent)
    for machine, senders in enumerate(got, 1):
        assert [s for s in senders if s] == sorted(i for i, to in enumerate(sent, 1) for t in to if t == machine)
    print(f"one round, {MACHINES} machines of two words: {model.cost.attention_layers} attention layer, {model.cost.heads[0]} heads")

    ids = torch.tensor([[model.alphabet.id(symbol) for symbol in sent]])
    states = list(model.module.stream(ids))
    layer = next(i for i, block in enumerate(model.module.blocks) if hasattr(block, "pattern"))
    patterns = model.module.blocks[layer].pattern(states[layer])[0].detach()
    heads = [p for p in patterns if (p[1:, 1:].max(dim=1).values > 0.5).any()]  # those that count stay with BOS

    figure, axes = pyplot.subplots(1, 1 + len(heads), figsize=(3 + 2.2 * len(heads), 3.2), width_ratios=[1.4, *[1] * len(heads)])
    for i, targets in enumerate(sent, 1):
        for slot, target in enumerate(targets):
            axes[0].plot([0, 1], [i, target], color=("tab:blue", "tab:orange")[slot], linewidth=1)
    for side in (0, 1):
        axes[0].scatter([side] * MACHINES, range(1, MACHINES + 1), color="black", s=14, zorder=2)
    axes[0].set(title="messages", xticks=[0, 1], xticklabels=["sent", "received"], ylabel="machine", ylim=(MACHINES + 0.5, 0.5))
    extent = (0.5, MACHINES + 0.5, MACHINES + 0.5, 0.5)
    for axis, pattern in zip(axes[1:], heads, strict=True):
        read = {machine: int(row.argmax()) for machine, row in enumerate(pattern) if machine and row[1:].max() > 0.5}
        machine, sender = next(iter(read.items()))
        slot = sent[sender - 1].index(machine)
        senders = [i for i, to in enumerate(sent, 1) if to[slot] == machine]
        axis.imshow(pattern[1:, 1:], cmap=("Blues", "Oranges")[slot], vmin=0, vmax=1.4, extent=extent)
        axis.set(title=f"slot {slot + 1}, {'first' if sender == senders[0] else 'last'} sender", xlabel="reads from")
        axis.set(xticks=[1, 6, 12], yticks=[2, 4, 6, 8, 10, 12])
    figure.tight_layout()
    name = sys.argv[1] if len(sys.argv) > 1 else "one-round.png"
    figure.savefig(name, dpi=110)
    print(f"drawn in {name}")


if __name__ == "__main__":
    main()
