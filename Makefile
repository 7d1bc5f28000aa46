# Every target sets up what it needs in $(VENV): with uv where it is installed, with pip otherwise.
# `make demo TARGET=sip.example.com`, `make test ARGS="-k uri"`, `make bench-NAME` for one benchmark.

PYTHON ?= python3
VENV   ?= .venv
TARGET ?=
ARGS   ?=

BIN    := $(VENV)/bin
# of one Python: another PYTHON, or a system that has a newer one now, sets up anew
READY  := $(VENV)/ready-$(shell $(PYTHON) -c 'import platform; print(platform.python_version())' 2>/dev/null)
SOURCE := sipcore probes benchmarks tests docs

# the versions of everything, of what builds the package too
PINNED := --constraint constraints.txt --build-constraint constraints.txt
ifneq ($(shell command -v uv 2>/dev/null),)
CREATE  := uv venv --quiet --clear --python $(PYTHON) $(VENV)
INSTALL := uv pip install --quiet --python $(BIN)/python $(PINNED)
else
CREATE  := $(PYTHON) -m venv --clear $(VENV) && $(BIN)/python -m pip install --quiet --constraint constraints.txt --upgrade pip
INSTALL := $(BIN)/python -m pip install --quiet $(PINNED)
endif

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test check format bench soak fuzz fault-lab-discovery fault-lab-call interop-matrix clean

help:  ## this list
	@grep -hE '^[a-z%-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(READY)  ## discover and call the built-in responder, or TARGET=host, sip:uri, tls://host:port, ...
	@$(BIN)/python -m probes.cli.demo $(if $(TARGET),'$(TARGET)')

# STATUS_FILE is for .ci/run: it takes the exit code, and make adds no line of its own after the summary
test: $(READY)-test  ## run the tests; ARGS go to pytest
	@$(BIN)/python -m pytest $(ARGS) $(if $(STATUS_FILE),; echo $$? > $(STATUS_FILE))

check: $(READY)-test $(READY)-lint  ## format, lint, types, architecture, tests
	$(BIN)/ruff format --check $(SOURCE)
	$(BIN)/ruff check $(SOURCE)
	$(BIN)/mypy
	$(BIN)/python -m pytest --quiet tests/test_architecture.py
	$(BIN)/python -m pytest $(ARGS)

format: $(READY)-lint  ## rewrite the sources in the one format, and fix what can be fixed
	$(BIN)/ruff format $(SOURCE)
	$(BIN)/ruff check --fix $(SOURCE)

bench: $(READY)-bench  ## run all benchmarks; bench-NAME runs one
	@$(BIN)/python -m benchmarks $(ARGS)

bench-%: $(READY)-bench
	@$(BIN)/python -m benchmarks $* $(ARGS)

soak: $(READY)-test  ## fault tests with the RFC's own timers and ten times as much to do (root, 13 minutes)
	@SIPCORE_SOAK=1 $(BIN)/python -m pytest -s tests/faults/test_transactions.py tests/faults/test_calls.py $(ARGS)

fuzz: $(READY)-test  ## 2,000 examples, drawn afresh, for each test that draws its own (an hour); SIPCORE_FUZZ=N for N
	@SIPCORE_FUZZ=$${SIPCORE_FUZZ:-2000} $(BIN)/python -m pytest -m hypothesis $(ARGS)

fault-lab-discovery: $(READY)-test  ## discovery against seeded faults and healthy setups, a line for each (root, 1 minute)
	@$(BIN)/python -m tests.faultlab.discovery $(ARGS)

fault-lab-call: $(READY)-test  ## test calls against seeded faults and healthy setups, a line for each (root, 2 minutes)
	@$(BIN)/python -m tests.faultlab.calls $(ARGS)

interop-matrix: $(READY)-test  ## calls to and from real programs, a line for each, into docs/interop.md (1 minute)
	@$(BIN)/python -m tests.interop.matrix $(ARGS)

setup-%: $(READY)-%  ## set up for a dependency group of pyproject.toml, and do nothing more
	@:

clean:  ## remove what the other targets made
	rm -rf $(VENV) build dist benchmarks/build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find $(SOURCE) -name __pycache__ -prune -exec rm -rf {} +

# Stamps: the package itself, editable; then one dependency group each.
$(READY): pyproject.toml constraints.txt
	@echo "setting up $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	@test -e $@ || { $(CREATE); }
	@$(INSTALL) --editable .
	@touch $@

$(READY)-%: $(READY)
	@$(INSTALL) --group $*
	@touch $@
