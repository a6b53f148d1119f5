# `make` prints what there is. Everything runs in .venv, which `setup` makes with nothing but Python's own venv and pip.

.DEFAULT_GOAL := help
.PHONY: help setup demo up test check format bench faults flaky deploy-check audit sbom strict-s3 lock clean

VENV := .venv
READY := $(VENV)/.ready
PYTHONS := $(PYTHON) python3.13 python3.12 python3.11 python3
LOCK = $(VENV)/bin/uv --quiet pip compile --universal --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock"
PIP := $(VENV)/bin/python -m pip --quiet --disable-pip-version-check --no-input

help:  ## print the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## make the environment, once

demo: $(READY)  ## start everything, run two real jobs, show how to do the same by hand
	@$(VENV)/bin/arqade demo

up: $(READY)  ## run the whole system in the foreground (ARGS="--port 8001")
	@$(VENV)/bin/arqade up $(ARGS)

test: $(READY)  ## every test that needs only what pip brings (ARGS="-k name")
	@$(VENV)/bin/pytest -n auto $(ARGS)

check: $(READY)  ## format, lint, types, floors, unit and contract tests: quick
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-cache
	@$(VENV)/bin/pytest -n auto tests/unit tests/contract

format: $(READY)  ## put the code into its form
	@$(VENV)/bin/ruff check --fix .
	@$(VENV)/bin/ruff format .

bench: $(READY)  ## measure submissions and pick-up beside their baselines
	@$(VENV)/bin/python -m tests.bench $(ARGS)

PATIENT := --timeout 7200 -o faulthandler_timeout=0
faults: $(READY)  ## break everything on purpose, at full size; every property with 10,000 examples; promises about time
	@ARQADE_FAULTS=full $(VENV)/bin/pytest $(PATIENT) tests/faults $(ARGS)
	@ARQADE_FAULTS=full $(VENV)/bin/pytest $(PATIENT) --hypothesis-profile full -m "hypothesis or timed" \
		tests/unit tests/integration $(ARGS)

N ?= 10
BUSY ?= 0
flaky: $(READY)  ## run the suite N=10 times, beside BUSY=0 busy processes; list what failed with its seed and order
	@$(VENV)/bin/python -m tests.run.flaky $(N) --busy $(BUSY) -- $(ARGS)

deploy-check:  ## check the deployment files against their schemas and against policy; wants kubectl
	@sh deploy/check.sh

audit: $(READY)  ## ask about known vulnerabilities of what is locked; wants the network (exit 3: could not ask)
	@$(PIP) install uv
	@$(VENV)/bin/python deploy/audit.py $(VENV)/bin/uv --quiet tool run pip-audit==2.10.1 $(ARGS) requirements.lock

sbom: $(READY)  ## list what the image holds, as CycloneDX, in build/sbom.json
	@$(PIP) install uv
	@mkdir -p build
	@$(VENV)/bin/uv --quiet tool run --from cyclonedx-bom==7.5.0 cyclonedx-py requirements \
		--pyproject pyproject.toml --short-PURLs --output-reproducible --of JSON -o build/sbom.json deploy/image.lock
	@echo "build/sbom.json"

strict-s3: .venv-swift/.ready  ## the strict object store that some tests want, once (OpenStack Swift)

.venv-swift/.ready: $(READY)
	@$(VENV)/bin/python -m venv --clear .venv-swift
	@.venv-swift/bin/python -m pip --quiet --disable-pip-version-check --no-input install swift==2.38.3 "setuptools<81"
	@touch $@

lock: $(READY)  ## resolve the dependencies anew (ARGS=--upgrade)
	@$(PIP) install uv
	@$(LOCK) --all-extras $(ARGS) -o requirements.lock pyproject.toml
	@$(LOCK) --extra ocr --constraint requirements.lock -o deploy/image.lock pyproject.toml
	@echo "hatchling>=1.27" | $(LOCK) --constraint requirements.lock -o deploy/build.lock -

clean:  ## remove the environment and every cache; data folders stay
	@rm -rf $(VENV) .venv-swift .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	@find apps libs tests -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment that works is kept and brought up to date; any other is made anew.
$(READY): requirements.lock pyproject.toml
	@$(VENV)/bin/python -m pip --version >/dev/null 2>&1 && exit 0; \
	old=; found=; for python in $(PYTHONS); do \
		$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; old=$$python; \
		$$python -c 'import ensurepip, venv' 2>/dev/null || continue; found=$$python; break; \
	done; \
	if [ -z "$$old" ]; then echo "Arqade needs Python 3.11 or later: apt-get install python3 python3-venv"; exit 1; fi; \
	if [ -z "$$found" ]; then echo "$$old has no venv: apt-get install python3-venv"; exit 1; fi; \
	echo "making the environment in $(VENV) with $$found; this takes a minute, once"; \
	$$found -m venv --clear $(VENV)
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --editable .
	@touch $@
