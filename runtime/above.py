"""What a model can do through packages that are built on the runtime: each method is a word for a function above.

Imports run one way, so this is the one file that points up; a package above is imported when its word is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..compiler.calls import readable
from ..compiler.domain import Symbol

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

    from ..execution.session import Session
    from ..export.write import Exported
    from ..lab.trace import Trace
    from ..report.page import Page
    from .model import Model


def most_robust(name: str, codes: tuple[str, ...], width: int | None, compiled: Callable[[str], Model]) -> Model:
    """The model that bears the most noise: see `certificate/choice.py`."""
    from ..certificate.choice import most_robust

    return most_robust(name, codes, width, compiled)


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
        same_circuit: bool = False,
    ) -> Exported:
        """Write the program as a checkpoint that the field's tools load: see `export/write.py`."""
        from ..export.write import export

        return export(self, directory, target, code=code, dtype=dtype, check=check, same_circuit=same_circuit)

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

    def session(self: Model, engine: str = "auto") -> Session:  # pyright: ignore[reportGeneralTypeIssues]
        """A session: the model reads and says a text token by token, each in constant time: see `execution/session.py`."""
        from ..execution.session import session

        return session(self, engine)

    def sparsely(self: Model, ids: Tensor, engine: str, audit: int = 0) -> Tensor | None:  # pyright: ignore[reportGeneralTypeIssues]
        """`classes` by the sparse engine, None where the dense one is to run: see `execution/choose.py`."""
        from ..execution.choose import classes_of

        return classes_of(self, ids, engine, audit)

    def sparse_stream(self: Model, ids: Tensor, engine: str, audit: int = 0) -> Iterator[Tensor]:  # pyright: ignore[reportGeneralTypeIssues]
        """`module.stream` by the sparse engine: see `execution/choose.py`. Shapes: (B, n) -> (B, n + 1, d_model) each."""
        from ..execution.choose import stream_of

        return stream_of(self, ids, engine, audit)
