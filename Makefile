# Everything runs in .venv, which make sets up: Python 3.11 or newer and make are all it takes.
VERSIONS := 3.11 3.12 3.13
BIN := .venv/bin
DECLARED := pyproject.toml requirements-dev.txt constraints.txt

# The first Python that is new enough and can make environments (a distribution may have put ensurepip into a package).
PYTHON ?= $(shell for python in python3 $(VERSIONS:%=python%); do \
	$$python -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

# Debian's packages that tests drive: the real nginx, and a browser.
PROGRAMS := nginx chromium

.PHONY: help demo run-example run-example-production test test-all programs lint wheel bench docs compat constraints clean

help:
	@echo "make demo          run the main job against real servers on this machine"
	@echo "make test          all checks: lint, types, the wheel, the tests"
	@echo "make run-example   the example app, on http://127.0.0.1:8000"
	@echo "make run-example-production   the same in its production profile, with a stand-in for each store"
	@echo "make test-all      the tests on Python $(VERSIONS)"
	@echo "make lint          format, ruff, mypy, the direction of imports"
	@echo "make docs          run the examples of the documentation"
	@echo "make bench         measure beside the peers, write benchmarks/RESULTS.md"
	@echo "make compat        pydantic-settings' own tests, with Settings in place of BaseSettings"

demo: .venv/.stamp
	$(BIN)/python -m examples.demo

# The same as it is in production, with stand-ins for the stores; they come with the tests.
run-example-production: .venv/.stamp
	$(BIN)/python -m examples.production

run-example: .venv-example/.stamp
	cd examples/flask_app && ../../.venv-example/bin/python -m iris.start

# The tests come last, so that their closing line closes the output.
test: lint wheel programs
	$(BIN)/python -m pytest --cov

programs:
	@scripts/system-packages $(PROGRAMS)

lint: .venv/.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

wheel: .venv/.stamp
	$(BIN)/python scripts/check_wheel.py

test-all: $(VERSIONS:%=test-%)

test-%: .venv-%/.stamp programs
	.venv-$*/bin/python -m pytest

bench: .venv-bench/.stamp
	.venv-bench/bin/python -m benchmarks

docs: .venv/.stamp
	$(BIN)/python -m pytest tests/test_docs.py

compat: .venv/.stamp
	$(BIN)/python scripts/compat.py

# Pins what pip resolves today. The oldest Python needs the most packages, so its pins serve all.
constraints:
	python="$$(scripts/find-python 3.11)" && "$$python" -m venv --clear build/constraints
	: >constraints.txt
	build/constraints/bin/python -m pip install -qq -r requirements-dev.txt
	{ echo "# What development and CI use. Remade by: make constraints"; \
		build/constraints/bin/python -m pip freeze --exclude-editable; } >constraints.txt

clean:
	rm -rf .venv .venv-* build dist .coverage .coverage.* htmlcov .mypy_cache .ruff_cache .pytest_cache .hypothesis

# A stamp: the environment is only touched when what it is made from has changed.
.venv/.stamp: $(DECLARED)
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer with venv on PATH." >&2; exit 1; }
	@echo "Setting up .venv ..."
	@$(BIN)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -r requirements-dev.txt
	@touch $@

.venv-bench/.stamp: $(DECLARED) benchmarks/requirements.txt
	@echo "Setting up .venv-bench ..."
	@.venv-bench/bin/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear .venv-bench
	@.venv-bench/bin/python -m pip install -qq --disable-pip-version-check -r benchmarks/requirements.txt
	@touch $@

.venv-example/.stamp: $(DECLARED) examples/flask_app/requirements.txt
	@echo "Setting up .venv-example ..."
	@.venv-example/bin/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear .venv-example
	@.venv-example/bin/python -m pip install -qq --disable-pip-version-check -c constraints.txt \
		-e '.[flask,aws,azure,gcp,vault]' && \
		.venv-example/bin/python -m pip install -qq --disable-pip-version-check -c constraints.txt \
		-r examples/flask_app/requirements.txt
	@touch $@

.venv-%/.stamp: $(DECLARED)
	@echo "Setting up .venv-$* ..."
	@.venv-$*/bin/python -c '' 2>/dev/null || { python="$$(scripts/find-python $*)" && "$$python" -m venv --clear .venv-$*; }
	@.venv-$*/bin/python -m pip install -qq --disable-pip-version-check -r requirements-dev.txt
	@touch $@

.PRECIOUS: .venv-%/.stamp
