# Everything a person or CI does with this project. Needs Python >= 3.11 and make; each target makes what it needs.

DURATION ?= 60s
# `make test` runs the tests of chance in small; crash and property make this many times as many tries.
SCALE ?= 10
VENV := .venv
PYTHON_IN := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev

.PHONY: help install demo test check format bench docs dashboards pictures lock goldens crash invites property scenarios soak secrets clean

help:  ## what can be done
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(INSTALLED)  ## the program, in .venv
	@echo "Installed: $(VENV)/bin/discord-exporter"

demo: $(INSTALLED)  ## a simulated Discord observed for DURATION, and every number checked
	@$(VENV)/bin/discord-exporter demo --duration $(DURATION)

test: $(INSTALLED_DEV)  ## all tests, against real servers where they can be installed
	@scripts/servers
	@$(PYTHON_IN) -m pytest -n 4 --dist worksteal -q $(ARGS)

check: $(INSTALLED_DEV)  ## format, lint, types, import contracts
	@$(VENV)/bin/ruff format --check --quiet . || { echo "run: make format"; exit 1; }
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports

format: $(INSTALLED_DEV)  ## bring the code into form
	@$(VENV)/bin/ruff format --quiet .
	@$(VENV)/bin/ruff check --fix --quiet .

bench: $(INSTALLED_DEV)  ## measure; a table, and bench.json
	@$(PYTHON_IN) -m benchmarks

docs: $(INSTALLED)  ## write the reference pages and the schema anew
	@$(PYTHON_IN) -m exporter.reference docs

dashboards: $(INSTALLED_DEV)  ## write dashboards, alerts and runbooks anew
	@$(PYTHON_IN) -m dashboards

pictures: $(INSTALLED_DEV)  ## open every dashboard in a browser, check and photograph it; needs Grafana, see scripts/pictures
	@scripts/pictures

lock: $(INSTALLED_DEV)  ## resolve the dependencies anew
	@scripts/lock

goldens: $(INSTALLED_DEV)  ## write what recorded payloads become anew: facts, samples, lines, rows; look at the difference
	@$(PYTHON_IN) -m tests.events.recording
	@$(PYTHON_IN) -m tests.goldens.writing

scenarios: $(INSTALLED_DEV)  ## play each scenario of the simulator for a minute and compare every number
	@TEST_SCALE=$(SCALE) $(PYTHON_IN) -m pytest -q tests/e2e/test_scenarios.py

crash: $(INSTALLED_DEV)  ## kill the process again and again under load
	@TEST_SCALE=$(SCALE) $(PYTHON_IN) -m pytest -q -n 2 tests/crash tests/spool/test_crash.py

invites: $(INSTALLED_DEV)  ## ten thousand joins in bursts, and how well they are explained
	@TEST_SCALE=$(SCALE) $(PYTHON_IN) -m pytest -q -s tests/tracking/invites/test_invites_at_scale.py

property: $(INSTALLED_DEV)  ## many more random examples
	@TEST_SCALE=$(SCALE) $(PYTHON_IN) -m pytest -q -n 2 --timeout 3600 -m hypothesis

soak: $(INSTALLED_DEV)  ## a demo of an hour
	@$(VENV)/bin/discord-exporter demo --duration 1h --rate 200

secrets:  ## make the passwords docker compose starts with
	@scripts/secrets

clean:  ## remove the environment and every cache
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(INSTALLED): requirements.lock pyproject.toml scripts/environment
	@scripts/environment requirements.lock
	@touch $@

# The second lock holds the first, so one installation serves both.
$(INSTALLED_DEV): requirements-dev.lock pyproject.toml scripts/environment
	@scripts/environment requirements-dev.lock
	@touch $(INSTALLED) $@
