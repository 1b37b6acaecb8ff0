"""Which tests the default run leaves for the long one."""

from __future__ import annotations

from collections import Counter

import pytest


@pytest.hookimpl(tryfirst=True)  # before pytest drops what `-m` does not want
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of the cases of a test marked `one_in(k)` all but each k-th are slow: the default run sees a sample, the long one the rest."""
    seen: Counter[str] = Counter()
    for item in items:
        thinned = item.get_closest_marker("one_in")
        if thinned is None:
            continue
        test = item.nodeid.partition("[")[0]
        if seen[test] % thinned.args[0]:
            item.add_marker(pytest.mark.slow)
        seen[test] += 1
