# What a person does with Towerflow. `make` alone lists it all.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
AUDIT := build/audit
NAME ?=

.DEFAULT_GOAL := help
.PHONY: help install run test lint format compile golden audit sbom bench clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(VENV)/installed ## Create .venv with pinned dependencies

$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Towerflow needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	@echo 'installing pinned dependencies into $(VENV), a few minutes the first time'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

run: install ## Raw MovieLens-100k to a published index, on this machine
	@$(BIN)/towerflow run

test: install ## All tests, with coverage
	$(BIN)/python -m pytest --cov --cov-report=term

lint: install ## Ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install ## Let ruff put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

compile: install ## The YAML of every pipeline, into build/
	$(BIN)/towerflow compile --output build

golden: install ## Rewrite the golden YAML after a meant change of a pipeline
	UPDATE_GOLDEN=1 $(BIN)/python -m pytest -q tests/pipelines/test_golden.py

audit: $(AUDIT)/installed ## Known vulnerabilities of the pinned packages, as PyPI knows them
	@grep -vE '^(#|$$)' constraints.txt > $(AUDIT)/pins.txt
	$(AUDIT)/bin/pip-audit --strict --no-deps --disable-pip --requirement $(AUDIT)/pins.txt

sbom: install $(AUDIT)/installed ## What .venv consists of, as CycloneDX, into build/sbom.json
	$(AUDIT)/bin/cyclonedx-py environment --output-reproducible --output-file build/sbom.json $(BIN)/python

$(AUDIT)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -m venv $(AUDIT)
	@$(AUDIT)/bin/python -m pip install --quiet --constraint constraints.txt cyclonedx-bom pip-audit
	@touch $@

bench: install ## A benchmark: make bench NAME=retrain
	@test -n "$(NAME)" || { echo "NAME is missing; there are: $$(cd benchmarks && ls *.py | sed 's/\.py//' | xargs)"; exit 2; }
	$(BIN)/python -m benchmarks.$(NAME)

clean: ## Remove build/ and towerflow-out/; .venv and caches stay
	rm -rf build towerflow-out
