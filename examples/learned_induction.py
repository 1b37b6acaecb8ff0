"""A transformer learns induction from the compiled program's own data, and its heads are put beside the compiled ones.

About half a minute on a CPU. Writes learned-induction.png where it is run, or the file that is named (.png, .pdf, .svg).
Needs matplotlib for the picture.
"""

import sys

import torch
from torch.nn.functional import cross_entropy

import headwork as hw

# --8<-- [start:loop]
torch.set_num_threads(1)  # small products: more threads do not help, and one gives the same numbers every time
STEPS, LENGTH, SEED = 1500, 24, 0
induction = hw.programs.induction()
compiled = hw.compile(induction, length=LENGTH)
learner = hw.fresh(compiled, SEED, d_model=32, d_head=16, d_mlp=32)  # the same blocks, heads and masks, wider
adam = torch.optim.Adam(learner.parameters(), betas=(0.9, 0.99))
test = hw.data(compiled, 500, seed=1_000_000, none=0, uniform=True)  # texts that training never meets

for step in range(1, STEPS + 1):
    for group in adam.param_groups:
        group["lr"] = 3e-3 * min(1, step / 50, 1.02 - step / STEPS)
    ids, classes = hw.data(compiled, 64, seed=step, none=0, uniform=step % 2 == 0)  # half repeat a segment, half are random
    loss = cross_entropy(learner(ids).flatten(0, 1), classes.flatten())
    adam.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
    adam.step()
    if step % 250 == 0:
        right = (learner(test.ids).argmax(-1) == test.classes).double().mean().item()
        print(f"step {step}: loss {loss.item():.4f}, right at {right:.2%} of positions")
        if right == 1:
            break

assert right == 1, "not learned: try another seed"
found = hw.compare(learner, compiled, [compiled.decode(row) for row in test.ids.tolist()])
print(found)
found.plot(sys.argv[1] if len(sys.argv) > 1 else "learned-induction.png")
# --8<-- [end:loop]
