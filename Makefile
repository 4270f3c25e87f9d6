# SPDX-License-Identifier: Apache-2.0
# Needs make and Python >= 3.11 with venv; everything else goes into $(VENV).
#
#   make PYTHON=/path/to/python3.13 test     takes that interpreter
#   make AIRFLOW=3.4 system-releases         takes the pins of requirements/runtime-3.4.txt

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

AIRFLOW ?= 3.3
VENV ?= $(if $(filter 3.3,$(AIRFLOW)),.venv,.venv-$(AIRFLOW))
KEEP ?=
# What failed-again looks at.
TESTS ?= tests/unit tests/integration
# Of tests without an Airflow of their own. They wait more than they compute, so that three suit two cores.
PROCESSES ?= 3
# The newest interpreter that the project is tested on. A name that exists is not enough: version managers leave
# names behind that do not start.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	if "$$p" -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1; \
	then echo "$$p"; break; fi; done)

# Bytecode is kept, whatever the machine says (container images often forbid it): every worker of pytest and every
# Airflow that a test starts would compile all of Airflow anew, which takes longer than what it is started for.
export PYTHONDONTWRITEBYTECODE :=

BIN := $(VENV)/bin
# The pins are complete and fit each other (pip check proves it), so pip need not solve anything. Bytecode is
# made when a module is first imported: compiling all of it would double the time.
INSTALL := -m pip install -qq --no-deps --no-compile --disable-pip-version-check
PIP := $(BIN)/python $(INSTALL)
RUNTIME := requirements/runtime-$(AIRFLOW).txt
PYTEST = $(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist worksteal
# What make bench runs; each can be run alone, and with --smoke.
BENCHMARKS := poll_cpu bad_neighbours waiting outage ending automic_batch storing triggerer callback_wake callback_end \
	forged_callbacks download_disk \
	download_s3 download_files download_ranges imports page_reports
# Each vendor's example with its callbacks and stored results, what a person sees of waiting tasks, and no secret anywhere.
SYSTEM_SHORT := tests/system/test_examples.py tests/system/test_waiting_seen.py tests/system/test_secrets.py
# They have an Airflow of their own.
SYSTEM_OWN := tests/system/test_page.py tests/system/test_forms.py tests/system/test_quickstart.py
# What differs most between releases of Airflow.
SYSTEM_RELEASES := tests/system/test_harness.py tests/system/test_callbacks.py tests/system/test_asset_watcher.py \
	tests/system/test_automic.py
# The folders of unit and integration tests that meet Airflow's internals.
AIRFLOWS_FOLDERS := callbacks page triggers jobs
# The site needs no Airflow: without an environment it gets a small one of its own.
DOCS_VENV := $(if $(wildcard $(VENV)/runtime.stamp),$(VENV),.venv-docs)
MATRIX := requirements/matrix.py
CODE := airflow_async_provider tests demo example_dags benchmarks requirements docs

.PHONY: help
help:  ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: demo
demo: $(VENV)/demo.stamp  ## run the example DAGs on a real Airflow (KEEP=1 leaves the UI up until Ctrl-C)
	@$(BIN)/python -m demo $(if $(KEEP),--keep)

.PHONY: test
test: lint types covered docs system  ## everything below, in this order

.PHONY: lint
lint: $(VENV)/dev.stamp  ## ruff: rules and format
	$(BIN)/ruff check $(wildcard $(CODE))
	$(BIN)/ruff format --check $(wildcard $(CODE))

.PHONY: types
types: $(VENV)/dev.stamp  ## mypy, strict: the package, what a user's mypy sees of it, and the benchmarks
	$(BIN)/mypy
	$(BIN)/mypy tests/typing
	MYPYPATH=benchmarks $(BIN)/mypy benchmarks

.PHONY: unit
unit: $(VENV)/dev.stamp  ## tests without a network
	$(PYTEST) tests/unit

# They compute more than they wait, and each process collects all of them.
.PHONY: unit-fast
unit-fast: PROCESSES := 2
unit-fast: $(VENV)/dev.stamp  ## the same without made-up inputs and starts of Airflow: under a minute
	$(PYTEST) -q -p no:schemathesis -m "not hypothesis and not thorough and not bench" tests/unit

.PHONY: changed
changed: $(VENV)/dev.stamp  ## the inner loop: ruff and the tests of what differs from main, found by their paths
	$(BIN)/ruff check $(wildcard $(CODE))
	$(BIN)/ruff format --check $(wildcard $(CODE))
	@tests=$$($(BIN)/python requirements/changed.py); \
	if [ -z "$$tests" ]; then echo "no test belongs to what has changed"; \
	else $(PYTEST) -q -m "not thorough and not bench" $$tests; fi

.PHONY: release-notes
release-notes: $(VENV)/dev.stamp  ## show what the next release brings (VERSION=0.2.0 writes it into CHANGELOG.md)
	@$(BIN)/python requirements/release_notes.py $(if $(VERSION),--version $(VERSION))

.PHONY: integration
integration: $(VENV)/dev.stamp  ## tests over real sockets, on this machine only
	$(PYTEST) tests/integration

.PHONY: real-servers
real-servers: $(VENV)/dev.stamp .venv-servers/servers.stamp  ## descriptions on real servers: pygeoapi, Celery Flower, rclone
	$(BIN)/python -m pytest tests/integration/real_servers

.PHONY: system
system: $(VENV)/dev.stamp  ## tests on a real Airflow, the demo's runs among them (some minutes)
	$(BIN)/python -m pytest tests/system --durations=12

.PHONY: system-shared system-own
system-shared: $(VENV)/dev.stamp  ## of these all that share one Airflow
	$(BIN)/python -m pytest $(filter-out $(SYSTEM_OWN),$(wildcard tests/system/test_*.py)) --durations=12
system-own: $(VENV)/dev.stamp  ## of these the page, the forms and the quickstart, which have one of their own
	$(BIN)/python -m pytest $(SYSTEM_OWN) --durations=12

.PHONY: system-short
system-short: $(VENV)/dev.stamp  ## of these the examples of all vendors, what a person sees, and no secret (4 minutes)
	$(BIN)/python -m pytest $(SYSTEM_SHORT) --durations=12

.PHONY: system-releases
system-releases: $(VENV)/dev.stamp  ## of these what differs most between releases of Airflow (AIRFLOW=3.4)
	$(BIN)/python -m pytest $(SYSTEM_RELEASES) --durations=12

.PHONY: bench-smoke
bench-smoke: $(VENV)/dev.stamp  ## a small run of every benchmark, and of benchmarks/house.py
	$(BIN)/python -m pytest -m bench tests/integration/project tests/system/test_benchmarks_smoke.py --durations=12

.PHONY: covered
covered: $(VENV)/dev.stamp  ## unit and integration tests with branch coverage, which must be 95 % or more
	$(PYTEST) tests/unit tests/integration --cov --cov-report=term --cov-fail-under=95

# In a new environment, each process of "covered" would compile all of Airflow for itself, and all of the tests.
.PHONY: compiled
compiled: $(VENV)/dev.stamp  ## collect all tests, which compiles what they import, once
	@$(BIN)/python -m pytest --collect-only -qq tests/unit tests/integration tests/system

.PHONY: failed-again
failed-again: $(VENV)/dev.stamp  ## what has failed in the last run of TESTS, once more and one by one
	$(BIN)/python -m pytest --last-failed --last-failed-no-failures none $(TESTS)

.PHONY: chaos
chaos: $(VENV)/dev.stamp  ## faults on a real Airflow with JOBS=100 jobs each (an hour; see docs/reliability.md)
	$(BIN)/python -m tests.chaos --all $(if $(JOBS),--jobs $(JOBS)) --json .chaos.json

.PHONY: chaos-short
chaos-short: $(VENV)/dev.stamp  ## the most telling faults with a few jobs each (4 minutes)
	$(BIN)/python -m tests.chaos --short

.PHONY: chaos-celery
chaos-celery: $(VENV)/celery.stamp  ## the same with CeleryExecutor and Redis (needs the program redis-server)
	$(BIN)/python -m tests.chaos $(if $(JOBS),--all --jobs $(JOBS),--short) --celery

.PHONY: test-matrix
test-matrix:  ## unit and integration tests on Airflow 3.1 to 3.4, each on Python 3.11 to 3.13 (over an hour)
	@"$(PYTHON)" $(MATRIX)

.PHONY: test-matrix-short
test-matrix-short:  ## what a release of Airflow may change, on the oldest and the newest, each on a Python of its own
	@"$(PYTHON)" $(MATRIX) --once --airflow 3.1 3.4 --goal short-test

# What the matrix runs in each of its environments.
.PHONY: every-test
every-test: $(VENV)/dev.stamp
	$(PYTEST) -q tests/unit tests/integration

# What a release of Airflow may change; the folders lie in tests/unit and tests/integration.
.PHONY: short-test
short-test: $(VENV)/dev.stamp
	$(PYTEST) -q $(wildcard $(addprefix tests/unit/,$(AIRFLOWS_FOLDERS)) $(addprefix tests/integration/,$(AIRFLOWS_FOLDERS)))

.PHONY: bench
bench: $(VENV)/dev.stamp  ## measure (see benchmarks/)
	@for script in $(BENCHMARKS); do echo "== $$script"; $(BIN)/python "benchmarks/$$script.py"; done

.PHONY: docs
docs: $(DOCS_VENV)/docs.stamp  ## build the documentation into docs/_build/html
	$(DOCS_VENV)/bin/python -m sphinx -W -q -b html docs docs/_build/html

.PHONY: screenshots
screenshots: $(VENV)/dev.stamp  ## renew the pictures of the documentation: a real Airflow in Chromium
	SCREENSHOTS=docs/_static $(BIN)/python -m pytest tests/integration/page/test_airflows_ui.py tests/system/test_forms.py

.PHONY: package
package: $(VENV)/package.stamp  ## wheel, sdist and SBOM into dist/, the same bytes from the same commit
	@rm -rf dist
	@export SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null || echo 1577836800)}; \
	$(BIN)/python -m build --no-isolation --outdir dist . >/dev/null; \
	$(BIN)/python requirements/sbom.py dist >/dev/null
	@$(BIN)/python -m twine check --strict dist/*.whl dist/*.tar.gz
	@cd dist && sha256sum * 2>/dev/null || shasum -a 256 *

.PHONY: pins
pins: $(VENV)/dev.stamp  ## renew the pinned requirements (UPGRADE=1: to the newest versions)
	$(BIN)/python -m pip install -qq --disable-pip-version-check uv
	$(BIN)/python requirements/refresh.py $(if $(UPGRADE),--upgrade)

.PHONY: clean
clean:  ## remove the environment and everything built
	rm -rf $(VENV) .venv-servers .venv-docs .venv-3.*-py3.* .matrix .demo build dist docs/_build docs/api htmlcov .coverage .coverage.* *.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Each stamp stands for what its requirement files said when it was made. A change of the runtime's pins makes the
# environment anew; a change of the others only adds to it.

$(VENV)/runtime.stamp: $(RUNTIME) requirements/build.txt
	@test -n "$(PYTHON)" || { echo "no Python 3.11, 3.12 or 3.13 with venv: make PYTHON=... test" >&2; exit 1; }
	@echo "making $(VENV) for Airflow $(AIRFLOW) with $(PYTHON) (half a minute) ..."
	@rm -rf $(VENV)
	@"$(PYTHON)" -m venv $(VENV)
	@$(PIP) -r $(RUNTIME) -r requirements/build.txt
	@touch $@

$(VENV)/project.stamp: $(VENV)/runtime.stamp pyproject.toml
	@$(PIP) --no-build-isolation -e .
	@touch $@

$(VENV)/demo.stamp: $(VENV)/project.stamp requirements/demo.txt
	@$(PIP) -r requirements/demo.txt
	@touch $@

$(VENV)/dev.stamp: $(VENV)/demo.stamp requirements/dev.txt
	@$(PIP) -r requirements/dev.txt
	@$(BIN)/python -m pip check
	@touch $@

$(VENV)/celery.stamp: $(VENV)/dev.stamp requirements/celery.txt
	@$(PIP) -r requirements/celery.txt
	@$(BIN)/python -m pip check
	@touch $@

# Nothing of it is imported by the tests, and it does not fit Airflow's pins.
.venv-servers/servers.stamp: requirements/servers.txt
	@rm -rf .venv-servers
	@"$(PYTHON)" -m venv .venv-servers
	@.venv-servers/bin/python $(INSTALL) -r requirements/servers.txt
	@touch $@

$(VENV)/docs.stamp: $(VENV)/project.stamp requirements/docs.txt
	@$(PIP) -r requirements/docs.txt
	@touch $@

.venv-docs/docs.stamp: requirements/docs.txt
	@rm -rf .venv-docs
	@"$(PYTHON)" -m venv .venv-docs
	@.venv-docs/bin/python -m pip install -qq --disable-pip-version-check -c requirements/runtime-3.3.txt -r $<
	@touch $@

$(VENV)/package.stamp: $(VENV)/project.stamp requirements/package.txt
	@$(PIP) -r requirements/package.txt
	@touch $@
