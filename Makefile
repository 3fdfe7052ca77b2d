# Two commands matter: `make demo` and `make test`. Each sets up all it needs; neither needs a key.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: alarms bench explore help nights setup demo test test-dask lint types contracts check coverage lock clean fuzz soak

help: ## what can be made
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: pyproject.toml requirements.lock | $(BIN)/python
	@echo "Setting up: installing the package and what it needs (about a minute the first time)"
	$(PIP) install -q --constraint requirements.lock --editable '.[speech]'
	@touch $@

$(VENV)/.dev: pyproject.toml requirements.lock | $(BIN)/python
	@echo "Setting up: installing the package and its test tools (a minute or two the first time)"
	$(PIP) install -q --constraint requirements.lock --editable '.[dev]'
	@touch $@ $(VENV)/.runtime

# Prefect's database of this folder, brought up to date beforehand: a first start then takes seconds.
.prefect/.ready: $(VENV)/.runtime
	@echo "Setting up: Prefect's own database in .prefect (some seconds)"
	@mkdir -p .prefect
	@env -u PREFECT_API_URL -u PREFECT_PROFILE PREFECT_HOME=$(CURDIR)/.prefect PREFECT_LOGGING_LEVEL=ERROR \
	  $(BIN)/prefect server database upgrade -y >/dev/null
	@touch $@

demo: .prefect/.ready ## a small catalogue on the sandbox: all four vendors, no key, no network
	@PREFECT_HOME=$(CURDIR)/.prefect $(BIN)/omnihuman demo --out demo-results

setup: $(VENV)/.dev ## everything a developer needs, in .venv

DECIDING := tests/domain tests/planning tests/providers tests/properties

NIGHTS := tests/deployments/test_night.py

nights: $(VENV)/.dev ## schedules, dying workers and automations on a real server; minutes, and not part of test
	$(BIN)/python -m pytest -n 0 $(NIGHTS) $(PYTEST_ARGS)

# Three at a time also on two cores: much of it waits.
test: coverage ## the whole suite
	$(BIN)/python -m pytest -n 3 --dist loadgroup $(addprefix --ignore=,$(DECIDING) $(NIGHTS)) $(PYTEST_ARGS)

test-dask: $(VENV)/.dev ## the flow on a Dask cluster: half a minute, not part of CI
	$(PIP) install -q --constraint requirements.lock --editable '.[dask]'
	$(BIN)/python -m pytest -n 0 tests/scale/test_dask.py

explore: $(VENV)/.dev ## the properties with examples that nobody has tried yet
	OMNIHUMAN_EXAMPLES=exploring $(BIN)/python -m pytest -n 2 $(DECIDING) tests/ledger tests/sandbox tests/speech

coverage: $(VENV)/.dev ## the deciding rooms, whose branches must all be covered
	$(BIN)/python -m pytest -n 2 $(DECIDING) \
	  --cov --cov-report=term-missing:skip-covered --cov-fail-under=100 --cov-config=tests/coverage.ini

KILLS ?= 2000
fuzz: $(VENV)/.dev ## kills the walk some thousand times (KILLS, OMNIHUMAN_FUZZ_SEED); what it found last is in docs/reliability.md
	$(BIN)/python -m tests.fuzz --kills $(KILLS)

ROWS ?= 10000
soak: $(VENV)/.dev ## a catalogue of ROWS rows at vendors that lose answers, fail and swap files
	$(BIN)/python bench/soak.py --rows $(ROWS)

alarms: $(VENV)/.dev ## how often the checks cry wolf over 200 good videos, and what they miss of spoilt ones
	$(BIN)/python bench/count_checks.py

PART ?=
MINUTES ?= 9
bench: $(VENV)/.dev ## speed against what people would use instead, into bench/results.md (PART="race plan ...", MINUTES)
	$(BIN)/python bench/run.py $(PART) --minutes $(MINUTES)

lint: $(VENV)/.dev ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev ## mypy, strict
	$(BIN)/mypy

contracts: $(VENV)/.dev ## who may import whom
	$(BIN)/lint-imports

check: lint types contracts test ## all that CI asks for

lock: | $(BIN)/python ## new versions for requirements.lock, for every Python we support
	$(PIP) install -q uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-emit-index-url \
	  --no-annotate --no-header --upgrade pyproject.toml -o requirements.lock

clean: ## remove what was made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
