# Needs Python, make and luacheck (Debian: apt-get install lua-check). CONTRIBUTING.md says how long each command takes.
PYTHON ?= python3

# Each version of Python has an environment of its own, so that you can try several.
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
VENV    := .venv-$(VERSION)
BIN     := $(VENV)/bin
READY   := $(VENV)/.ready

# How many tests run at the same time. A worker that runs out of tests takes some of the others.
JOBS     ?= 2
PARALLEL := -n $(JOBS) --dist worksteal

LINT := ruff types imports lua compose dependencies

# The quick tests in parts that take about the same time: a process imports and collects its own part only. The
# part "rest" has every folder that no other part names.
PARTS        := rest libraries field ledger producers work
field_of     := tests/field tests/hostile
ledger_of    := tests/times_dispatch/ledger
libraries_of := tests/times_dispatch --ignore=tests/times_dispatch/ledger
producers_of := tests/producers
work_of      := tests/workers tests/callbacks
rest_of      := tests $(addprefix --ignore=,tests/times_dispatch $(field_of) $(producers_of) $(work_of))

# Some environments forbid compiled modules. The tests start many processes, and each would compile all modules again.
unexport PYTHONDONTWRITEBYTECODE

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo up fast $(PARTS:%=fast-%) test one format lint $(LINT) lock sbom bench chaos soak fuzz simulate secrets clean

help: ## list these commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(READY) ## send a campaign to 20,000 recipients through the sandbox, and compare its books with the ledger
	@$(BIN)/python -m times_dispatch.demo

up: $(READY) ## start everything with the sandbox, until Ctrl-C; KEEP=folder keeps Redis, SETTINGS=dispatch.toml takes yours
	@$(BIN)/python -m times_dispatch.demo up $(if $(KEEP),--keep $(KEEP)) $(if $(SETTINGS),--settings $(SETTINGS))

# One process more than JOBS says, because some tests wait for something.
fast: $(READY) ## all quick tests without any process, and lint meanwhile; REDIS=1 adds the quick tests that share one Redis
	@$(MAKE) --jobs=$$(($(JOBS) + 1)) --output-sync --keep-going $(LINT) $(PARTS:%=fast-%)

$(PARTS:%=fast-%): fast-%: $(READY)
	@$(BIN)/pytest -p no:cacheprovider -m 'not processes and not alone and not slow$(if $(REDIS),, and not redis)' --hypothesis-profile=quick --fork-readers $($*_of)

test: lint ## lint and all tests, with coverage
	@status=0; \
	$(BIN)/pytest -m alone || status=1; \
	$(BIN)/pytest -m 'processes and not alone' -n $(JOBS) --dist loadgroup || status=1; \
	$(BIN)/pytest -m 'not processes and not alone' $(PARALLEL) --cov || status=1; \
	exit $$status

one: $(READY) ## run one test: T=path/to/test_file.py, also with ::test_name or -k word
	@test -n "$(T)" || { echo "name a test: make one T=tests/workers/test_upkeep_send_window.py" >&2; exit 2; }
	@$(BIN)/pytest $(T)

format: $(READY) ## format the code, and repair what the linter can repair
	@$(BIN)/ruff check --fix --quiet || true
	@$(BIN)/ruff format --quiet

lint: $(READY) ## ruff, types, import rules, Lua, the Compose file and the dependencies
	@$(MAKE) --jobs=$(JOBS) --output-sync --keep-going $(LINT)

ruff: $(READY)
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet

types: $(READY)
	@$(BIN)/mypy --no-error-summary

imports: $(READY)
	@$(BIN)/lint-imports > $(VENV)/lint-imports.log || { cat $(VENV)/lint-imports.log; exit 1; }

lua:
	@command -v luacheck > /dev/null || { echo "luacheck is missing; install it with: apt-get install lua-check" >&2; exit 1; }
	@report=$$(luacheck --quiet --no-color times_dispatch/ledger/lua) || { echo "$$report"; exit 1; }

compose: $(VENV)/compose-checked

$(VENV)/compose-checked: docker-compose.yml $(READY)
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml
	@touch $@

$(VENV)/pip-checked: $(READY)
	@$(BIN)/python -m pip check > $(VENV)/pip-check.log || { cat $(VENV)/pip-check.log; exit 1; }
	@touch $@

