# Every target builds .venv first when it is missing or older than what it is made from.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help setup demo test lint check fix docs wheel wheel-demo

help:  ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

# torch comes first, alone: with 2.13.0 in place no other package asks for another build of it.
$(READY): pyproject.toml constraints.txt
	@echo 'Building .venv with the versions of constraints.txt; the first time takes a few minutes.'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet torch==2.13.0 -c constraints.txt
	$(BIN)/python -m pip install --quiet -e '.[dev]' -c constraints.txt
	@touch $@

setup: $(READY)  ## Build .venv with the exact versions of constraints.txt

demo: $(READY)  ## Correct a synthetic beating heart with typical network errors; report in out/demo
	$(BIN)/cardiovae demo -o out/demo --overwrite

test: $(READY)  ## All tests, examples in docstrings included
	$(BIN)/python -m pytest

lint: $(READY)  ## Format, lint, types and layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test  ## Everything that a change must pass

fix: $(READY)  ## Format the code and mend what the linter can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY)  ## Build the documentation site into out/docs, warnings as errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

wheel: $(READY)  ## Build the wheel into dist/
	$(BIN)/python -m hatchling build -t wheel

wheel-demo: $(READY)  ## Install the wheel into an empty environment and run the demo there (minutes)
	.ci/wheel-demo
