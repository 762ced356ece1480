# The newcomer's commands. `make demo` and `make test` set everything up by themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
FAKESNOW := .venv-fakesnow
FAKESNOW_STAMP := $(FAKESNOW)/.installed

.PHONY: help install demo refresh ui test fakesnow conformance faults chaos fuzz check fix bench lock clean

help:
	@echo "make demo     set everything up and run the whole pipeline: Postgres, dlt, dbt, a chart"
	@echo "make refresh  run what has changed since make demo, and say what is skipped"
	@echo "make ui       the same project in the Dagster UI (after make demo it shows that run)"
	@echo "make test     set everything up and run the tests"
	@echo "make conformance  every mode, option and type for all pairs of databases (make test: a sample)"
	@echo "make faults   every fault at every boundary, for every target and mode (make test: a sample)"
	@echo "make chaos    runs killed at random moments, then source and target compared (KILLS=500)"
	@echo "make fuzz     readers of YAML, expressions and files against what nobody writes (MINUTES=5)"
	@echo "make check    ruff, strict types, and the lint of the tests themselves"
	@echo "make install  only the environment, in .venv, with .venv/bin/mainstem"
	@echo "make bench    speed beside Sling and dlt, about 15 minutes (ROWS=6000000, BENCHMARKS=csv for a part)"
	@echo "make lock     resolve requirements.lock again (needs uv)"

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; ok = (3, 10) <= sys.version_info[:2] <= (3, 13); sys.exit(None if ok else "mainstem needs Python 3.10 to 3.13; %s is %s. Name another one: make PYTHON=python3.12 ..." % (sys.executable, sys.version.split()[0]))'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: install
	cd demo && ../$(BIN)/python -m shop

refresh: install
	cd demo && ../$(BIN)/python -m shop refresh

ui: install
	cd demo && ../$(BIN)/python -m shop ui

# The emulator of Snowflake: its dependencies and ours exclude each other. It needs Python 3.11; without it the
# tests of Snowflake skip.
fakesnow: $(FAKESNOW_STAMP)

$(FAKESNOW_STAMP): tests/fakesnow/requirements.lock
	$(PYTHON) -m venv $(FAKESNOW)
	@if $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
	  $(FAKESNOW)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<; \
	else rm -rf $(FAKESNOW)/bin; echo "fakesnow needs Python 3.11: the tests of Snowflake will skip."; fi
	@touch $@

test: install fakesnow
	$(BIN)/python -m pytest -n auto $(ARGS)

conformance: install fakesnow
	MAINSTEM_ALL=1 $(BIN)/python -m pytest -n auto tests/conformance $(ARGS)

# Each round prints its seed; the first that fails ends it.
MINUTES ?= 5

fuzz: install
	$(BIN)/python -m tests.fuzz $(MINUTES)

faults: install fakesnow
	MAINSTEM_ALL=1 $(BIN)/python -m pytest -n auto tests/faults $(ARGS)

KILLS ?= 500

chaos: install
	$(BIN)/python -m tests.chaos.kills --kills $(KILLS) $(ARGS)

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python tests/lint.py

fix: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# BENCHMARKS: words of the names of cases ("make bench BENCHMARKS=csv"). COMPARE: another revision, in place of
# the peers. Every figure goes into bench.json. The others of benchmarks/ are run by themselves.
ROWS ?= 600000

bench: install
	$(BIN)/python -m benchmarks.movement --rows $(ROWS) --json bench.json \
	  $(if $(COMPARE),--compare $(COMPARE)) $(ARGS) -- $(BENCHMARKS)

# --no-emit-index-url: the lock says what, never from where.
lock:
	uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-strip-extras --no-header \
	  --no-annotate --no-emit-index-url --no-emit-find-links --extra demo --group dev pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-header \
	  --no-annotate --no-emit-index-url --no-emit-find-links tests/fakesnow/requirements.in -o tests/fakesnow/requirements.lock

clean:
	rm -rf $(VENV) $(FAKESNOW) demo/.local examples/*/.local