dependencies: $(VENV)/pip-checked
	@$(BIN)/deptry . --no-ansi > $(VENV)/deptry.log 2>&1 || { cat $(VENV)/deptry.log; exit 1; }

bench: $(READY) ## measure speed and memory (benchmarks/README.md)
	@$(BIN)/python -m benchmarks

chaos: $(READY) ## break every process and count the damage; SEED=N repeats a run, SEEDS=7,42 has several, BUSY=1 keeps the cores busy
	@$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(SEEDS),--seeds $(SEEDS)) $(if $(BUSY),--busy)

soak: $(READY) ## send campaigns for MINUTES (60) with faults, and say which values grow (docs/soak.md); SEED, RATE
	@$(BIN)/python -m tests.soak $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) $(if $(RATE),--rate $(RATE))

fuzz: $(READY) ## give random input to the parsers of foreign input; MINUTES (docs/security.md)
	@$(BIN)/python -m tests.fuzz $(if $(MINUTES),--minutes $(MINUTES))

simulate: $(READY) ## try hundreds of hours of faults on a virtual clock; SEED, RUNS, HOURS (docs/simulation.md)
	@$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED)) $(if $(RUNS),--runs $(RUNS)) $(if $(HOURS),--hours $(HOURS))

LOCK := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --constraint constraints.txt \
  --no-header --no-annotate --quiet

lock: $(READY) ## write lock/ again: the hashes of all files of each version in constraints.txt, for Python 3.11 to 3.14
	@$(LOCK) pyproject.toml --extra files --output-file lock/run.txt
	@$(LOCK) pyproject.toml --extra files --extra dev --output-file lock/dev.txt
	@echo 'setuptools>=77' | $(LOCK) - --output-file lock/build.txt

sbom: $(READY) ## write sbom.json, a bill of materials (CycloneDX) of what the image holds
	@PYTHONWARNINGS=ignore $(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --output-file sbom.json lock/run.txt

# The users of redis-users.acl.
REDIS_USERS := worker beat receiver reconciler links metrics alerts console flower command admin

VERSION_HERE = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

secrets: ## make the secrets, .env and dispatch.toml that docker-compose.yml reads, if they are missing
	@mkdir -p -m 700 secrets secrets/console archive
	@for name in $(REDIS_USERS:%=redis_%) id_key link_key archive_key forget_key callback_secret flower_basic_auth metrics_token console_secret timesmobile_username timesmobile_password; do \
	  test -s secrets/$$name && continue; \
	  case $$name in flower_basic_auth) before=flower: ;; *) before= ;; esac; \
	  printf '%s' "$$before" > secrets/$$name; \
	  $(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(24))' >> secrets/$$name || exit 1; \
	  chmod 644 secrets/$$name; \
	  echo "made secrets/$$name"; \
	done
	@for line in 'DISPATCH_VERSION=$(VERSION_HERE)' 'DISPATCH_TOML=./dispatch.toml' 'TIMESMOBILE_ENDPOINT=' 'WORKERS=4' \
	  'REDIS_MAXMEMORY=2gb' 'REDIS_MEMORY_LIMIT=4g' 'APPENDFSYNC=everysec' "DISPATCH_USER=$$(id -u):$$(id -g)"; do \
	  grep -qs "^$${line%%=*}=" .env && continue; \
	  echo "$$line" >> .env; echo "wrote $${line%%=*} into .env"; \
	done
	@test -e dispatch.toml || { cp times_dispatch/demo/dispatch.toml dispatch.toml; echo "made dispatch.toml; enter your senders and templates, and remove the line endpoint"; }

clean: ## remove the environments, caches and build results
	@rm -rf .venv-3.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.* build dist sbom.json *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml lock/dev.txt
	@test -n "$(VERSION)" || { echo "$(PYTHON) does not run; say which Python to use: make $(firstword $(MAKECMDGOALS)) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' || \
	  { echo "$(PYTHON) is Python $(VERSION); this project needs Python 3.11, 3.12, 3.13 or 3.14: make $(firstword $(MAKECMDGOALS)) PYTHON=python3.12" >&2; exit 1; }
	@echo "installing into $(VENV): once, about a minute"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement lock/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
