# edgevision: every command a developer, a user of the checkout, or CI runs. `make help` lists them.
SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test slow-test check lint types coverage doctest wheel-test cli-reference cli-reference-check operators-reference test-arm64 test-hardware proof clean

PYTHON := .venv/bin/python
# Workers for the tests: as many as cores, two at most (each may hold a TensorFlow).
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || echo 1); echo $$(( n > 2 ? 2 : n )))
PYTEST := $(PYTHON) -m pytest -q -rfEs
SUITE := --ignore tests/hardware -n $(WORKERS) --dist loadfile --durations 10
ARGS ?=
ARTIFACT ?= runs/resnet8-tflite-static_wi8_ai8

export TF_CPP_MIN_LOG_LEVEL ?= 2
# As the command line does: oneDNN on every CPU, not just on those where TensorFlow uses it unasked.
export TF_ENABLE_ONEDNN_OPTS ?= 1

help:  ## this list
	@grep -hE '^[a-z0-9-]+:.*  ## ' $(MAKEFILE_LIST) | sed -E 's/:.*  ## /\t/' | expand -t 22

setup:  ## make .venv with everything the commands below need (does nothing when it is there)
	@bash scripts/setup.sh

demo: setup  ## the whole way on shipped images: prune, quantize, export, verify, benchmark, report
	@.venv/bin/edgevision demo --overwrite $(ARGS)

test: setup  ## the test suite, but for what takes long
	@$(PYTEST) $(SUITE) -m "not wheel and not timing and not slow" $(ARGS)
	@$(PYTEST) -m timing

slow-test: setup  ## the tests that `make test` leaves out, for they take long
	@$(PYTEST) $(SUITE) -m "slow and not wheel and not timing" $(ARGS)

check: setup lint types slow-test wheel-test cli-reference-check  ## what must hold beside `make test` before a change lands

lint: setup  ## ruff
	@$(PYTHON) -m ruff check .

types: setup  ## mypy --strict
	@bash scripts/types.sh

coverage: setup  ## the whole test suite with coverage
	@$(PYTEST) $(SUITE) -m "not wheel and not timing" --cov --cov-report term --cov-report html:runs/coverage $(ARGS)

doctest: setup  ## the examples in docstrings
	@$(PYTEST) tests/packaging/test_doctests.py

wheel-test: setup  ## build the wheel through the sdist and try it in a fresh environment
	@$(PYTEST) -m wheel tests/packaging

cli-reference: setup  ## write docs/cli.md
	@$(PYTHON) scripts/cli_reference.py

operators-reference: setup  ## write docs/operators.md
	@$(PYTHON) scripts/operators_reference.py

cli-reference-check: setup  ## docs/cli.md says what --help says
	@$(PYTHON) scripts/cli_reference.py --check

test-arm64: setup  ## the base install under an arm64 emulator; ARTIFACT=an int8 TFLite artifact; as root
	@bash scripts/test_arm64.sh "$(ARTIFACT)" $(ARGS)

test-hardware: setup  ## what needs the device it is about: Jetson, Coral, NPU; each skips, with its reason, where that is absent
	@$(PYTEST) tests/hardware $(ARGS)

proof: setup  ## measure again what takes long, for docs/results.md
	@$(PYTHON) benchmarks/proof.py $(ARGS)

clean:  ## remove what the commands above made
	rm -rf .venv .typing build dist runs .pytest_cache .mypy_cache .ruff_cache .coverage .coverage.* *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +
