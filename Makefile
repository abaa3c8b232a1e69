# What people type. The first target that needs it makes the environment in .venv; later ones
# reuse it, until setup.py or constraints.txt change.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help serve test lint types format conformance bench soak docs lock clean

# Put `PYTHON=/path/to/python` behind make to choose the interpreter.
PYTHON ?= python3 python3.13 python3.12 python3.11
BIN := .venv/bin
# pip must not say more than what went wrong.
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --constraint constraints.txt

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

serve: .venv/served ## Start the API on http://127.0.0.1:6543 with an embedded database in var/
	@$(BIN)/klanten first-run development.ini
	@exec $(BIN)/pserve development.ini

test: lint types ## Run everything that must pass: lint, types, tests with coverage
	@$(BIN)/pytest -q -n auto --dist loadfile --cov

lint: .venv/tested ## Look for mistakes and odd layout
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check . || { echo "make format mends the layout" >&2; exit 1; }

types: .venv/tested ## Check the types of the package
	@$(BIN)/mypy

format: .venv/tested ## Lay out the code and mend what can be mended
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format --quiet .

conformance: .venv/tested ## Replay the recorded exchanges; `TOPICS="update auth"` for some
	@$(BIN)/python .ci/replay.py $(TOPICS)

bench: .venv/benched ## Measure beside the bare stack; `OPTIONS="--klanten 100000 --only reading"`
	@$(BIN)/python -m benchmarks $(OPTIONS)

soak: .venv/tested ## Do harm to the service for an hour; `OPTIONS="--minutes 8 -k disk"`
	@$(BIN)/pytest -q tests/faults --minutes 60 $(OPTIONS)

docs: .venv/tested ## Build the documentation in build/docs
	@$(BIN)/sphinx-build -W -n -q -b html docs build/docs && echo build/docs/index.html

lock: ## Write constraints.txt anew, with the newest versions that setup.py allows
	@.ci/lock

clean: ## Remove the environment and all that was made, but not var/
	@rm -rf .venv build dist ./*.egg-info .hypothesis .*_cache .schemathesis htmlcov .coverage*
	@rm -f klanten/pages/static/redoc.*
	@find klanten tests -name __pycache__ -prune -exec rm -rf {} +

# --- the environment: a stamp for what `make serve` needs, one for what `make test` needs --------

.venv/served: setup.py pyproject.toml constraints.txt
	@test -x $(BIN)/python && $(BIN)/python -m pip --version >/dev/null 2>&1 || .ci/environment $(PYTHON)
	@echo "Installing klanten in .venv ..."
	@rm -rf ./*.egg-info # of another install: it would hide what this one says
	@$(PIP) --editable .
	@touch $@

.venv/tested: .venv/served
	@.ci/programs nginx haproxy prometheus chromium
	@echo "Installing the tools for the tests in .venv ..."
	@$(PIP) --editable '.[test]'
	@touch $@

.venv/benched: .venv/served
	@.ci/programs wrk
	@echo "Installing what to measure beside in .venv ..."
	@$(PIP) --editable '.[bench]'
	@touch $@
