# Everything a newcomer types. `make demo` and `make test` need Python 3.11 or newer, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
REQUIREMENTS := worker/requirements.txt launcher/requirements.txt tests/requirements.txt

.PHONY: setup demo test test-image lint format bench bench-intake lock clean

setup: $(STAMP)

$(STAMP): $(REQUIREMENTS) worker/pyproject.toml launcher/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Grapeshot needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e worker -e launcher
	@touch $@

demo: setup
	@$(BIN)/python tests/demo.py

test: setup
	@$(BIN)/python -m pytest -n auto --dist loadfile

# Builds the worker image and runs it within the limits of Lambda; needs docker, or root on a Debian.
test-image: setup
	@GRAPESHOT_TEST_IMAGE=1 $(BIN)/python -m pytest tests/image

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: setup
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: setup
	@$(BIN)/python bench/run.py

# What the launcher's intake of a thousand Lambda workers costs; four minutes of CPU time, no server.
bench-intake: setup
	@$(BIN)/python bench/intake.py

# The hash-pinned requirement files; needs uv (pip install uv).
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --no-emit-package grapeshot-worker --no-emit-package grapeshot-launcher
lock:
	$(LOCK) worker/pyproject.toml -o worker/requirements.txt
	echo ./worker | $(LOCK) - launcher/pyproject.toml -o launcher/requirements.txt
	printf './worker\n./launcher\n' | $(LOCK) - tests/requirements.in -o tests/requirements.txt

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
