# Each makes .venv, installs, and runs; a second run starts in seconds. README tells of `demo` and `test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

# Damaged files a reader of `make fuzz`; faults of `make faults`.
N ?= 10000
FAULTS ?= 200

# Most tests keep one core busy: two at a time take 0.6 of the time. A file's tests stay together, as
# they share what was made for them. Faults by themselves: how soon a stopped command ends is tested.
TWO := -n 2 --dist loadfile

# Of `make test-pythons`; 7 GB each.
PYTHONS ?= 3.12 3.13

.PHONY: demo test test-fast test-package test-pythons faults fuzz check site published clean

demo: $(VENV)/.installed
	$(BIN)/blurbench demo

test: $(VENV)/.installed
	$(BIN)/pytest $(TWO) --ignore tests/faults
	$(BIN)/pytest tests/faults
	NUMBA_DISABLE_JIT=1 $(BIN)/pytest $(TWO) tests/kernels tests/metrics

# Every room in under three minutes, without the tests that are marked slow.
test-fast: $(VENV)/.installed
	$(BIN)/pytest $(TWO) -m "not slow"

# Builds the sdist and the wheel, and runs README's commands where nothing else is installed.
test-package: $(VENV)/.installed
	$(BIN)/python tests/packaging/stranger.py

# Each that is found, in an environment of its own; CONTRIBUTING.md says when each was last seen to pass.
test-pythons:
	@for version in $(PYTHONS); do \
		if ! python$$version -c '' 2>/dev/null; then echo "python$$version: not found, left out"; continue; fi; \
		$(MAKE) PYTHON=python$$version VENV=.venv-$$version test-fast || exit 1; \
	done

# What `make test` has of tests/faults in short, and a quarter of an hour of chaos. Needs the right to mount.
faults: $(VENV)/.installed
	BLURBENCH_FAULTS=1 $(BIN)/pytest tests/faults
	$(BIN)/python tests/faults/chaos.py --faults $(FAULTS)

# Half an hour on one core. What ends in a traceback or worse is left in the folder `fuzz-found`.
fuzz: $(VENV)/.installed
	$(BIN)/python tests/fuzz/fuzz.py --each $(N) --found fuzz-found

check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# A broken link, or a page outside the navigation, fails (with --quiet it would not). The variable silences an advertisement.
site: $(VENV)/.installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo build/site/index.html

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "blurbench needs Python 3.11 or newer; say which with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev,docs]'
	@# opencv-python needs libGL and glib; the headless wheel of the same version does not.
	@$(BIN)/python -c 'import cv2' 2>/dev/null || \
		$(BIN)/python -m pip install --quiet --force-reinstall --no-deps \
		"opencv-python-headless==$$($(BIN)/python -c 'from importlib.metadata import version; print(version("opencv-python"))')"
	$(BIN)/python -c 'import cv2'
	touch $@

# Ranks the results in leaderboard/published again; RETRAIN=1 makes those of the demo, too.
published: $(VENV)/.installed
	$(BIN)/python leaderboard/published/build.py $(if $(RETRAIN),retrain)

clean:
	rm -rf .venv .venv-* demo build dist
