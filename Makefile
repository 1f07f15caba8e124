# Everything that a fresh machine needs: Python >= 3.11 and make.
#   make quickstart   train and validate on rendered people, about eight minutes on two CPU cores
#   make test         pass the tests
#   make coverage     pass the tests, and say which lines and branches they miss
#   make check        style, types and the direction of imports
#   make benchmark    measure, and write the tables of README.md and docs/benchmarks.md
#   make docs         the documentation, as docs/_build/html/index.html
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: quickstart test coverage check benchmark docs install clean

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ElifPose needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(INSTALLED)

quickstart: $(INSTALLED)
	$(BIN)/elifpose data synthesize --root data/synthetic --workers 2
	$(BIN)/elifpose fit --config configs/quickstart.yaml

test: $(INSTALLED)
	$(BIN)/python -m pytest

coverage: $(INSTALLED)
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

benchmark: $(INSTALLED)
	$(BIN)/python benchmarks/run_all.py

docs: $(INSTALLED)
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --fresh-env --quiet -b html docs docs/_build/html

clean:
	rm -rf .venv docs/_build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
