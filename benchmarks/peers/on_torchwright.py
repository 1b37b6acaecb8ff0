"""torchwright's worker: graphs of its tensor operations. The caller chooses widths and gains; those here are the least that worked."""

from __future__ import annotations

import math

import torch
from torchwright import compile_headless
from torchwright.graph import Concatenate
from torchwright.graph.node import Node
from torchwright.ops.attention_ops import attend_argmax_dot, attend_causal_mean, attend_most_recent_globally, attend_to_offset
from torchwright.ops.inout_nodes import create_literal_value, create_onehot_embedding, create_rope_config
from torchwright.ops.linear import add_const, bool_to_01, multiply_const, slice_columns, subtract, sum_nodes
from torchwright.ops.swiglu.arithmetic_ops import compare, floor_int, multiply
from torchwright.ops.swiglu.global_recency import global_position_from_bos
from torchwright.ops.swiglu.logic_ops import bool_all_true, bool_not, cond_gate, equals_vector

from .cell import Built, Inexpressible, work
from .tasks import HOPS, Answers, Symbol, Task

BOS = "<bos>"
ROTATED = 16  # dimensions of a head that carry position
RECENCY = 20.0  # nats between neighbours; its default of 1.0 gives wrong inductions
WIDTH, WIDER = 128, {("khop", 256): 512, ("khop", 1024): 1024}  # d_model: the least of 128, 256, … that compiles, tried beforehand
HIDDEN = 2048


class Graph:
    """A task's graph for sequences of a length; sizes of heads and gains follow from it."""

    def __init__(self, task: Task, length: int) -> None:
        self.task, self.keys = task, length + 1
        self.embedding = create_onehot_embedding([BOS, *map(str, task.symbols)])
        self.bits = math.ceil(math.log2(self.keys + 1))
        free = ROTATED
        while free < max(len(self.embedding) + 1, self.bits):
            free *= 2
        self.d_head = ROTATED + free
        self.rope = create_rope_config(d_head=self.d_head, max_positions=max(64, self.keys + 8), d_rot=ROTATED)
        self.at_bos = equals_vector(self.embedding, self.embedding.get_embedding(BOS))

    def out(self) -> Node:
        """The task's value."""
        if self.task.name == "previous":
            return attend_to_offset(self.rope, self.embedding, -1)
        self.position = global_position_from_bos(self.rope, bool_to_01(self.at_bos))
        match self.task.name:
            case "histogram":
                share = attend_causal_mean(self.rope, self.embedding)
                columns = range(1, 1 + len(self.task.symbols))
                own = [multiply(slice_columns(self.embedding, c, 1), slice_columns(share, c, 1)) for c in columns]
                return self.total(sum_nodes(own))
            case "dyck1":
                return self.balanced()
            case name:
                return self.hop(HOPS if name == "khop" else 1)

    def total(self, mean: Node) -> Node:
        """A sum from a mean over position + 1 keys."""
        return multiply(mean, add_const(self.position, 1.0))

    def balanced(self) -> Node:
        """+1 or -1: depth zero, and no negative depth so far."""
        opens, closes = (bool_to_01(equals_vector(self.embedding, self.embedding.get_embedding(b))) for b in self.task.symbols)
        height = multiply_const(self.total(attend_causal_mean(self.rope, subtract(opens, closes))), -1.0)
        negative = attend_causal_mean(self.rope, bool_to_01(compare(height, 0.5)))
        broken = compare(negative, 0.5 / self.keys, sharpness=4.0 * self.keys)
        return bool_all_true([compare(height, -0.5), bool_not(broken)])

    def hop(self, k: int) -> Node:
        """k induction pointers, k a power of two. BOS matches half as well as an equal token, and is taken where there is none."""
        gain = 2 * (2 * RECENCY * self.keys + 60)  # an equal token leads BOS by half a match
        previous = cond_gate(bool_not(self.at_bos), attend_to_offset(self.rope, self.embedding, -1))
        query = Concatenate([self.embedding, create_literal_value(torch.tensor([1.0]))])
        key = Concatenate([previous, multiply_const(bool_to_01(self.at_bos), 0.5)])
        value = self.embedding if k == 1 else self.code()
        found = attend_most_recent_globally(self.rope, query, key, self.position, value, match_gain=gain, recency_scale=RECENCY)
        if k == 1:
            return found
        for _ in range(k.bit_length() - 1):
            found = attend_argmax_dot(self.rope, found, value, found, match_gain=50.0)
        return attend_argmax_dot(self.rope, found, value, self.embedding, match_gain=50.0)

    def code(self) -> Node:
        """The position in ±1 bits."""
        middle = add_const(self.position, 0.5)
        bits = [floor_int(middle, 0, self.keys, output_map=lambda n, b=b: float(n >> b & 1)) for b in range(self.bits)]
        return add_const(multiply_const(Concatenate(bits), 2.0), -1.0)

    def decode(self, out: torch.Tensor) -> Answers:
        """Answers from the output's columns. Shape: (N, width)."""
        match self.task.name:
            case "histogram":
                return [round(v) for v in out[:, 0].tolist()]
            case "dyck1":
                return [v > 0 for v in out[:, 0].tolist()]
        best = (out @ self.embedding.table.T)[:, : 1 + len(self.task.symbols)].argmax(1).tolist()
        return [(None, *self.task.symbols)[i] for i in best]


def build(task: Task, length: int) -> Built:
    """Compile at the width chosen for the task and length."""
    if not task.causal:
        raise Inexpressible("its attention is causal")
    graph = Graph(task, length)
    out = graph.out()
    d = WIDER.get((task.name, length), WIDTH)
    model = compile_headless(out, d=d, d_head=graph.d_head, d_hidden=HIDDEN)

    def run(tokens: list[Symbol]) -> Answers:
        ids = [[float(graph.embedding.tokenizer.get_token_id(str(token)))] for token in [BOS, *tokens]]
        with torch.inference_mode():
            return graph.decode(model(torch.tensor(ids))[1:])

    layers = model._net.layers
    parts = [part for layer in layers for part in (layer.attn.attn, *vars(layer.mlp).values())]
    tensors = [graph.embedding.table, *(t for part in parts for t in getattr(part, "__dict__", {}).values() if isinstance(t, torch.Tensor))]
    parameters = sum(tensor.numel() for tensor in {id(tensor): tensor for tensor in tensors}.values())
    return Built(len(layers), max(layer.attn.attn.n_heads for layer in layers), d, parameters, True, run)


if __name__ == "__main__":
    torch.set_num_threads(1)
    work("torchwright", build)
