# A laptop runs what CI runs. Two targets are all a newcomer needs: make demo, make test.
ifeq ($(CONDA_DEFAULT_ENV),portfolio-lab)
VENV ?= $(CONDA_PREFIX)
else
VENV ?= .venv
endif
BIN := $(VENV)/bin
PATH := $(abspath $(BIN)):$(PATH)
export PATH
ARGS ?=

.PHONY: help setup demo test test-long bench lint format lock
.DEFAULT_GOAL := help

help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup:  ## set up .venv (every target below does it first)
	@PYTHON="$(PYTHON)" .ci/setup "$(VENV)"

demo: setup  ## run the whole main job on invented accounts (ARGS=--no-serve does not stay)
	@exec portfolio-lab demo $(ARGS)

test: lint  ## lint, types, arrows, tests and notebooks
	@echo "tests: pytest" >&2
	@pytest -q -n auto --maxprocesses 4 --dist loadfile
	@echo "tests: notebooks" >&2
	@pytest -q --nbval-lax --nbval-cell-timeout=120 -o testpaths=notebooks notebooks

test-long: setup  ## the tests that run for minutes
	@pytest -q -m long --timeout=1800

bench: setup  ## print each promise's ratio against its peer
	@missed=; for script in benchmarks/[a-z]*.py; do echo "$$script"; python "$$script" || missed="$$missed $$script"; done; \
	test -z "$$missed" || { echo "bench: a promise was missed by$$missed" >&2; exit 1; }

lint: setup  ## ruff, mypy, import arrows, notebooks without outputs
	@echo "lint: ruff, mypy, import-linter, nbstripout" >&2
	@ruff check
	@ruff format --check
	@mypy
	@lint-imports
	@nbstripout --keep-id --verify notebooks/*.ipynb scheduled/*.ipynb dashboards/*.ipynb

format: setup  ## let ruff put the code in order
	@ruff format
	@ruff check --fix

lock:  ## resolve pyproject.toml anew, with hashes
	uv pip compile --quiet --generate-hashes --all-extras --universal --python-version 3.11 --no-header pyproject.toml -o requirements.lock
