PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.installed

.PHONY: demo test test-slow lint format examples bench docs wheel sizes mpc peers lens proofs clean

demo: $(READY)
	$(BIN)/headwork demo

# Under five minutes on two cores. What takes longer is marked slow, and run by `make test-slow` and by CI.
test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest

test-slow: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/python benchmarks/table.py --check

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

examples: $(READY)
	set -e; for script in examples/*.py; do echo "== $$script"; $(BIN)/python $$script; done

bench: $(READY)
	set -e; for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script; done

# The site, in build/site; any warning, such as a link that leads nowhere, is an error. With --quiet, warnings would not be counted.
docs: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# Source distribution and wheel, in dist/, tried as a new user would.
wheel: $(READY)
	.ci/wheel

# Lines of Python in each folder, and the longest files: past 400, look for the second thing in one.
sizes:
	@git ls-files '*.py' | xargs wc -l | grep -v ' total$$' | awk '{ n = split($$2, p, "/"); f = n > 1 ? p[1] "/" : "./"; s[f] += $$1; c[f]++ } \
	  END { for (f in s) printf "%7d lines in %3d files  %s\n", s[f], c[f], f }' | sort -rn
	@git ls-files '*.py' | xargs wc -l | grep -v ' total$$' | sort -rn | head -12

# Needs Coq and Flocq; on Debian or Ubuntu: apt-get install coq libcoq-flocq
proofs:
	$(PYTHON) proofs/check.py

mpc: $(READY)
	$(BIN)/python benchmarks/mpc.py

peers: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[plot]'
	$(BIN)/python -m benchmarks.peers --write
	$(BIN)/python benchmarks/rasp_table.py --theirs
	$(BIN)/python benchmarks/rasp_table.py --theirs --wide
	$(BIN)/python benchmarks/rasp_table.py --write
	$(BIN)/python -m pytest -n 0 tests/rasp/test_rasp_theirs.py

# TransformerLens 3 and 4, the latter with nnsight, SAELens, CircuitKIT and auto-circuit, each in an environment of its own: 0.4 to 1.5 GB and some minutes each.
lens: $(READY)
	.ci/lens 3 4 sae circuitkit auto-circuit

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .hypothesis

# Installed once, and again when the dependencies change.
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@
