"""Campaigns write their results where docs/campaigns.md has a place for them."""

from __future__ import annotations

from pathlib import Path

from table import write

CAMPAIGNS = Path(__file__).parent.parent / "docs" / "campaigns.md"


def record(name: str, text: str) -> None:
    """Put a campaign's output between its markers in docs/campaigns.md."""
    old = CAMPAIGNS.read_text(encoding="utf-8")
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    if old.count(begin) != 1 or old.count(end) != 1:
        raise SystemExit(f"{CAMPAIGNS.name} needs {begin} and {end}, once each")
    write(CAMPAIGNS, f"{old.split(begin)[0]}{begin}\n{text.rstrip()}\n{end}{old.split(end)[1]}")
