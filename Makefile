# What a person does with Towerflow. `make` alone lists it all.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
AUDIT := build/audit
NAME ?=
WORKERS ?= 2
ENV =
REGISTRY =

# Images are named by their commit. BASE and BEAM_SDK: other bases than the Dockerfiles name.
IN_IMAGE := LICENSE README.md constraints.txt pyproject.toml containers src components pipelines
REVISION := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)$(if $(shell git status --porcelain -- $(IN_IMAGE) 2>/dev/null),-dirty)
SOURCE := $(shell git remote get-url origin 2>/dev/null | sed -E 's,//[^/@]*@,//,')
IMAGES ?= cpu gpu beam
BUILD ?= docker build
build-args = $(foreach name,$(1),$(if $($(name)),--build-arg $(name)))
# A certificate lies on this machine: only a base of one's own has it too.
PIP_SETTINGS := $(if $(BASE),PIP_CERT) PIP_INDEX_URL PIP_TRUSTED_HOST
PIP_FOR_CPUS := PIP_EXTRA_INDEX_URL $(if $(findstring ://,$(PIP_FIND_LINKS)),PIP_FIND_LINKS)
# What make push wrote of this commit, for variables that are not set.
PUSHED_IMAGES = if grep -qs '^\# of commit $(REVISION)$$' build/images.env; then while IFS== read -r name value; do [ -n "$${!name-}" ] || export "$$name=$$value"; done < <(grep = build/images.env); fi;
BUILD_STEPS = $(BUILD) -f containers/Dockerfile --build-arg REVISION=$(REVISION) --build-arg 'SOURCE=$(SOURCE)' $(call build-args,BASE EXTRA)

.DEFAULT_GOAL := help
.PHONY: help install run test test-containers lint format compile golden images image-cpu image-gpu image-beam push audit sbom bench clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 17

install: $(VENV)/installed ## Create .venv with pinned dependencies

$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Towerflow needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	@echo 'installing pinned dependencies into $(VENV), a few minutes the first time'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

run: install ## Raw MovieLens-100k to a published index, on this machine
	@$(BIN)/towerflow run

test: install ## All tests but those of the containers, with coverage
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --cov --cov-report=term

test-containers: install image-cpu ## Build the image and run the pipeline in it; needs Docker
	TOWERFLOW_TEST_IMAGE=towerflow-cpu:$(REVISION) $(BIN)/python -m pytest tests/containers

lint: install ## Ruff, mypy, hadolint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/hadolint containers/Dockerfile containers/Dockerfile.beam

format: install ## Let ruff put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

compile: install ## The YAML of every pipeline, into build/; of an environment: ENV=prod
	@$(if $(ENV),$(PUSHED_IMAGES)) $(BIN)/towerflow compile $(if $(ENV),--env $(ENV))

golden: install ## Rewrite the golden YAML after a meant change of a pipeline
	UPDATE_GOLDEN=1 $(BIN)/python -m pytest -q tests/pipelines/test_golden.py

images: $(IMAGES:%=image-%) ## Build the images of this commit; IMAGES=cpu: that one alone

# Linux' torch of the usual index is the one with CUDA, gigabytes larger.
image-cpu:
	@test -n "$(strip $(PIP_INDEX_URL)$(call build-args,$(PIP_FOR_CPUS)))" || { echo "set PIP_EXTRA_INDEX_URL to PyTorch's index of builds for CPUs (docs/kubeflow.md)"; exit 2; }
	$(BUILD_STEPS) $(call build-args,$(PIP_SETTINGS) $(PIP_FOR_CPUS)) \
	  --tag towerflow-cpu:$(REVISION) --tag towerflow-cpu:dev .

# Without the places where pip finds torch for CPUs.
image-gpu:
	$(BUILD_STEPS) $(call build-args,$(PIP_SETTINGS)) --build-arg TORCH=cuda \
	  --tag towerflow-gpu:$(REVISION) --tag towerflow-gpu:dev .

image-beam: image-cpu
	$(BUILD) -f containers/Dockerfile.beam --build-arg STEPS=towerflow-cpu:$(REVISION) \
	  $(call build-args,BEAM_SDK) \
	  --tag towerflow-beam:$(REVISION) --tag towerflow-beam:dev .

push: ## Push the images, and write their digests to build/images.env: REGISTRY=…
	@mkdir -p build
	@$(PYTHON) containers/push.py "$(REGISTRY)" "$(REVISION)" $(IMAGES) > build/images.env.new
	@mv build/images.env.new build/images.env
	@cat build/images.env

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
