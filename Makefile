# Everything a developer runs. Each target does its own set-up and is quick when there is nothing to do.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Where it is set, every start compiles all the libraries and all the tests again, which takes seconds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup run test test-real image verify-deploy docs check lock lock-check lock-resolve bench instructions bench-setup audit soak scorecard mutants clean

help:
	@echo "make run            the gateway with its sandbox: one request, then serving"
	@echo "make test           all tests of the code"
	@echo "make test-real      tests among real programs: proxies, Prometheus, a browser"
	@echo "make check          ruff, mypy, import contracts, locks"
	@echo "make setup          .venv alone, with talaria in .venv/bin"
	@echo "make docs           the documentation as a site, in build/site"
	@echo "make image          the container image"
	@echo "make verify-deploy  all of deploy/, the image too"
	@echo "make lock           pin the dependencies again"
	@echo "make audit          known vulnerabilities in the locks"
	@echo "make bench          measure; make instructions: one request's cost"
	@echo "make soak           rough weather; make scorecard: failures in, failures out"
	@echo "make mutants        ARGS=domain: small faults that the unit tests should notice"

# Twice quiet: errors are shown, and nothing else.
PIP = $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check

setup: $(STAMP)

$(STAMP): pyproject.toml requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "talaria needs Python 3.11 or newer; $(PYTHON) is older. Set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV), once: half a minute or a whole one ..."
	@$(PIP) --require-hashes -r requirements-dev.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

run: setup
	@$(BIN)/talaria sandbox

# Processes that share the tests: those of integration wait more than they compute.
WORKERS ?= 4

test: setup
	@$(BIN)/pytest -q --numprocesses=$(WORKERS) --dist=worksteal $(ARGS)

# Installs what it needs: wheels into .venv, Debian's packages where the user is root. ARGS="-k prometheus" for a part.
test-real: $(VENV)/.installed-real $(VENV)/.installed-docs
	@$(BIN)/python -m tests.real.support_programs
	@$(BIN)/pytest -q tests/real -m "not built" $(ARGS)

# BASE=debian where no registry of images is at hand; deploy/image.sh says more.
image: setup
	@deploy/image.sh

# Everything in deploy/, by the programs that read it. Builds the image and runs it.
verify-deploy: $(VENV)/.installed-real
	@$(BIN)/python -m tests.real.support_programs built
	@$(BIN)/pytest -v tests/real/deploy $(ARGS)

# The site in build/site; ARGS=... for zensical.
docs: $(VENV)/.installed-docs
	@$(BIN)/zensical build --strict $(ARGS)
	@echo "open build/site/index.html"

# What one target alone needs: a group of pyproject.toml, with a lock of its own.
$(VENV)/.installed-%: requirements-%.lock $(STAMP)
	@echo "installing $< into $(VENV) ..."
	@$(PIP) --require-hashes -r $<
	@touch $@

check: setup lock-check
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header
GROUPS := real docs
LOCKS := requirements.lock requirements-otel.lock requirements-dev.lock $(GROUPS:%=requirements-%.lock)

# Writes each lock into the folder $(1); what stands there already is preferred.
define compile_into
	@$(COMPILE) pyproject.toml -o $(1)/requirements.lock
	@$(COMPILE) pyproject.toml --extra otel -c requirements.lock -o $(1)/requirements-otel.lock
	@$(COMPILE) pyproject.toml --extra otel --group dev -c requirements-otel.lock -o $(1)/requirements-dev.lock
	@for group in $(GROUPS); do \
		$(COMPILE) --group $$group -c requirements-dev.lock -o $(1)/requirements-$$group.lock || exit 1; done
endef

lock: setup
	$(call compile_into,.)

# Quick where the files are those that were found good the last time.
lock-check: setup
	@mkdir -p $(VENV)/lock
	@$(LOCKED) | cmp -s - $(VENV)/lock/good || $(MAKE) --no-print-directory lock-resolve

LOCKED = cat Makefile pyproject.toml $(LOCKS) | cksum

# Resolves again with today's pins as the preference: what comes out differs only if pyproject.toml changed.
lock-resolve:
	@cp $(LOCKS) $(VENV)/lock/
	$(call compile_into,$(VENV)/lock)
	@for f in $(LOCKS); do \
		cmp -s $$f $(VENV)/lock/$$f || { echo "$$f is not up to date with pyproject.toml: run make lock" >&2; exit 1; }; done
	@$(LOCKED) > $(VENV)/lock/good

# make bench ARGS=--quick for a look; ARGS="--only peers latency" for parts.
bench: setup
	@$(BIN)/python -m bench $(ARGS)

# Fails where a warm GET costs more by the fast path, or by the slow one; says so and passes where valgrind, nginx or
# wrk is missing.
INSTRUCTIONS ?= fast=170000 slow=410000

instructions: setup
	@$(BIN)/python -m bench.instructions $(INSTRUCTIONS)

bench-setup:
	@PYTHON=$(PYTHON) bench/install.sh

# Each runs the tests that execute its lines; ARGS="adapters --sample 25 --minutes 20" tries some of each file.
mutants: setup
	@$(BIN)/python -m tools.mutants $(ARGS)

# Random toxics of a fixed seed, then ten rolling restarts. make soak MINUTES=30; ARGS="--seed 7" for another weather.
MINUTES ?= 3

soak: setup
	@$(BIN)/python -m tests.soak $(MINUTES) $(ARGS)

# Prints, and rewrites the tables of docs/reliability.md. ARGS=--only-print leaves them.
scorecard: setup
	@$(BIN)/python -m tests.soak.scorecard $(ARGS)

# requirements-dev.lock holds all of requirements.lock. Strict: what nobody could look up is not called safe.
audit: setup
	@$(BIN)/pip-audit --strict --disable-pip --require-hashes --progress-spinner off -r requirements-dev.lock || \
		{ echo "not clean: a known vulnerability, or no database to ask (PIP_AUDIT_VULNERABILITY_SERVICE=osv: another)" >&2; exit 1; }

clean:
	rm -rf $(VENV) build .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis
