"""Runs a model of a suite with NumPy and safetensors alone.

`python load.py models/ID` runs its samples and says how many answers are right.
"""

import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file


def load(directory):
    """A model's sizes and tensors."""
    return json.loads((Path(directory) / "config.json").read_text()), load_file(Path(directory) / "model.safetensors")


def logits(model, ids):
    """The logits at every position, in nats. Shapes: n token ids -> (n, classes), the outputs' one after the other."""
    config, w = model
    rows = np.array([0, *(i + 1 for i in ids)])  # row 0 is BOS
    x = w["W_E"][rows] + w["W_pos"][: len(rows)]  # (n + 1, d_model)
    i, t = np.indices((len(rows), len(rows)))
    seen = {"causal": t <= i, "strict": (t < i) | (i + t == 0), "full": (i > 0) | (t == 0)}
    for b, block in enumerate(config["blocks"]):
        if block["kind"] == "mlp":
            x = x + np.maximum(x @ w[f"blocks.{b}.W_in"], 0) @ w[f"blocks.{b}.W_out"]
            continue
        heads = zip(block["masks"], *(w[f"blocks.{b}.W_{name}"] for name in "QKVO"), strict=True)
        results = []
        for mask, w_q, w_k, w_v, w_o in heads:
            scores = np.where(seen[mask], (x @ w_q) @ (x @ w_k).T, -np.inf)
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            results.append(weights / weights.sum(-1, keepdims=True) @ (x @ w_v) @ w_o)
        x = x + sum(results)
    return x[1:] @ w["W_U"]


def classes(model, ids):
    """The greatest logit's class at every position, one for each output. Shapes: n token ids -> (n, outputs)."""
    parts = np.split(logits(model, ids), np.cumsum(model[0]["classes"])[:-1], axis=-1)
    return np.stack([part.argmax(-1) for part in parts], axis=-1)


if __name__ == "__main__":
    model = load(sys.argv[1])
    samples = json.loads((Path(sys.argv[1]) / "samples.json").read_text())
    right = [classes(model, row["ids"]).tolist() == row["classes"] for row in samples["rows"]]
    print(f"{sum(right)} of {len(right)} texts are right at every position")
    sys.exit(sum(right) < len(right))
