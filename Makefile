# The whole interface: `make demo`, `make test` and `make docs`. Each creates the environment that it needs in .venv.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: demo test lint types docs notebooks clean

demo: $(VENV)/installed
	$(BIN)/python -m experiments.demo

test: lint types
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed
	$(BIN)/mypy

# The site of the documentation, in site/index.html; a warning is an error, as in the tests, which build it too.
docs: $(VENV)/installed
	$(BIN)/python -m sphinx --quiet --fresh-env --fail-on-warning --keep-going docs site

# Runs the notebooks and writes their outputs into them.
notebooks: $(VENV)/installed
	$(BIN)/python docs/run_notebooks.py

$(VENV)/installed: setup.cfg requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "glowjax needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	touch $@

clean:
	rm -rf $(VENV) site jupyter_execute .mypy_cache .pytest_cache .ruff_cache
