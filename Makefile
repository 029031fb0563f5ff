# `make run` starts the demo exchange, `make test` runs every check and test; both set up what they need first.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test test-long chaos setup check bench lock clean

PYTHON := $(shell for python in python3.11 python3 python3.12 python3.13; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
ifeq ($(PYTHON),)
$(error Python 3.11 or newer is missing: install python3.11 and python3.11-venv)
endif

VENV := $(CURDIR)/.venv
BIN := $(VENV)/bin
CARGO := cargo --quiet
CRATE := --manifest-path engine/Cargo.toml --locked
STARTED := $(shell date +%s)
# Files of tests are shared out between two processes, in the order of their folders: those that take long come early.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
SECONDS_SO_FAR = $$(( $$(date +%s) - $(STARTED) ))

# One interpreter for every build of the crate, or cargo would compile the bindings again for each.
export PYO3_PYTHON := $(BIN)/python
export UV_PYTHON_DOWNLOADS := never

help:
	@echo 'make run        set up, then start the demo exchange in sandbox mode'
	@echo 'make test       set up, then every check and test except the long ones'
	@echo 'make test-long  the same with the long ones'
	@echo 'make chaos      kills and stops of every process under load, twenty times each'
	@echo 'make check      format, lint, types, import directions (Python and Rust)'
	@echo 'make bench      the benchmarks'
	@echo 'make setup      environment, packages and Rust engine only'
	@echo 'make lock       compile requirements/*.in again, with hashes'
	@echo 'make clean      remove what was built; the data in CAMBIST_HOME stays'

run:
	@$(PYTHON) tools/setup.py run
	@exec $(BIN)/cambist run --demo

setup:
	@$(PYTHON) tools/setup.py test

test: check
	@$(CARGO) test $(CRATE)
	@$(PYTEST)
	@echo "make test: everything passed in $(SECONDS_SO_FAR) s"

test-long: check
	@$(CARGO) test $(CRATE)
	@$(PYTEST) -m 'long or not long'
	@echo "make test-long: everything passed in $(SECONDS_SO_FAR) s"

chaos: setup
	@$(BIN)/python -m tests.chaos

check: setup
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { $(BIN)/ruff format --diff --quiet | head -40; exit 1; }
	@$(BIN)/python tools/tidy.py
	@$(BIN)/mypy
	@if [ -x web/node_modules/.bin/svelte-check ]; then npm --prefix web run --silent check && npm --prefix web run --silent test; \
		else echo 'make check: npm was missing, so the pages are not checked'; fi
	@cargo fmt --manifest-path engine/Cargo.toml --check
	@$(CARGO) clippy $(CRATE) --all-targets --features python -- -D warnings

bench:
	@$(PYTHON) tools/setup.py bench
	@$(BIN)/python bench/run.py

lock:
	@for name in uv build runtime dev demo clients connector sources; do \
		$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header \
			--universal --python-version 3.11 $$(case $$name in demo|sources) echo --no-deps;; esac) \
			requirements/$$name.in --output-file requirements/$$name.txt || exit 1; done

clean:
	@rm -rf .venv .demo web/dist web/node_modules engine/target bench/built cambist/_matching*.so .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find $(wildcard cambist tests tools bench) -name __pycache__ -prune -exec rm -rf {} +
