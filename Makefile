# Two commands: `make run` and `make test`. Both need Python 3.11, git and make, nothing else.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Where this is set, each of the hundreds of processes that tests start compiles every module it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test suite test-fast test-full coverage fuzz lint lock licences audit clean

help:
	@echo "make run        start everything on the embedded broker and replay the sample traffic"
	@echo "make test       linters, types, and the whole test suite (eight minutes on two idle cores)"
	@echo "make test-fast  its quick tests, without a broker, PostgreSQL or a browser (a minute)"
	@echo "make test-full  make test and the slow proofs (kill -9 on real Kafka and the like)"
	@echo "make coverage   what the tests of the rooms that decide reach there, with a floor for each"
	@echo "make fuzz       coverage-guided fuzzing of each codec, 10 minutes each; KIND=\"push tpdu\" FOR=60"
	@echo "make lint       linters and types only"
	@echo "make lock       requirements.lock anew, with hashes, for the versions it names"
	@echo "make notebooks  notebooks/*.ipynb anew, from their py:percent text"
	@echo "make licences   docs/licences.md anew, from what is installed"
	@echo "make audit      known vulnerabilities of what is pinned; says so when it had no data"

$(STAMP): requirements.lock pyproject.toml
	@echo "Installing into $(VENV) (the pinned versions of requirements.lock: about a minute of one core) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -c "import dashboards.serve, streamlit.web.bootstrap, pipeline.lake.sink, pipeline.ingest.http.role, \
		pipeline.stream.app, pipeline.actions.senders.role, pipeline.run.up" # compiled once, before ten processes do
	@touch $@

run: $(STAMP)
	@$(BIN)/antispam up --demo

lint: $(STAMP)
	@echo "ruff, mypy, import-linter ..."
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

# A new checkout has nothing compiled: once here, before seven processes do the same work side by side.
COMPILED := $(VENV)/.compiled
$(COMPILED): $(STAMP)
	@$(BIN)/pytest --collect-only -qq >/dev/null || true
	@touch $@

# The linters run beside the tests: most tests wait for a broker half of their time.
test: $(STAMP)
	@$(MAKE) --no-print-directory --jobs 2 lint suite

# A commit to a database waits for the disk, and tests make some ten thousand; a file system in memory does not wait.
IN_MEMORY := $(shell df --output=avail /dev/shm 2>/dev/null | awk 'NR > 1 && $$1 > 4000000 { print "TMPDIR=/dev/shm" }')

# Seven at a time on two cores, for the same reason. A file stays in one process, for its fixtures' sake. A test that
# hangs ends its process, with every thread's stack: the name of the test and where it stood.
suite: $(COMPILED)
	@$(IN_MEMORY) $(BIN)/pytest -m "not slow" --timeout 180 --timeout-method thread -n 7 \
		--dist loadfile --no-loadscope-reorder

# What is not run is not imported either: plugins that no quick test uses, and files whose tests all are marked.
UNUSED := $(addprefix -p no:,schemathesis nbmake anyio pytest_cov)
NO_QUICK = $(addprefix --ignore ,$(shell grep -rlE '^pytestmark = (\[$$|\[?pytest\.mark\.(long|slow|broker|kafka|browser))' tests))

test-fast: $(STAMP)
	@$(IN_MEMORY) $(BIN)/pytest -m "not (long or slow or broker or kafka or postgresql or browser)" --timeout 60 \
		--timeout-method thread --hypothesis-profile quick -n 3 --dist worksteal $(UNUSED) $(NO_QUICK)

# The rooms that decide about a message, by their own tests; each floor is just under what was measured. That of the
# stream is 9 points under it: its tests kill worker processes, and what was killed tells nothing of what it ran. Its
# tests on real Kafka are left out, so that every machine reaches the floor.
FLOORS := decision:97 rules:96 protocols:96 stream:80

coverage: $(STAMP)
	@mkdir -p var
	@$(BIN)/pytest -m "not (slow or kafka)" --timeout 180 --timeout-method thread --cov --cov-report= \
		tests/decision tests/rules tests/protocols tests/stream tests/actions/test_scenarios.py
	@low=0; for floor in $(FLOORS); do $(BIN)/coverage report --skip-covered \
		--include="pipeline/$${floor%:*}/*" --fail-under=$${floor#*:} || low=1; done; exit $$low

# The slow proofs load the machine themselves, so they run one by one.
test-full: test
	@$(BIN)/pytest -m slow

# Tools of their own, apart from what is locked; $(1) is package==version.
tool = @test -x $(TOOLS)/$(1)/bin/python || { $(PYTHON) -m venv $(TOOLS)/$(1) && \
	$(TOOLS)/$(1)/bin/python -m pip install --quiet --disable-pip-version-check $(1); }
UV := uv==0.13.9
AUDIT := pip-audit==2.10.1
ATHERIS := atheris==3.0.0
TOOLS := var/tools

lock:
	$(call tool,$(UV))
	@grep '==' requirements.lock | sed 's/[ \\]*$$//' > $(TOOLS)/requirements.in
	@grep '^#' requirements.lock > $(TOOLS)/requirements.lock
	@$(TOOLS)/$(UV)/bin/uv pip compile --quiet --no-deps --generate-hashes --universal --python-version 3.11 \
		--no-annotate --no-header $(TOOLS)/requirements.in >> $(TOOLS)/requirements.lock
	@mv $(TOOLS)/requirements.lock requirements.lock

# The notebooks are reviewed as py:percent; analysts open the ipynb that is made of it, without outputs.
notebooks: $(STAMP)
	@$(BIN)/python -m jupytext --quiet --update --to ipynb notebooks/[0-9]*.py

licences: $(STAMP)
	@$(BIN)/python docs/licences.py

audit:
	$(call tool,$(AUDIT))
	@rm -f $(TOOLS)/audit.json
	@$(TOOLS)/$(AUDIT)/bin/pip-audit --vulnerability-service osv --progress-spinner off --timeout 15 \
		--disable-pip --require-hashes --requirement requirements.lock --format json --output $(TOOLS)/audit.json; \
	code=$$?; \
	if [ -s $(TOOLS)/audit.json ]; then echo "audit: $(TOOLS)/audit.json"; exit $$code; \
	else echo "audit: NO DATA, the vulnerability service did not answer: nothing is known"; exit 2; fi

# Each codec in turn, and what its corpus covers of the code that it reaches. Findings lie in var/fuzz/KIND-crash-*.
KIND := cmpp2 cmpp3 smpp sgip smgp cngp tpdu push report
FOR := 600
fuzz: $(STAMP)
	$(call tool,$(ATHERIS))
	@for kind in $(KIND); do \
		PYTHONPATH=$(TOOLS)/$(ATHERIS)/lib/python3.11/site-packages $(BIN)/python -m tests.fuzz_codecs $$kind \
			-max_total_time=$(FOR) -max_len=600 -timeout=10 -rss_limit_mb=1500 -verbosity=0 \
			-artifact_prefix=var/fuzz/$$kind- -print_final_stats=1 || exit 1; \
		$(BIN)/coverage run --branch --data-file=var/fuzz/$$kind.coverage --source=pipeline/protocols \
			-m tests.fuzz_codecs $$kind --replay && \
		$(BIN)/coverage report --data-file=var/fuzz/$$kind.coverage --skip-empty || exit 1; \
	done

clean:
	rm -rf $(VENV) var .pytest_cache .mypy_cache .ruff_cache
