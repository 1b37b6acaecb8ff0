"""Cost: what a compiled model is made of, counted on its tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from ..compiler.shown import Tabled
from .module import Attention, Mlp, Transformer


@dataclass(frozen=True)
class Cost(Tabled):
    """Sizes of a model. Layers count attention layers only; `d_head` is the widest head, per-layer figures are tuples.

    `parameters` counts every entry of every tensor; `embedding_parameters` are those of W_E and W_pos among them.
    """

    attention_layers: int
    heads: tuple[int, ...]
    d_model: int
    d_head: int
    d_mlp: tuple[int, ...]
    mlp_sublayers: int
    parameters: int
    embedding_parameters: int
    nonzero_parameters: int

    def as_dict(self) -> dict[str, object]:
        """The figures as JSON-ready values."""
        return asdict(self)

    def table(self) -> tuple[str, Sequence[tuple[str, str]]]:
        """The figures, in words."""
        return "cost", (
            ("attention layers", str(self.attention_layers)),
            ("heads per layer", ", ".join(map(str, self.heads)) or "none"),
            ("d_model", str(self.d_model)),
            ("d_head", str(self.d_head)),
            ("MLP sublayers", f"{self.mlp_sublayers}" + (f"  (d_mlp {', '.join(map(str, self.d_mlp))})" if self.d_mlp else "")),
            ("parameters", f"{self.parameters:,}  ({self.parameters - self.embedding_parameters:,} outside the embedding)"),
            ("nonzero", f"{self.nonzero_parameters:,}"),
        )

    def __str__(self) -> str:
        return "\n".join(f"{name:<18} {said}" for name, said in self.table()[1])


def cost_of(module: Transformer) -> Cost:
    """Count a model."""
    attention = [b for b in module.blocks if isinstance(b, Attention)]
    mlps = [b for b in module.blocks if isinstance(b, Mlp)]
    return Cost(
        attention_layers=len(attention),
        heads=tuple(len(b.masks) for b in attention),
        d_model=module.shape.d_model,
        d_head=max((b.W_Q.shape[2] for b in attention), default=0),
        d_mlp=tuple(b.W_in.shape[1] for b in mlps),
        mlp_sublayers=len(mlps),
        parameters=sum(p.numel() for p in module.parameters()),
        embedding_parameters=module.W_E.numel() + module.W_pos.numel(),
        nonzero_parameters=sum(int(p.count_nonzero()) for p in module.parameters()),
    )
