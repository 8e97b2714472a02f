# Python and make are all that is needed:  make demo  make test  make help
PYTHON ?= python3

# One environment for each version of Python, so that trying another does not spoil the first.
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
VENV    := .venv-$(VERSION)
BIN     := $(VENV)/bin
READY   := $(VENV)/.ready

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo up test lint bench chaos secrets clean

help: ## say what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(READY) ## send a campaign of 20,000 messages through the sandbox, and check the books
	@$(BIN)/python -m times_dispatch.demo

up: $(READY) ## start everything with the sandbox, and stay until Ctrl-C
	@$(BIN)/python -m times_dispatch.demo up

test: lint ## lint, types, import rules and all tests
	@status=0; \
	$(BIN)/pytest -m alone || status=1; \
	$(BIN)/pytest -m 'not alone' -n 2 || status=1; \
	exit $$status

lint: $(READY) ## what make test checks before the tests
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports > $(VENV)/lint-imports.log || { cat $(VENV)/lint-imports.log; exit 1; }
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml

bench: $(READY) ## measure speed and memory (see benchmarks/README.md)
	@$(BIN)/python -m benchmarks

chaos: $(READY) ## break everything, and count; SEED=N repeats a run, BUSY=1 keeps the cores busy meanwhile
	@$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(BUSY),--busy)

secrets: ## make the random secrets that docker-compose.yml reads, where they are missing
	@mkdir -p -m 700 secrets
	@for name in redis_password id_key callback_secret flower_basic_auth timesmobile_username timesmobile_password; do \
	  test -s secrets/$$name && continue; \
	  case $$name in flower_basic_auth) before=flower: ;; *) before= ;; esac; \
	  printf '%s' "$$before" > secrets/$$name; \
	  $(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(24))' >> secrets/$$name || exit 1; \
	  chmod 644 secrets/$$name; \
	  echo "made secrets/$$name"; \
	done

clean: ## remove the environments and everything that can be made again
	@rm -rf .venv-3.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml constraints.txt
	@test -n "$(VERSION)" || { echo "$(PYTHON) does not run; say which Python to use: make $(firstword $(MAKECMDGOALS)) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "$(PYTHON) is Python $(VERSION); this needs 3.11, 3.12 or 3.13: make $(firstword $(MAKECMDGOALS)) PYTHON=python3.12" >&2; exit 1; }
	@echo "making $(VENV), once"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[files,dev]'
	@touch $@
