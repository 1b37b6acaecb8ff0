"""The `headwork` command: `app` lists the commands, one file a family holds them, and `ends` says how they stop."""

from __future__ import annotations


def main() -> None:
    """The console script."""
    from .app import run  # which imports typer: the package itself imports only `ends`

    run()
