# Everything a newcomer types. `make demo` and `make test` need Python 3.11 or newer, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
REQUIREMENTS := worker/requirements.txt launcher/requirements.txt tests/requirements.txt

.PHONY: setup demo test compiled test-compiled test-browser test-image test-crowd test-faults lint lint-python lint-workflows lint-image lint-infra format
.PHONY: bench bench-compiled bench-intake bench-startup charts lock clean

setup: $(STAMP)

$(STAMP): $(REQUIREMENTS) worker/pyproject.toml launcher/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Grapeshot needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e worker -e launcher
	@touch $@

demo: setup
	@$(BIN)/python tests/demo.py

# One more process than cores: much of a run's test is waiting for the run.
test: setup
	@$(BIN)/python -m pytest -n $$($(BIN)/python -c 'import os; print((os.cpu_count() or 1) + 1)') --dist loadfile

# The worker's request path compiled, as in the image, into build/compiled; the first time 100 MB of tools are fetched.
COMPILER := $(VENV)/compiler
COMPILED := build/compiled
$(COMPILER): worker/requirements-compile.txt | setup
	@rm -rf $@
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --target $@ -r $<
	@touch $@

compiled: $(COMPILER)
	@rm -rf $(COMPILED)
	@mkdir -p $(COMPILED)
	@cp -R worker/grapeshot_worker $(COMPILED)/
	@PYTHONPATH=$(abspath $(COMPILER)) $(BIN)/python worker/compile.py $(COMPILED)

# The worker's tests once more, against the compiled form. What mypyc makes warns, from Python 3.12 on, of an old way to throw.
test-compiled: compiled
	@PYTHONPATH=$(abspath $(COMPILED)) GRAPESHOT_TEST_COMPILED=1 $(BIN)/python -m pytest tests/worker -n $$($(BIN)/python -c 'import os; print((os.cpu_count() or 1) + 1)') \
		--dist loadfile -W 'ignore:the (type, exc, tb) signature of throw:DeprecationWarning'

# The pages in a real browser: Chromium from the PATH, or installed from Debian's packages where it is required.
test-browser: setup
	@GRAPESHOT_TEST_BROWSER=1 $(BIN)/python -m pytest tests/browser

# Builds the worker image and runs it within the limits of Lambda; needs docker, or root on a Debian.
test-image: setup
	@GRAPESHOT_TEST_IMAGE=1 $(BIN)/python -m pytest tests/image

# Whole runs from the embedded AWS, with each AWS operation failing in turn; five minutes.
test-faults: setup
	@GRAPESHOT_TEST_ALL_FAULTS=1 $(BIN)/python -m pytest tests/cloud/test_run_faults.py

# Fifty workers on the embedded AWS, one of whom dies: at every stage, a run each; a launcher that is killed; services
# that are out for half a minute; three minutes in nine generations; a day of windows in memory. Takes about twenty minutes.
test-crowd: setup
	@GRAPESHOT_TEST_CROWD=1 $(BIN)/python -m pytest tests/cloud/test_crowd.py tests/cloud/test_lost_worker.py tests/cloud/test_clean.py tests/cloud/test_outages.py tests/cloud/test_relay_emulated.py tests/launcher/test_relay_day.py

# All of it works offline.
lint: lint-python lint-workflows lint-image lint-infra

lint-python: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

# zizmor finds what can be abused; its waived rules are in .github/zizmor.yml.
WORKFLOWS := $(wildcard .github/workflows/*.yml)
ACTION := $(wildcard action.yml)
lint-workflows: setup
	@$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows $(WORKFLOWS)
	@$(if $(ACTION),$(BIN)/check-jsonschema --builtin-schema vendor.github-actions $(ACTION))
	@$(BIN)/zizmor --offline --no-progress --quiet --persona pedantic --config .github/zizmor.yml $(WORKFLOWS) $(ACTION)
	@$(BIN)/python tests/run_steps.py $(WORKFLOWS) $(ACTION)
	@$(BIN)/shellcheck .ci/run

lint-image: setup
	@$(BIN)/hadolint --failure-threshold style Dockerfile

lint-infra: setup
	@$(BIN)/cfn-lint --include-checks I -- infra/cloudformation.yml
	@if command -v terraform >/dev/null; then terraform fmt -check -diff -recursive infra/terraform; \
		else echo 'terraform fmt: not checked, there is no terraform here'; fi

format: setup
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: setup
	@$(BIN)/python bench/run.py

# The same of the worker as the image has it.
bench-compiled: compiled
	@PYTHONPATH=$(abspath $(COMPILED)) $(BIN)/python bench/run.py

# What the launcher's intake of a thousand Lambda workers costs; four minutes of CPU time, no server.
bench-intake: setup
	@$(BIN)/python bench/intake.py

# The CPU time that processes take until they are of use; a quarter of a minute.
bench-startup: setup
	@$(BIN)/python bench/startup.py

# The chart library of reports (views/html/static/echarts.js), from its pinned sources; needs Node.js.
charts:
	cd launcher/charts && npm ci --ignore-scripts --no-audit --no-fund && npm run build

# The hash-pinned requirement files; needs uv (pip install uv).
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --no-emit-package grapeshot-worker --no-emit-package grapeshot-launcher
lock:
	$(LOCK) worker/pyproject.toml -o worker/requirements.txt
	$(LOCK) worker/requirements-compile.in -o worker/requirements-compile.txt
	printf './worker\nhatchling\n' | $(LOCK) - launcher/pyproject.toml -o launcher/requirements.txt
	printf './worker\nhatchling\n' | $(LOCK) - launcher/pyproject.toml --extra emulate -o launcher/requirements-emulate.txt
	printf './worker\n./launcher\n' | $(LOCK) - tests/requirements.in -o tests/requirements.txt

clean:
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache
