# `make help` lists what there is. Everything runs in a virtual environment made from requirements/dev.lock.

PYTHON ?= python3
VENV ?= .venv
CLIENTS_VENV ?= .venv-clients
WORKERS ?= 2
PYTEST_ARGS ?=
IMAGE ?= airbyte/source-iterable:dev
DOCKER ?= docker
NODE ?= node
NPM ?= npm
POETRY ?= $(BIN)/uv tool run --quiet --from 'poetry>=2.2,<3' poetry
SMOKE_PYTHON ?= $(PYTHON)

BIN := $(VENV)/bin
QUIET_PIP := -m pip --quiet --quiet --disable-pip-version-check
PIP := $(BIN)/python $(QUIET_PIP)
SMOKE_PIP := .venv-smoke/bin/python $(QUIET_PIP)
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes \
           --no-annotate --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock'

# One stamp for each interpreter version, so that another PYTHON gets a new environment.
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
LOCKED := $(VENV)/.locked-$(VERSION)
INSTALLED := $(VENV)/.installed-$(VERSION)
CLIENTS := $(CLIENTS_VENV)/.installed-$(VERSION)
CLIENT_TESTS := integration_tests/clients
OFFICIAL := $(CLIENT_TESTS)/official

.DEFAULT_GOAL := help
.PHONY: help setup test test-clients test-official-client lint lint-github demo docs contract bench soak fix dist smoke image test-image release-check lock upgrade clean python clients-python

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo "  PYTHON=python3.13 chooses the interpreter, PYTEST_ARGS='-k windows' goes to pytest"

setup: $(INSTALLED) ## set up the virtual environment (the other targets do it when needed)

test: lint ## check lint, format and types, run the tests
	$(BIN)/pytest -n $(WORKERS) --dist loadscope -m "not image_tests" $(PYTEST_ARGS)

lint: $(INSTALLED) lint-github ## check lint, format and types alone
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy source_iterable tools integration_tests/sandbox

# The schemas come with check-jsonschema, and zizmor asks nothing of the network either.
lint-github: $(INSTALLED)
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms \
	  $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
	$(BIN)/zizmor --quiet --offline .github

test-clients: $(CLIENTS) ## read with PyAirbyte, into DuckDB and PostgreSQL (Python 3.11 or 3.12)
	$(CLIENTS_VENV)/bin/pytest -W ignore -n $(WORKERS) $(CLIENT_TESTS) $(PYTEST_ARGS)

# Without Node.js there is nothing to test with: that is a sentence to a person, and a failure where CI is set.
test-official-client: ## let Iterable's own client read the sandbox (Node.js 20 or newer)
	@if $(NODE) -e 'process.exit(Number(parseInt(process.versions.node) < 20))' 2>/dev/null && $(NPM) --version >/dev/null 2>&1; then \
	  $(MAKE) --no-print-directory --silent $(INSTALLED) $(OFFICIAL)/node_modules/.installed && $(BIN)/python -m integration_tests.clients.official; \
	else \
	  echo "Skipped: Iterable's official client needs Node.js 20 or newer and npm, and '$(NODE)' or '$(NPM)' is not that." >&2; \
	  test -z "$$CI"; \
	fi

demo: $(INSTALLED) ## replicate a make-believe Iterable project into a local database
	@$(BIN)/python -m tools.demo

docs: $(INSTALLED) ## make what is derived from the code: tables, columns and pictures of the documentation, the tests' catalogs
	@$(BIN)/python -m tools.acceptance_files
	@$(BIN)/python -m tools.docs.tables
	@$(BIN)/python -m tools.docs.form

contract: $(INSTALLED) ## tell what a newer Swagger of Iterable's changes, and keep its names and types: SWAGGER=api-docs.json
	@$(BIN)/python -m tools.contract $(SWAGGER)

bench: $(INSTALLED) ## measure speed and memory beside the published connectors (ten minutes)
	@$(BIN)/python -m tools.benchmarks --write $(BENCH_ARGS)

soak: $(INSTALLED) ## break the connector at random for twenty minutes, and compare every row
	@$(BIN)/python -m tools.soak --write $(SOAK_ARGS)

fix: $(INSTALLED) ## mend lint and formatting
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

dist: $(INSTALLED) ## build the source distribution and the wheel
	rm -rf dist
	$(BIN)/hatchling build

smoke: dist ## install the wheel for SMOKE_PYTHON, and read a make-believe project with it
	$(SMOKE_PYTHON) -m venv --clear .venv-smoke
	$(SMOKE_PIP) install --require-hashes --requirement requirements/runtime.lock
	$(SMOKE_PIP) install --no-deps dist/*.whl
	$(BIN)/python -m tools.smoke .venv-smoke/bin/source-iterable

test-image: $(INSTALLED) ## build the image and try it (needs a Docker engine)
	$(BIN)/pytest -m image_tests integration_tests/test_image.py $(PYTEST_ARGS)

image: ## build the connector's image with Docker
	$(DOCKER) build --tag $(IMAGE) .

release-check: $(INSTALLED) ## whether versions, dates and lock files agree; TAG=v1.2.3 with a tag too
	@$(BIN)/python -m tools.release_check $${TAG:+--tag "$$TAG"}

lock: $(INSTALLED) ## make the lock files fit pyproject.toml, keeping versions where that is possible
	$(COMPILE) $(UPGRADE) --output-file requirements/runtime.lock pyproject.toml
	$(COMPILE) $(UPGRADE) --output-file requirements/build.lock --group build
	$(COMPILE) $(UPGRADE) --output-file requirements/dev.lock --constraint requirements/runtime.lock \
	  --constraint requirements/build.lock --group dev pyproject.toml
	$(COMPILE) $(UPGRADE) --output-file requirements/clients.lock --group build --group tests \
	  pyproject.toml requirements/clients.in
	$(BIN)/python -m tools.poetry_lock $(POETRY)

upgrade: ## make the lock files anew with the newest versions
	@$(MAKE) --no-print-directory lock UPGRADE=--upgrade

clean: ## remove the virtual environment, caches and build results
	rm -rf .venv .venv-* $(OFFICIAL)/node_modules build dist demo .bench .tmp .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): $(LOCKED) pyproject.toml
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(LOCKED): requirements/dev.lock | python
	@echo "Setting up $(VENV) with Python $(VERSION), which takes a minute ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) install --require-hashes --requirement requirements/dev.lock
	@touch $@

$(OFFICIAL)/node_modules/.installed: $(addprefix $(OFFICIAL)/,package.json package-lock.json .npmrc)
	@echo "Setting up $(OFFICIAL)/node_modules ..."
	@cd $(OFFICIAL) && $(NPM) ci --loglevel=error >/dev/null
	@touch $@

# PyAirbyte asks for other versions than the tools do, and for more room, so it has an environment to itself.
$(CLIENTS): requirements/clients.lock pyproject.toml | $(INSTALLED) clients-python
	@echo "Setting up $(CLIENTS_VENV) with Python $(VERSION) ..."
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(CLIENTS_VENV)
	@$(BIN)/uv pip sync --quiet --python $(CLIENTS_VENV) --require-hashes requirements/clients.lock
	@$(BIN)/uv pip install --quiet --python $(CLIENTS_VENV) --no-deps --no-build-isolation --editable .
	@touch $@

clients-python:
	@case "$(VERSION)" in \
	  3.11|3.12) ;; \
	  *) echo "The tests with PyAirbyte run on Python 3.11 and 3.12, not on $(VERSION) ('$(PYTHON)'). Name another: make PYTHON=python3.11" >&2; exit 1 ;; \
	esac

python:
	@case "$(VERSION)" in \
	  3.11|3.12|3.13|3.14) ;; \
	  "") echo "No Python found as '$(PYTHON)'. Install Python 3.11 to 3.14, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1 ;; \
	  *) echo "Python $(VERSION) ('$(PYTHON)') cannot run the tests and the demo: 3.11 to 3.14 can. Name another: make PYTHON=python3.11" >&2; exit 1 ;; \
	esac
