# The verbs of this project; CI calls the same ones. Needs Python 3.11 or newer, and make.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# Python 3.12 and newer tell what runs at far less cost: of lines, which is enough beside kernels.
MONITORED = $$($(BIN)/python -c 'import sys; print("sysmon" if sys.version_info >= (3, 12) else "")')
# Tests take from a millisecond to a minute, compiling included: who has none left takes another's.
PYTEST = $(BIN)/python -m pytest -q -n 2 --dist worksteal

.PHONY: demo test test-coverage test-plain test-bounds lint types check docs golden bench bench-check paper clean

demo:  ## In a fresh virtual environment: install, compress a sample, look, decompress, compare.
	rm -rf build/demo && mkdir -p build/demo
	$(PYTHON) -m venv build/demo/venv
	build/demo/venv/bin/python -m pip install -q --disable-pip-version-check .
	build/demo/venv/bin/fmc compress samples/digits_int8.h5 build/demo/digits.bin
	build/demo/venv/bin/fmc stats --per-layer build/demo/digits.bin
	build/demo/venv/bin/fmc verify build/demo/digits.bin
	build/demo/venv/bin/fmc decompress build/demo/digits.bin build/demo/back.h5
	cmp samples/digits_int8.h5 build/demo/back.h5 && echo "back.h5 is digits_int8.h5, bit for bit"

$(VENV)/ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install -q --disable-pip-version-check --editable . --group dev
	touch $@

test: $(VENV)/ready  ## The tests, with compiled kernels.
	$(PYTEST)

test-coverage: $(VENV)/ready  ## The same, and how much of all but the kernels they cover.
	rm -f .coverage .coverage.*
	COVERAGE_CORE=$(MONITORED) $(PYTEST) --cov=fmcompress --cov=cli --cov-report=
	$(BIN)/coverage report --omit='kernels/*' --fail-under=97

test-plain: $(VENV)/ready  ## The tests, kernels as plain Python: they cover every line of these.
	rm -f .coverage .coverage.*
	NUMBA_DISABLE_JIT=1 $(PYTEST) --cov=kernels --cov-branch --cov-report=
	$(BIN)/coverage report --include='kernels/*' --fail-under=100

test-bounds: $(VENV)/ready  ## The tests, with compiled kernels that check every index.
	NUMBA_BOUNDSCHECK=1 $(PYTEST)

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/ready
	$(BIN)/mypy

check: lint types test-coverage test-plain test-bounds  ## Everything that CI runs.

docs: $(VENV)/ready  ## Write the generated parts of the documentation anew.
	$(BIN)/python docs/make_cli.py
	$(BIN)/python docs/make_diagrams.py
	$(BIN)/python tests/test_format_doc.py

golden: $(VENV)/ready  ## Write the expected terminal texts anew; look at the difference.
	$(BIN)/python tests/test_cli_text.py --write

$(VENV)/bench: $(VENV)/ready
	$(BIN)/python -m pip install -q --disable-pip-version-check --editable .[bench]
	touch $@

bench: $(VENV)/bench  ## Speed beside other codecs, and of the hardware's models; DUMPS="…" for others.
	$(BIN)/python benchmarks/compare.py $(DUMPS)
	$(BIN)/python benchmarks/hardware.py

bench-check: $(VENV)/bench  ## Whether EBPC is as fast, beside other codecs, as it has to be.
	$(BIN)/python benchmarks/guard.py $(DUMPS)

paper: $(VENV)/bench  ## What the paper's figures become on other networks: benchmarks/paper.md.
	$(BIN)/python benchmarks/paper.py --write benchmarks/paper.md $(DUMPS)

clean:
	rm -rf build $(VENV) .numba_cache *.egg-info .coverage*
