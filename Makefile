# Everything runs from a virtual environment of its own; PYTHON chooses the interpreter it is made with.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test bench figures install install-test

demo: install
	$(BIN)/genedge demo

test: install-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 --dist loadfile

bench: install-test
	$(BIN)/python benchmarks/optimum.py

# Redraws the figures of docs/optimum.md and prints the numbers that it quotes.
figures: install
	$(BIN)/python docs/make_figures.py

install: .venv/.installed
install-test: .venv/.installed-test

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.installed: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

.venv/.installed-test: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test]"
	touch $@ .venv/.installed
