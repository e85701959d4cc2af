# Every task of a developer or CI. Needs Python >= 3.11 and make; each target installs what it needs.

DURATION ?= 60s
# `make test` runs randomised tests with few tries; crash, invites and property with this many times as many.
SCALE ?= 10
VENV := .venv
PYTHON_IN := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev

.PHONY: help install demo test coverage check format bench docs dashboards pictures lock goldens crash faults planted invites clocks property scenarios soak secrets clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(INSTALLED)  ## install the program in .venv
	@echo "Installed: $(VENV)/bin/discord-exporter"

demo: $(INSTALLED)  ## observe a simulated Discord for DURATION and compare every number with its ledger
	@$(VENV)/bin/discord-exporter demo --duration $(DURATION)

test: $(INSTALLED_DEV)  ## run all tests, against real servers where they can be installed
	@scripts/servers
	@$(PYTHON_IN) -m pytest -n 5 --dist worksteal -q $(ARGS)

coverage: $(INSTALLED_DEV)  ## run all tests and list the lines of exporter/ they do not reach; fails below 90 %
	@scripts/servers
	@$(VENV)/bin/coverage erase
	@$(VENV)/bin/coverage run -m pytest -n 5 --dist worksteal -q $(ARGS)
	@$(VENV)/bin/coverage combine --quiet
	@$(VENV)/bin/coverage report

check: $(INSTALLED_DEV)  ## check format, lint, types and import contracts
	@$(VENV)/bin/ruff format --check --quiet . || { echo "run: make format"; exit 1; }
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports

format: $(INSTALLED_DEV)  ## format the code
	@$(VENV)/bin/ruff format --quiet .
	@$(VENV)/bin/ruff check --fix --quiet .

bench: $(INSTALLED_DEV)  ## run the benchmarks; prints a table and writes bench.json
	@scripts/servers
	@$(PYTHON_IN) -m benchmarks $(ARGS)

docs: $(INSTALLED)  ## regenerate the reference pages and the schema
	@$(PYTHON_IN) -m exporter.reference docs

dashboards: $(INSTALLED_DEV)  ## regenerate dashboards, alerts and runbooks
	@$(PYTHON_IN) -m dashboards

pictures: $(INSTALLED_DEV)  ## open every dashboard in a browser, check it and take its picture; needs Grafana, see scripts/pictures
	@scripts/pictures

lock: $(INSTALLED_DEV)  ## resolve the dependencies again
	@scripts/lock

goldens: $(INSTALLED_DEV)  ## regenerate facts, samples, lines and rows of the recorded payloads; review the difference
	@$(PYTHON_IN) -m tests.events.recording
	@$(PYTHON_IN) -m tests.goldens.writing

scenarios: $(INSTALLED_DEV)  ## run each scenario of the simulator for a minute and compare every number
	@TEST_SCALE=$(SCALE) $(PYTHON_IN) -m pytest -q tests/e2e/test_scenarios.py

crash: $(INSTALLED_DEV)  ## kill the process again and again under load, damage its spool, and report what that cost
	@scripts/servers
	@TEST_SCALE=$(SCALE) $(PYTHON_IN) -m pytest -q -s tests/crash tests/spool/test_crash.py tests/spool/test_damage.py

faults: $(INSTALLED_DEV)  ## keep the disk full, hanging and slow for ten minutes each, and report memory and loop lag
	@scripts/servers
	@TEST_SCALE=75 $(PYTHON_IN) -m pytest -q -s tests/faults tests/e2e/test_disk_faults.py

planted: $(INSTALLED_DEV)  ## plant a fault in each promise, one at a time in a copy of the tree, and show the test that fails by it
	@$(PYTHON_IN) -m tests.planted_faults $(ARGS)

invites: $(INSTALLED_DEV)  ## attribute ten thousand joins in bursts and report the share that is right
	@TEST_SCALE=$(SCALE) $(PYTHON_IN) -m pytest -q -s tests/tracking/invites/test_invites_at_scale.py

clocks: $(INSTALLED_DEV)  ## play 10,000 histories of wrong clocks and sleep, and report the reasons found
	@TEST_SCALE=50 $(PYTHON_IN) -m pytest -q -s tests/tracking/clock

property: $(INSTALLED_DEV)  ## run the property tests with SCALE times as many examples
	@TEST_SCALE=$(SCALE) $(PYTHON_IN) -m pytest -q -n 2 --timeout 3600 -m hypothesis

soak: $(INSTALLED_DEV)  ## run a demo of an hour
	@$(VENV)/bin/discord-exporter demo --duration 1h --rate 200

secrets:  ## create the passwords that docker compose starts with
	@scripts/secrets

clean:  ## remove the environment and every cache
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.*

$(INSTALLED): requirements.lock pyproject.toml scripts/environment
	@scripts/environment requirements.lock
	@touch $@

# The second lock contains the first, so one installation serves both.
$(INSTALLED_DEV): requirements-dev.lock pyproject.toml scripts/environment
	@scripts/environment requirements-dev.lock
	@touch $(INSTALLED) $@
