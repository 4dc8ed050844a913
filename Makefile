# `make check` and `make test` are all a newcomer needs; everything below sets itself up in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help check test lint types docs real truth-names network verify data bench clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-7s %s\n", $$1, $$2}'

$(READY): pyproject.toml requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

check: $(READY) ## judge this machine and its active environment (TARGET=path for another)
	@$(BIN)/envdoctor check $(if $(TARGET),"$(TARGET)") || [ $$? -eq 1 ] # 1 means problems were found: an answer, not a failure of make

test: lint types $(READY) ## lint, types and every test that needs no GPU and no big wheels
	$(BIN)/python -m pytest -n auto -q

lint: $(READY) ## ruff, formatter included, and whether what is generated is up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m tools.generate --check

types: $(READY) ## mypy --strict
	$(BIN)/mypy

docs: $(READY) ## regenerate docs/rules, docs/matrix.md and the JSON schemas (make lint checks that they are up to date)
	$(BIN)/python -m tools.generate

real: $(READY) ## judge environments built from real wheels: up to 6 GB of disk, 20 minutes
	$(BIN)/python -m pytest -q -s -m real tests/real

truth-names: $(READY) ## compare the names foretold to be missing with real imports: up to 6 GB of disk, 100 minutes
	mkdir -p docs/truth
	$(BIN)/python -m tests.truth.names_truth --page docs/truth/$$(date -u +%F)-names.md

verify: $(READY) ## read ten random rows of the compatibility data from the package index again and compare
	$(BIN)/envdoctor matrix verify --rows 10 --data envdoctor/data

data: $(READY) ## renew the compatibility data from the package index (up to 22 GB of traffic, 7 minutes; less where little is new)
	$(BIN)/envdoctor matrix refresh --into envdoctor/data
	$(BIN)/python -m tools.generate

network: $(READY) ## compare the data with what uv resolves: metadata only, 4 minutes
	$(BIN)/python -m pytest -q -s -m network tests/real

bench: $(READY) ## measure check and matrix against their peers (ENV=path of a full environment, else one is built)
	$(BIN)/python benchmarks/matrix_speed.py
	$(BIN)/python benchmarks/check_speed.py $(ENV)

clean: ## remove what the targets above made
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
