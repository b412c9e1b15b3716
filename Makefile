# Two commands: `make run` and `make test`. Both need Python 3.11, git and make, nothing else.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help run test test-full lint clean

help:
	@echo "make run        start everything on the embedded broker and replay the sample traffic"
	@echo "make test       linters, types, and the whole test suite (under 10 minutes)"
	@echo "make test-full  the above and the slow proofs (kill -9 on real Kafka and the like)"
	@echo "make lint       linters and types only"

$(STAMP): requirements.lock pyproject.toml
	@echo "Installing into $(VENV) (the pinned versions of requirements.lock; about a minute) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: $(STAMP)
	@$(BIN)/antispam up --demo

lint: $(STAMP)
	@echo "ruff, mypy, import-linter ..."
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

# Two at a time: most tests wait for a broker. A file stays in one process, for its fixtures' sake. A test
# that hangs ends its process, with every thread's stack: the name of the test and where it stood.
test: lint
	@$(BIN)/pytest -m "not slow" --timeout 180 --timeout-method thread -n 2 --dist loadfile --no-loadscope-reorder

# The slow proofs load the machine themselves, so they run one by one.
test-full: test
	@$(BIN)/pytest -m slow

clean:
	rm -rf $(VENV) var .pytest_cache .mypy_cache .ruff_cache
