# Every way to build, run and check Blazz. `make` alone lists them.
# Works with GNU make 3.81 (macOS). Set-up keeps stamps by content: when nothing changed it takes a fraction of a second.

SHELL := /bin/sh
PYTHON_FOUND := $(shell PYTHON="$(PYTHON)" tools/find-python)
RUN := .venv/bin/python

# When make was called; `blazz demo` prints the whole time until it is ready.
export BLAZZ_MAKE_STARTED := $(shell date +%s)

.DEFAULT_GOAL := help
.PHONY: help setup demo test check prove fuzz bench format clean need-python

help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

need-python:
	@test -n "$(PYTHON_FOUND)" || exit 1

setup: need-python ## Build everything that developing and testing need (a few minutes the first time)
	@$(PYTHON_FOUND) -m tools.setup development

demo: need-python ## Run Blazz with a simulated WhatsApp network; prints the links to open
	@$(PYTHON_FOUND) -m tools.setup demo
	@exec .venv/bin/blazz demo

test: check ## Run all checks and all tests (at most 25 minutes on 2 cores)
	@$(RUN) -m tools.check --tests

check: setup ## Check formatting, types, imports and repository rules in all three languages
	@$(RUN) -m tools.check

prove: setup ## Run the long matrix of faults; its figures go to docs/prove
	@$(RUN) -m tools.check --prove

fuzz: setup ## Feed garbage to everything that reads: make fuzz, or make fuzz TIME=600 (seconds for each reader)
	@BLAZZ_FUZZ_S=$(or $(TIME),60) $(RUN) -m pytest tests/fuzz --timeout=0

bench: setup ## Run the benchmarks: make bench, or make bench NAME=send
	@$(RUN) -m benchmarks $(NAME)

format: setup ## Format the sources of all three languages
	@$(RUN) -m tools.check --format

clean: ## Remove everything that was built, keep the demo's data
	rm -rf build .venv dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf src/blazz/_generated src/whatsim/_generated engine-host/internal/enginepb
	rm -rf web/dist web/node_modules web/openapi.json web/src/api/schema.d.ts tests/interop/baileys/node_modules
	find src tests tools benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
