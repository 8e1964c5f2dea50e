# Each makes .venv, installs, and runs; a second run starts in seconds. README tells of `demo` and `test`.
PYTHON ?= python3
BIN := .venv/bin

# Damaged files a reader of `make fuzz`; faults of `make faults`.
N ?= 10000
FAULTS ?= 200

.PHONY: demo test test-fast faults fuzz check published clean

demo: .venv/.installed
	$(BIN)/blurbench demo

test: .venv/.installed
	$(BIN)/pytest
	NUMBA_DISABLE_JIT=1 $(BIN)/pytest tests/kernels tests/metrics

# Every room in under three minutes, without the tests that are marked slow.
test-fast: .venv/.installed
	$(BIN)/pytest -m "not slow"

# What `make test` has of tests/faults in short, and a quarter of an hour of chaos. Needs the right to mount.
faults: .venv/.installed
	BLURBENCH_FAULTS=1 $(BIN)/pytest tests/faults
	$(BIN)/python tests/faults/chaos.py --faults $(FAULTS)

# Half an hour on one core. What ends in a traceback or worse is left in the folder `fuzz-found`.
fuzz: .venv/.installed
	$(BIN)/python tests/fuzz/fuzz.py --each $(N) --found fuzz-found

check: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.venv/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "blurbench needs Python 3.11 or newer; say which with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@# opencv-python needs libGL and glib; the headless wheel of the same version does not.
	@$(BIN)/python -c 'import cv2' 2>/dev/null || \
		$(BIN)/python -m pip install --quiet --force-reinstall --no-deps \
		"opencv-python-headless==$$($(BIN)/python -c 'from importlib.metadata import version; print(version("opencv-python"))')"
	$(BIN)/python -c 'import cv2'
	touch $@

# Makes the boards of leaderboard/published again.
published: .venv/.installed
	$(BIN)/python leaderboard/published/build.py

clean:
	rm -rf .venv demo build dist
