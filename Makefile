# Two commands do all the set-up: `make demo` shows the main job, `make test` proves it. Each makes its own environment.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test test-all lint docs example bench clean
.DEFAULT_GOAL := help

help:
	@echo "make demo     train, compare, register, promote and trace a model, in a temporary repository"
	@echo "make test     run the tests"
	@echo "make lint     ruff and mypy"
	@echo "make bench    time the commands against python itself"
	@echo "make docs     write the command reference of the README anew"
	@echo "make example  make .mlruns-example anew"

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	$(PIP) install -e '.[sklearn]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(PIP) install -e '.[dev]'
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh examples/demo.sh

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/bench.py $(ARGS)

docs: $(VENV)/.dev
	$(BIN)/python -m docs.generate

example: $(VENV)/.dev
	$(BIN)/python examples/make_example.py

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
