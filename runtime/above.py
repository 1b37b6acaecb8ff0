"""What a model can do through packages that are built on the runtime: each method is a word for a function above.

Imports run one way, so this is the one file that points up; a package above is imported when its word is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..compiler.calls import readable
from ..compiler.domain import Symbol

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..export.write import Exported
    from ..lab.trace import Trace
    from ..report.page import Page
    from .model import Model


@readable
class Above:
    """The methods of a model that live above it."""

    def export(
        self: Model,  # pyright: ignore[reportGeneralTypeIssues]
        directory: str | Path,
        target: str = "gpt2",
        *,
        code: str = "auto",
        dtype: str = "auto",
        check: bool | None = None,
    ) -> Exported:
        """Write the program as a checkpoint that the field's tools load: see `export/write.py`."""
        from ..export.write import export

        return export(self, directory, target, code=code, dtype=dtype, check=check)

    def trace(
        self: Model,  # pyright: ignore[reportGeneralTypeIssues]
        tokens: Sequence[Symbol] | Sequence[Sequence[Symbol]],
    ) -> Trace | list[Trace]:
        """Everything computed on an input: see `lab/trace.py`. One sequence gives a Trace, a batch a list of them."""
        from ..lab.trace import trace

        return trace(self, tokens)

    def report(
        self: Model,  # pyright: ignore[reportGeneralTypeIssues]
        tokens: Sequence[Symbol] = (),
        *,
        certify: bool = True,
    ) -> Page:
        """The model as one HTML page in which its weights run, beginning with `tokens`: see `report/page.py`."""
        from ..report.page import report

        return report(self, tokens, certify=certify)

    def plot_attention(
        self: Model,  # pyright: ignore[reportGeneralTypeIssues]
        tokens: Sequence[Symbol],
        path: str | Path | None = None,
        *,
        columns: int = 4,
    ) -> Figure:
        """Where every head looks on a text, as a figure of matplotlib, written to `path` if given: see `lab/figures.py`."""
        from ..lab.figures import plot_attention

        return plot_attention(self, tokens, path, columns=columns)
