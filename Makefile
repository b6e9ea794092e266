VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	command -v $$name >/dev/null && $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	&& echo $$name && break; done)
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet
UV := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header

.DELETE_ON_ERROR:
.PHONY: help demo test check lock bench torture clean

help:
	@echo "make demo     the whole loop on every channel, against the built-in sandbox"
	@echo "make test     lint, import contracts, types, tests (ARGS='-k name' for pytest)"
	@echo "make bench    benchmarks"
	@echo "make torture  hours of crashes, races and bad input (ARGS='--only kill9 --seed 7')"
	@echo "make lock     bring the locks to the newest versions allowed"
	@echo "make clean    remove what make made"

demo: $(VENV)/.run
	@$(BIN)/paybot demo

test check: $(VENV)/.dev
	@$(BIN)/python tests/run.py $(ARGS)

bench: $(VENV)/.dev
	@$(BIN)/python -m benchmarks $(ARGS)

torture: $(VENV)/.dev
	@$(BIN)/python -m tests.crash $(ARGS)

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/it"; exit 2; }
	@echo "Setting up $(VENV) (once; a minute or two)"
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "Python's venv module is needed (Debian: apt install python3-venv)"; exit 2; }

$(VENV)/.run: requirements.lock pyproject.toml | $(BIN)/python
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

lock:
	$(UV) --extra build pyproject.toml -o requirements.lock
	$(UV) --extra build --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
