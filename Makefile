# Everything a developer or operator types. `make help` explains.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LOCK := infra/requirements/dev.txt
# One more than two cores: some tests wait for others.
WORKERS ?= 3
PORT ?= 8000

.PHONY: help run demo test test-crash test-fuzz check format bench package lock clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(STAMP): $(LOCK)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name it with PYTHON=")'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCK)
	@touch $@

run: $(STAMP) ## the whole cloud on this machine, until Ctrl-C (PORT=8000, WAIT_SCALE=1)
	@PORT=$(PORT) $(BIN)/python -m infra.cli run

demo: $(STAMP) ## the main job over HTTP, on a desk of its own or at ADDRESS= (ARGS=--json, ARGS='--only english')
	@$(BIN)/python -m infra.cli demo $(if $(ADDRESS),--address $(ADDRESS)) $(ARGS)

test: $(STAMP) ## all tests but the long ones: no browser, no network, under three minutes
	$(BIN)/python -m pytest -n $(WORKERS) -m 'not crash_full and not fuzz_full' $(ARGS)

test-crash: $(STAMP) ## the whole crash matrix
	$(BIN)/python -m pytest -n $(WORKERS) -m crash_full tests/test_crash_matrix.py tests/publication/test_email_crashes.py $(ARGS)

test-fuzz: $(STAMP) ## 10,000 forms over HTTP
	$(BIN)/python -m pytest -m fuzz_full $(ARGS)

check: $(STAMP) ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --config pyproject.toml

format: $(STAMP) ## put the code into its one format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP) ## speed and cost as ratios taken in one run (ARGS=--json)
	@$(BIN)/python -m infra.bench $(ARGS)

package: $(STAMP) ## build the package for AWS into build/
	$(BIN)/python -m infra.cli package

lock: $(STAMP) ## resolve infra/requirements/*.in into hash-locked files (needs uv)
	cd infra/requirements && uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header runtime.in -o runtime.txt
	cd infra/requirements && uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -c runtime.txt dev.in -o dev.txt
	cd infra/requirements && uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -c dev.txt browser.in -o browser.txt

clean: ## remove what make has made
	rm -rf $(VENV) build .mypy_cache .ruff_cache .hypothesis
