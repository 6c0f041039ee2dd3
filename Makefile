# Everything runs in .venv with the versions of requirements/*.lock; nothing is installed outside this folder.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && exit; done; echo python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
WORKERS ?= 2

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PATH := $(PATH):$(CURDIR)/.tools/bin

.PHONY: help demo test lint format bench truth chaos soak fuzz audit generate lock tools clean

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | while IFS="$$(printf '\t')" read -r name about; do \
		printf '  make %-9s %s\n' "$$name" "$$about"; done

demo: $(INSTALLED) tools ## exporter, Prometheus, Alertmanager and made-up shops with every anomaly; Ctrl-C ends it
	@$(BIN)/python scripts/demo $(DEMO)

test: $(INSTALLED) tools ## run all tests (one file: make test TESTS=tests/shop)
	@test -n "$(TESTS)" || echo "All tests take about 17 minutes on two quiet cores. TESTS=tests/shop runs one folder;" \
		"TEST_PATIENCE=10 waits longer, for a machine that is slow or busy."
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(TESTS)

lint: $(INSTALLED) ## check style, types and the direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@PYTHONPATH=dashboards $(BIN)/lint-imports --no-logo

format: $(INSTALLED) ## format all code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(INSTALLED) ## measure ingest and exposition against their yardsticks
	@PYTHONPATH=tests $(BIN)/python -m benchmarks $(BENCH)

truth: $(INSTALLED) tools ## judge the rules on twenty made-up shops (TRUTH="--seed 2 --past 2w --rules FILE")
	@PYTHONPATH=scripts $(BIN)/python -m truth $(TRUTH)

chaos: $(INSTALLED) tools ## every fire in its long form: kill -9 100 times on each store, full disks, floods, gibibytes
	@PYTHONPATH=tests $(BIN)/python -m chaos.kill9 --kills 100 $(CHAOS)
	@PYTHONPATH=tests $(BIN)/python -m chaos.kill9 --kills 100 --storage postgres $(CHAOS)
	@PYTHONPATH=tests $(BIN)/python -m chaos.same_moment
	@PYTHONPATH=tests $(BIN)/python -m chaos.failover --times 20
	@FIRE_LONG=1 $(BIN)/python -m pytest tests/fire

soak: $(INSTALLED) ## an hour of full load: memory, files, threads and disk have to stay flat (SOAK="--minutes 5")
	@PYTHONPATH=tests $(BIN)/python -m fire.soak $(SOAK)

fuzz: $(INSTALLED) ## try wild events, signatures and configurations for a while (FUZZ="--seconds 600")
	@PYTHONPATH=tests $(BIN)/python -m fuzz $(FUZZ)

audit: ## ask PyPI for known vulnerabilities of the pinned dependencies
	@scripts/audit

generate: $(INSTALLED) ## write again what is made from code: rules, reference tables, dashboards
	@PYTHONPATH=scripts $(BIN)/python -m reference.rules_files
	@PYTHONPATH=scripts $(BIN)/python -m reference.exporter_pages
	@$(BIN)/python dashboards/build.py

lock: ## pin the newest versions that pyproject.toml allows (needs uv)
	@uv=$$(command -v $(BIN)/uv uv | head -n 1); \
	test -n "$$uv" || { echo "make lock needs uv: python3 -m pip install uv, in a venv of your own"; exit 1; }; \
	set -- --universal --python-version 3.11 --generate-hashes --upgrade --quiet --no-header \
		--no-emit-index-url --no-emit-find-links; \
	"$$uv" pip compile pyproject.toml "$$@" --extra postgres --output-file requirements/runtime.lock && \
	"$$uv" pip compile pyproject.toml "$$@" --group dev --constraints requirements/runtime.lock \
		--output-file requirements/dev.lock && \
	"$$uv" pip compile "$$@" --group build --constraints requirements/dev.lock \
		--output-file requirements/build.lock

tools: ## fetch promtool, prometheus, amtool and alertmanager into .tools where PATH lacks them
	@scripts/fetch-tools

clean: ## remove what make and the tests have made
	rm -rf $(VENV) .tools .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or newer is needed; this is $$($(PYTHON) --version 2>&1)." \
			"Install one and run: make PYTHON=python3.x"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) lacks its venv module. On Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(INSTALLED): pyproject.toml requirements/dev.lock | $(BIN)/python
	@echo "Installing into $(VENV), once; this takes about a minute."
	@$(BIN)/pip install -qq --require-hashes --requirement requirements/dev.lock
	@$(BIN)/pip install -qq --no-deps --no-build-isolation --editable .
	@touch $@
