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
# Each worker and each program that a test starts would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE
PORT ?= 8000
TRANSLATIONS := chalicelib/web/translations
CATALOGUES := $(patsubst %.po,%.mo,$(wildcard $(TRANSLATIONS)/*.po))
FONTS := infra/renderers/fonts
FONT := $(FONTS)/node_modules/.installed
READY := $(STAMP) $(CATALOGUES) $(FONT)
EMULATOR := build/emulator
RESOLVE := uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
CHECKS := infra/checks
VALIDATOR := $(CHECKS)/node_modules/.installed

.PHONY: help run demo test test-browser test-deploy test-crash test-fuzz check format bench capacity simulate package fonts catalogues lock clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(STAMP): $(LOCK)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name it with PYTHON=")'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCK)
	@touch $@

# With the interpreter that packages: the emulator runs the functions with the one that made its environment.
$(EMULATOR)/.installed: infra/requirements/emulator.txt $(STAMP)
	$(BIN)/python -m venv --clear $(EMULATOR)
	$(EMULATOR)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

%.mo: %.po $(STAMP)
	@$(BIN)/pybabel -q compile -i $< -o $@

$(VALIDATOR): $(CHECKS)/package-lock.json
	@command -v npm >/dev/null || { echo 'The state machines are checked with a tool of Node: install nodejs and npm.' >&2; exit 1; }
	@cd $(CHECKS) && npm ci --silent --ignore-scripts
	@touch $@

$(FONT): $(FONTS)/package-lock.json
	@command -v npm >/dev/null || { echo 'The font of posters comes by npm: install nodejs and npm.' >&2; exit 1; }
	@cd $(FONTS) && npm ci --silent --ignore-scripts
	@touch $@

fonts: $(FONT) ## bring the font that posters are set in

run: $(READY) ## the whole cloud on this machine, until Ctrl-C (PORT=8000, WAIT_SCALE=1)
	@PORT=$(PORT) $(BIN)/python -m infra.cli run

demo: $(READY) ## the main job over HTTP, on a desk of its own or at ADDRESS= (ARGS=--json, ARGS='--only english')
	@$(BIN)/python -m infra.cli demo $(if $(ADDRESS),--address $(ADDRESS)) $(ARGS)

test: $(READY) ## all tests but the long ones: no browser, no network, under three minutes
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m 'not crash_full and not fuzz_full' --ignore tests/browser --ignore tests/deployed $(ARGS)

test-browser: $(READY) ## the main job and every kind of page with Chromium, on a phone's and a desktop's size; pictures go to build/screenshots
	@$(BIN)/python -c 'import axe_playwright_python' 2>/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r infra/requirements/browser.txt
	$(BIN)/python -m pytest tests/browser $(ARGS)

test-deploy: $(READY) $(EMULATOR)/.installed ## deploy to emulated AWS, main job, update, rollback, destroy (needs a package index)
	$(BIN)/python -m pytest tests/deployed $(ARGS)

test-crash: $(READY) ## the whole crash matrix, and each right of each role taken away in turn
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m crash_full tests/test_crash_matrix.py tests/submission/test_intake_crashes.py tests/publication tests/infra/test_rights_taken_away.py $(ARGS)

test-fuzz: $(READY) ## 10,000 forms, thousands of made-up requests over HTTP, reviews in any order at length
	$(BIN)/python -m pytest -m fuzz_full $(ARGS)

check: $(READY) $(VALIDATOR) ## format, lint, types, import contracts, infrastructure
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --config pyproject.toml
	$(BIN)/python -m infra.checks

format: $(STAMP) ## put the code into its one format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY) ## speed and cost as ratios taken in one run (ARGS=--json)
	@$(BIN)/python -m infra.bench $(ARGS)

capacity: $(READY) ## measure what requests consume, and write docs/capacity.md: prices, what breaks first
	@mkdir -p build
	@$(BIN)/python -m infra.capacity --measure --check > build/capacity.md
	@mv build/capacity.md docs/capacity.md

simulate: $(READY) ## a year of 2,000 requests with simulated people, in under a minute (ARGS='--requests 200 --seed 7 --json')
	@$(BIN)/python -m infra.simulation $(ARGS)

package: $(READY) ## build the package for AWS into build/ (ARGS='--architecture x86_64')
	$(BIN)/python -m infra.cli package $(ARGS)

catalogues: $(STAMP) ## find the pages' texts and put them into the catalogues, to be translated there
	@mkdir -p build
	$(BIN)/pybabel -q extract -F pyproject.toml --no-location -o build/pages.pot chalicelib/web
	for catalogue in $(TRANSLATIONS)/*.po; do \
	  $(BIN)/pybabel -q update -i build/pages.pot -o $$catalogue -l $$(basename $$catalogue .po | tr - _) \
	    --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date; \
	done

lock: $(STAMP) ## resolve infra/requirements/*.in into hash-locked files (needs uv)
	cd infra/requirements && $(RESOLVE) runtime.in -o runtime.txt
	cd infra/requirements && $(RESOLVE) -c runtime.txt dev.in -o dev.txt
	cd infra/requirements && $(RESOLVE) -c dev.txt browser.in -o browser.txt
	cd infra/requirements && $(RESOLVE) renderers.in -o renderers.txt
	cd infra/requirements && $(RESOLVE) emulator.in -o emulator.txt

clean: ## remove what make has made
	rm -rf $(VENV) $(CHECKS)/node_modules $(FONTS)/node_modules build .mypy_cache .ruff_cache .hypothesis
