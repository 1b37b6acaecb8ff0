"""Random RASP programs against four meanings of each: plain Python, the evaluator, headwork's interpreter, and the compiled model.

python benchmarks/rasp_random.py [programs] [first seed]
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from headwork.tests.rasp.test_rasp_random import agree


def main() -> None:
    """The campaign: how each program ended, refusals by kind."""
    count, first = (int(x) for x in (*sys.argv[1:], *("5000", "0")[len(sys.argv) - 1 :]))
    ends: Counter[str] = Counter()
    wrong = 0
    for seed in range(first, first + count):
        try:
            ends[agree(seed)] += 1
        except AssertionError as error:
            wrong += 1
            print(error)
        except Exception as error:
            wrong += 1
            print(f"seed {seed}: {type(error).__name__}: {str(error)[:300]}")
    for end, times in ends.most_common():
        print(f"{times:6,} {end}")
    print(f"{count:,} programs from seed {first}: {wrong} differ")


if __name__ == "__main__":
    main()
