# Everything runs from a virtual environment of its own; PYTHON chooses the interpreter it is made with.
PYTHON ?= python3
BIN := .venv/bin
# Without an advertisement for its successor.
MKDOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Tests mostly compile, and with no effort for each program they are done sooner. Heavy tests compute longer, and
# compare with workers that compile with all effort: theirs has some. Two workers with two threads each of PyTorch would
# wait for one another.
QUICKLY := XLA_FLAGS="--xla_cpu_use_fusion_emitters=false --xla_backend_optimization_level=0"
HEAVILY := OMP_NUM_THREADS=1 XLA_FLAGS="--xla_cpu_use_fusion_emitters=false --xla_backend_optimization_level=1"
PYTEST := $(BIN)/pytest -n 2 --dist loadgroup --no-loadscope-reorder

.PHONY: demo check check-code test test-quick test-heavy fuzz durations golden docs bench figures version dist \
	install install-test install-all

demo: install
	$(BIN)/genedge demo

# The checkers fill the time in which one of the two workers waits for the other. What needs torch, Ray or a browser, or
# takes a minute, is counted as skipped.
test: install-test
	$(MAKE) --jobs 2 --output-sync check test-quick

test-quick: install-test
	$(QUICKLY) $(PYTEST) -rf

# Takes a gigabyte more to install.
test-heavy: install-all
	$(HEAVILY) $(PYTEST) -rs -m heavy

# Damages files and command lines for so many minutes; what does not come through clean is kept in tests/corpus.
MINUTES ?= 10
fuzz: install-test
	$(QUICKLY) PYTHONPATH=tests $(BIN)/python tests/fuzzing.py $(MINUTES)

# How long each file's tests take, by which they are ordered; on a quiet machine.
durations: install-all
	$(QUICKLY) $(PYTEST) --record-durations
	$(HEAVILY) $(PYTEST) --record-durations -m heavy

# What commands print, kept anew; tells what differs from before.
golden: install-test
	$(QUICKLY) PYTHONPATH=tests $(BIN)/python tests/golden.py

check: check-code
	$(MKDOCS) --quiet

# The same without the site: what a commit must pass.
check-code: install-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The site, into site/; a warning is an error.
docs: install-test
	$(MKDOCS)

bench: install-test
	$(BIN)/python benchmarks/optimum.py
	$(BIN)/python benchmarks/adapters.py
	$(BIN)/python benchmarks/replay.py

# Redraws the figures of docs/optimum.md and prints the numbers that it quotes.
figures: install
	$(BIN)/python docs/make_figures.py

# Refuses a release whose tag says another VERSION than the package, the citation or the changelog.
version: install-test
	$(BIN)/python tests/release.py $(VERSION)

# What is published, into dist/: the wheel and the source, both looked at.
dist: install-test
	rm -rf dist
	$(BIN)/python -m hatchling build -d dist
	$(BIN)/python -m pip install --quiet twine
	$(BIN)/python -m twine check --strict dist/*

install: .venv/.installed
install-test: .venv/.installed-test

# Torch first, or the extras bring a newer one. Ray has no wheels for some systems; what needs it is then skipped, and
# so is what needs a browser where there is none: Chromium comes from the system.
install-all: install-test
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test,bench,browser,clients,curves,diffusion]"
	-$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[ray]"

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.installed: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

.venv/.installed-test: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test]"
	touch $@ .venv/.installed
