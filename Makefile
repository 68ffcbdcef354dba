# Everything runs in .venv, which `make setup` fills from constraints.txt with uv, or with pip where uv cannot run.

PYTHON ?= python3
VENV ?= .venv
# More than cores: many tests wait for processes, sockets and time-outs.
WORKERS ?= 3
SEEDS ?= 1000
FROM ?= 1
DAYS ?= 1
SAMPLE ?= 60
SEED ?= 1

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PROJECTS := pyproject.toml requirements-workspace.txt constraints.txt \
	$(wildcard cab_core/pyproject.toml cab_plugins/pyproject.toml cab_plugins/*/*/pyproject.toml plugins-*/*/pyproject.toml)
SOURCES := cab_core/src cab_plugins/src $(wildcard cab_plugins/*/*/src plugins-*/*/src)
PYTEST := $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all coverage check lint format types contracts deps audit scan security bench wheels docs pins \
	clean soak mutants \
	test-risk-all test-idempotency test-settlement test-reconciliation-suite test-regime-states

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-34s %s\n", $$1, $$2}'

setup: $(STAMP) ## create or update .venv

$(STAMP): $(PROJECTS) tools/setup.sh
	@PYTHON="$(PYTHON)" VENV="$(VENV)" sh tools/setup.sh
	@touch $@

demo: setup ## see the bot at work on a sample market
	@$(BIN)/cab demo $(ARGS)

test: setup ## run every test
	$(PYTEST) -n $(WORKERS) --dist loadfile $(ARGS)

test-all: test

coverage: setup ## run every test and print what none of them reaches
	$(PYTEST) -n $(WORKERS) --dist loadfile --cov --cov-report=term --cov-fail-under=80 $(ARGS)

check: lint types contracts deps scan ## run every check that is not a test

lint: setup ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup ## rewrite the code in the house's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: setup ## mypy --strict on every source
	$(BIN)/mypy --strict $(SOURCES) tools benchmarks

contracts: setup ## who may import whom, and the conventions of the members
	$(BIN)/lint-imports --config .importlinter
	$(BIN)/python tools/workspace.py check

security: scan ## look for unsafe calls, credentials, altered locks, leaks, open files and unsafe units
	$(PYTEST) -q -p no:cacheprovider tests/security tests/deployment/test_container.py tests/deployment/test_units.py \
		cab_core/tests/safety/test_urls.py $(ARGS)

scan: setup ## the part of security that is no test
	$(BIN)/ruff check --select S --quiet $(SOURCES)
	@# B108 and B701 are asked by ruff as S108 and S701, with a reason beside each exception.
	$(BIN)/bandit --quiet --recursive --severity-level medium --confidence-level medium --skip B108,B701 $(SOURCES)
	$(BIN)/python tools/scan_secrets.py check
	$(BIN)/python tools/locks.py check

deps: setup ## what is installed fits together
	$(BIN)/uv pip check --python $(BIN)/python

audit: setup ## look for known vulnerabilities in what a container installs; needs a network
	@$(BIN)/python tools/audit.py

bench: setup ## print speed and weight
	$(BIN)/python -m benchmarks $(ARGS)

wheels: setup ## build every wheel into dist/
	$(BIN)/python tools/workspace.py wheels

docs: setup ## rewrite the pages of docs/reference that are made from the code
	$(BIN)/python tools/reference.py

pins: setup ## resolve anew and rewrite constraints.txt
	$(BIN)/python tools/workspace.py pins
	$(BIN)/python tools/locks.py write

soak: setup ## simulate crashes and faults: SEEDS=10000 seeds of DAYS=1, from FROM=1 on
	$(BIN)/python -m tests.sim --seeds $(FROM)..$$(($(FROM) + $(SEEDS) - 1)) --days $(DAYS) --workers $(WORKERS) $(ARGS)

mutants: setup ## break what decides over money, SAMPLE changes drawn by SEED, and see whether a test notices
	$(BIN)/python tools/mutants.py --sample $(SAMPLE) --seed $(SEED) --workers $(WORKERS) $(ARGS)

test-risk-all: setup ## the risk rules, alone and together
	$(PYTEST) -m risk $(ARGS)

test-idempotency: setup ## client order ids, intents and restarts: no order twice
	$(PYTEST) -m idempotency $(ARGS)

test-settlement: setup ## fills, fees, the ledger, and exits until they are filled
	$(PYTEST) -m settlement $(ARGS)

test-reconciliation-suite: setup ## the book against the exchange, and what a restart finds
	$(PYTEST) -m reconciliation $(ARGS)

test-regime-states: setup ## readings, score, hysteresis, the four states and what they let through
	$(PYTEST) -m regime $(ARGS)

clean: ## remove the environment, wheels and caches
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
