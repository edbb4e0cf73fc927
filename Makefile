# Targets for people and for CI; `make help` lists them. Everything runs in .venv, which the first one makes.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Two test processes share the machine's cores; each computes on one thread.
TESTS := OMP_NUM_THREADS=1 $(BIN)/pytest -n 2

.DEFAULT_GOAL := help
.PHONY: help run test test-all lint bench bench-smoke clean

help:  ## Say what each target does.
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1 \2/p' $(MAKEFILE_LIST) | \
		while read -r target what; do printf 'make %-12s %s\n' "$$target" "$$what"; done

run: $(VENV)/installed  ## Find a loss for the digits data: the recipe quickstart.
	$(BIN)/autoloss run quickstart

test: $(VENV)/installed-dev  ## Run the tests, without the slow ones.
	$(TESTS) -m "not slow"

test-all: $(VENV)/installed-dev  ## Run all tests.
	$(TESTS)

lint: $(VENV)/installed-dev  ## Check style, format, types and layers.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

BENCHMARKS := $(filter-out benchmarks/_%,$(wildcard benchmarks/*.py))

bench: $(VENV)/installed-dev  ## Run the benchmarks in full.
	@set -e; for file in $(BENCHMARKS); do echo "$$file"; $(BIN)/python $$file; done

bench-smoke: $(VENV)/installed-dev  ## Run each benchmark for a moment, to see that it works.
	@if [ -z "$(BENCHMARKS)" ]; then echo "benchmarks/ has no benchmark."; fi
	@set -e; for file in $(BENCHMARKS); do echo "$$file --smoke"; $(BIN)/python $$file --smoke; done

clean:  ## Remove .venv and caches.
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# Stamp files: an installation is done again only when what it depends on has changed.

$(VENV)/made:
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/installed: $(VENV)/made pyproject.toml requirements.lock
	$(BIN)/pip install --quiet -c requirements.lock -e .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/pip install --quiet -c requirements.lock -e '.[dev]'
	@touch $@
