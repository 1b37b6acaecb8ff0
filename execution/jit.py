"""Tight loops are compiled by numba where it is installed (extra `fast`), and run as plain Python where not: the same functions."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])
LOOPS = ("attend.py", "jit.py", "lookup.py", "loop.py", "machine.py", "memo.py", "table.py")  # the files that compiled loops are made of
OFF = "HEADWORK_NO_NUMBA"  # set to 1, it leaves the loops to Python


def _options() -> dict[str, Any] | None:
    if os.environ.get(OFF, "") not in ("", "0"):
        return None
    try:
        import numba  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    return {"boundscheck": False, "error_model": "numpy", "_nrt": False}  # nothing is allocated inside, so nothing is counted


def _forget() -> None:
    """Drop what was compiled from other sources than these: numba looks at a function's own file, not at those of what it calls."""
    folder = Path(__file__).parent
    now = repr([(name, (folder / name).stat().st_mtime_ns, (folder / name).stat().st_size) for name in LOOPS])
    stamp = folder / "__pycache__" / "loops.stamp"
    with contextlib.suppress(OSError):
        if not stamp.exists() or stamp.read_text() != now:
            for old in stamp.parent.glob("*.nb[ic]"):
                old.unlink()
            stamp.parent.mkdir(exist_ok=True)
            stamp.write_text(now)


_OPTIONS = _options()
FAST = _OPTIONS is not None
if FAST:
    _forget()


def jit(function: F) -> F:
    """The function, compiled when it is first called where numba is there; what is compiled is kept on disk."""
    if _OPTIONS is None:
        return function
    import numba  # pyright: ignore[reportMissingImports]

    return cast("F", numba.njit(cache=True, nogil=True, **_OPTIONS)(function))


def inlined(function: F) -> F:
    """The same for a function that only other such functions call, as part of them."""
    if _OPTIONS is None:
        return function
    import numba  # pyright: ignore[reportMissingImports]

    return cast("F", numba.njit(forceinline=True, **_OPTIONS)(function))
