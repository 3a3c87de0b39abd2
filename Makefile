# Everything happens in .venv; the first target that needs it makes it.

PYTHON ?= python3
JOBS ?= 2
BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test rig rig-training federated lint bench clean

help: ## show this text
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20
	@echo 'PYTHON=python3.12 chooses the interpreter, JOBS=4 the number of processes.'

demo: $(READY) ## walk the whole way on the simulated HiKey 970, into demo-output/
	$(BIN)/ilgov demo --jobs $(JOBS)

test: $(READY) ## run all tests, the examples in docstrings included
	$(BIN)/python -m pytest -n $(JOBS) --benchmark-disable --doctest-modules -m 'not rig' \
	    tests npu_runtime oracle platforms rm traces training

rig: $(READY) ## run the tests on a real kernel: an emulated board, by QEMU (Debian, root)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m 'rig and not rig_training' tests/rig

rig-training: $(READY) ## run training jobs there, PyTorch's and Flower's: many minutes, 2 GiB more
	$(BIN)/python -m pytest -m rig_training tests/rig/test_training.py

federated: $(READY) ## run all systems of federated training and their baselines, small: minutes
	$(BIN)/ilgov federated compare --size smoke --jobs $(JOBS) --out build/federated-smoke

lint: $(READY) ## check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY) ## run the benchmarks
	$(BIN)/python -m pytest benchmarks --benchmark-only

clean: ## remove caches, build output and the demo's results; keep .venv
	rm -rf build dist *.egg-info demo-output .benchmarks .hypothesis
	rm -rf .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "ilgov needs Python 3.11 or newer, and '$(PYTHON)' is none;" \
	         "name one, for example: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@
