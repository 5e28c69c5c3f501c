# Two commands do all the set-up: `make demo` shows the main job, `make test` proves it. Each makes its own environment.
# On another interpreter: make test PYTHON=python3.13 VENV=.venv-3.13; EXTRAS=dev is half as large, and skips some tests
PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= dev,e2e
# The judges of exported standards are apart, as one of them would hold Rich back; EXTRAS=dev does without, too.
JUDGES = $(if $(findstring e2e,$(EXTRAS)),$(VENV)/.standards)
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
# Byte code of what is installed editable, also where PYTHONDONTWRITEBYTECODE is set: mlcli starts twice as fast.
COMPILE := $(BIN)/python -m compileall -qq mlcli

.PHONY: help demo test faults lint docs example bench bench-git bench-capture bench-store bench-registry bench-peers clean
.DEFAULT_GOAL := help

help:
	@echo "make demo     train, compare, register, promote and trace a model, in a temporary repository"
	@echo "make test     run the tests; ARGS='-k check' for some of them"
	@echo "make faults   every file call goes wrong in every way, minutes; the tests try a sample; ARGS='-k kill' for some"
	@echo "make lint     ruff and mypy"
	@echo "make bench    time the commands against python itself"
	@echo "make bench-git    what git costs a run, beside git status itself"
	@echo "make bench-capture  what capture costs a command; ARGS=--quick in a minute"
	@echo "make bench-store  what the store costs at scale: a few minutes; ARGS='search --quick' for a part of it"
	@echo "make bench-registry  20, 1,000 and 10,000 versions beside GTO and MLflow; ARGS=--quick in a minute"
	@echo "make bench-peers  MLflow and others beside mlcli, each installed below .bench/"
	@echo "make docs     write the command reference of the README anew"
	@echo "make example  make .mlruns-example anew"

# A stamp, and not bin/python, says that it is whole: without Debian's python3-venv half of one is left behind.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.exit(sys.version_info < (3, 10) and \
	  "mlcli needs Python 3.10 or newer, and $(PYTHON) is " + v + ": make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.demo: pyproject.toml $(VENV)/.made
	$(PIP) install -e '.[sklearn]'
	@touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.made
	$(PIP) install -e '.[$(EXTRAS)]'
	@touch $@ $(VENV)/.demo

$(VENV)/.standards: pyproject.toml $(VENV)/.made
	$(PYTHON) -m venv $(VENV)/standards
	$(VENV)/standards/bin/python -m pip --disable-pip-version-check -qq install -e '.[standards]'
	@touch $@

demo: $(VENV)/.demo
	@$(COMPILE)
	@PATH="$$(cd $(BIN) && pwd):$$PATH" sh docs/demo/demo.sh

test: $(VENV)/.dev $(JUDGES)
	@$(COMPILE)
	$(BIN)/python -m pytest -n 2 $(ARGS)

faults: $(VENV)/.dev
	@$(COMPILE)
	FAULTS=full $(BIN)/python -m pytest -n 2 -q tests/faults $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.dev
	@$(BIN)/python benchmarks/bench.py $(ARGS)

bench-git: $(VENV)/.dev
	@$(BIN)/python benchmarks/git_cost.py $(ARGS)

bench-capture: $(VENV)/.dev
	@$(BIN)/python benchmarks/capture.py $(ARGS)

bench-store: $(VENV)/.dev
	@$(BIN)/python benchmarks/store.py $(ARGS)

bench-registry: $(VENV)/.dev
	@$(BIN)/python benchmarks/registry.py $(ARGS)

bench-peers: $(VENV)/.dev
	@$(BIN)/python benchmarks/against.py $(ARGS)

docs: $(VENV)/.dev
	$(BIN)/python -m docs.generate

example:  # in an environment of its own, as its packages are recorded
	$(MAKE) VENV=.venv-example .venv-example/.demo
	.venv-example/bin/python docs/demo/make_example.py

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .bench
