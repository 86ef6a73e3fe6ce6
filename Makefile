# Everything a fresh machine needs to build, run, test and inspect Trigpoint.
# `make run` and `make test` are the two commands a newcomer needs.

PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
export PYTHONDONTWRITEBYTECODE =
export DAGSTER_DISABLE_TELEMETRY = 1
export DBT_SEND_ANONYMOUS_USAGE_STATS = False
export GX_ANALYTICS_ENABLED = False
DEMO   := demo

.PHONY: run test dev check lock bench clean

run: $(READY)
	@test -f $(DEMO)/region.yml || $(BIN)/trigpoint sample --to $(DEMO)
	@$(BIN)/trigpoint run --region $(DEMO)/region.yml

test: $(READY)
	$(BIN)/pytest -n 2 --dist loadgroup

dev: $(READY)
	@test -f $(DEMO)/region.yml || $(BIN)/trigpoint sample --to $(DEMO)
	@$(BIN)/trigpoint dev --region $(DEMO)/region.yml

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m tests.checks.sql
	$(BIN)/python -m tests.checks.style

bench: $(READY)
	$(BIN)/python -m benchmarks.stages
	$(BIN)/python -m benchmarks.kpi_layer

# The environment: uv inside the virtual environment, bytecode compiled once, hashes verified.
$(READY): requirements.lock pyproject.toml
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@$(BIN)/trigpoint prepare
	@touch $@

# Resolve dependencies again: hashes only, no address of a registry.
lock: $(READY)
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --no-emit-index-url -o requirements.lock

clean:
	rm -rf $(DEMO) dbt_project/target dbt_project/logs
