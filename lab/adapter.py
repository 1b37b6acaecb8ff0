"""TransformerLens's adapter for native models, which its entry point `transformer_lens.architectures` names: `HeadworkAdapter`.

It needs TransformerLens 4, so the class is made when it is asked for.
"""

from __future__ import annotations

from functools import cache


@cache
def adapter() -> type:
    """Where the parts of a `Paired` are: as in TransformerLens's own native models, without norms. Raises ImportError without version 4."""
    from transformer_lens.model_bridge.supported_architectures.native import (  # pyright: ignore[reportMissingImports]
        NativeArchitectureAdapter,
    )

    return type("HeadworkAdapter", (NativeArchitectureAdapter,), {"__doc__": adapter.__doc__, "__module__": __name__})


def __getattr__(name: str) -> type:
    if name == "HeadworkAdapter":
        return adapter()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
