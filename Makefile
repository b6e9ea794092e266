PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check lock bench torture clean

demo: $(VENV)/.run
	@$(BIN)/paybot demo

test: $(VENV)/.dev
	@$(BIN)/python tests/run.py

bench: $(VENV)/.dev
	@$(BIN)/python -m benchmarks

$(VENV)/.run: requirements.lock pyproject.toml
	@echo "Setting up $(VENV) (once; a minute or two)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

lock:
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra build pyproject.toml -o requirements.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra build --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:
	rm -rf $(VENV)
