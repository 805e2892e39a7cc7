# The one door to everything: `make help`.
.DEFAULT_GOAL := help
.PHONY: help setup test check demo migrate simulate bench parity-proof intake verify fmt lock clean

SHELL := bash
VENV ?= .venv
PYTHON_RUN := $(VENV)/bin/python
export VENV

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: ## Make .venv with everything for development and tests
	@scripts/setup all

test: ## Set up and run every stage of the tests, within CI's budget
	@scripts/test

check: setup ## Format, lint, types, layers and documents' drift: a minute
	@$(PYTHON_RUN) -m scripts.stages --only static

demo: ## Run the whole story on this machine; ONCE=1 ends after it
	@scripts/setup demo
	@$(PYTHON_RUN) -m sandbox demo $(if $(filter 1,$(ONCE)),--once)

migrate: ## Bring the database of the settings to the newest schema
	@scripts/setup demo
	@$(PYTHON_RUN) -m shared.cli migrate

simulate: setup ## Play seeded worlds of the engine, SEEDS=1-300 JOBS=2
	@$(PYTHON_RUN) -m tests.simulation --seeds $(or $(SEEDS),1-300) --jobs $(or $(JOBS),2)

bench: setup ## Measure a pull of 20,000 candidates against its floor
	@$(PYTHON_RUN) -m tests.bench

parity-proof: setup ## Plant a hundred corruptions in 100,000 records: all found, explained, healed
	@$(PYTHON_RUN) -m tests.parity_proof

intake: setup ## 200 signed webhooks a second for ten minutes, PostgreSQL stopped
	@$(PYTHON_RUN) -m tests.acceptance.intake

verify: setup ## Long checks, in resumable pieces; writes docs/verification.md; ONLY="20,000 worlds"
	@$(PYTHON_RUN) -m scripts.verify $(if $(ONLY),--only "$(ONLY)")

fmt: setup ## Format the code and repair what the linter can
	@$(PYTHON_RUN) -m ruff format .
	@$(PYTHON_RUN) -m ruff check --fix .

lock: setup ## Compile requirements*.in to requirements*.txt, pinned with hashes
	@for each in requirements requirements-sandbox requirements-dev; do \
	  $(PYTHON_RUN) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	    --no-header --no-emit-index-url --annotation-style line $$each.in -o $$each.txt; done

clean: ## Remove the environment, local data and caches
	@if [ -x $(PYTHON_RUN) ]; then \
	  $(PYTHON_RUN) -c 'from sandbox.services import folders; folders.sweep()'; fi
	@rm -rf $(VENV) .local .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache \
	  mutants htmlcov .coverage .coverage.* .coverage-branches*
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
