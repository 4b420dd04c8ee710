# Everything is installed into VENV inside the checkout; nothing outside of it is touched.
#
#   PYTHON    the interpreter to build VENV from     (default: the first of python3, python3.13 ... that is >= 3.11)
#   VENV      the virtual environment                (default: .venv)
#   WORKERS   how many processes run the tests       (default: 4; they mostly wait for servers)
#   ARGS      more arguments for pytest              (make test ARGS="tests/acme -k nonce")

VENV    ?= .venv
WORKERS ?= 4
ARGS    ?=

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# A pyenv shim may exist and still fail, so every candidate is run.
old_enough = $(shell $(1) -c 'import sys; print(sys.version_info >= (3, 11))' 2>/dev/null)
first_of   = $(firstword $(foreach python,$(1),$(if $(filter True,$(call old_enough,$(python))),$(python))))
PYTHON    ?= $(call first_of,python3 python3.13 python3.12 python3.11)

bin      := $(VENV)/bin
pip      := $(bin)/python -m pip --quiet --disable-pip-version-check
projects := $(wildcard plugins/acmez-*/pyproject.toml)
folders   = $(patsubst %/,%,$(dir $(1)))
demo     := $(wildcard plugins/acmez-http-standalone/pyproject.toml plugins/acmez-testkit/pyproject.toml)
# A wheel runs nothing while it is installed, and needs no tools that are not locked; Macs may lack one.
locked   := --require-hashes $(if $(filter Darwin,$(shell uname)),,--only-binary :all:) --requirement
editable  = --no-deps --no-build-isolation --editable '.[cli]' $(addprefix --editable ,$(call folders,$(1)))
# uv takes a fifth of the time; pip, which knows this user's settings, goes where uv cannot.
uv       := $(bin)/uv --quiet --no-python-downloads --cache-dir .cache/uv
install   = { $(uv) pip install --python $(bin)/python --compile-bytecode $(1) 2>/dev/null || $(pip) install $(1); }
# Resolved for every platform and Python at once; what is locked already stays as it is.
compile   = $(uv) pip compile --universal --python-version 3.11 --generate-hashes --custom-compile-command 'make lock' \
              --no-emit-package acmez $(addprefix --no-emit-package ,$(notdir $(call folders,$(projects)))) $(ARGS)
in_house  = printf -- '-e ./%s\n' '.[cli]' $(call folders,$(1))
say       = echo "$(1)"
# Tests find free ports, and another process may take one before it is used: what failed beside others must pass alone.
again     = { $(call say,what failed is run once more, alone); \
              $(bin)/pytest --last-failed --last-failed-no-failures none $(ARGS); }

.PHONY: help
help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: $(VENV)/.demo  ## get a certificate from a CA on this machine, step by step
	@$(bin)/acmez demo

.PHONY: test
test: $(VENV)/.dev pebble  ## run every test of the core and of all plugins
	@$(bin)/pytest --numprocesses $(WORKERS) --dist worksteal $(ARGS) || $(again)

.PHONY: lint
lint: $(VENV)/.dev  ## check style, formatting and types
	@$(call say,ruff check)
	@$(bin)/ruff check --quiet .
	@$(call say,ruff format --check)
	@$(bin)/ruff format --quiet --check . || { $(bin)/ruff format --check .; exit 1; }
	@$(call say,mypy --strict)
	@$(bin)/python tools/typecheck.py

.PHONY: check
check: lint test  ## lint and test: what must pass before a change is merged

.PHONY: format
format: $(VENV)/.dev  ## format the code and mend what ruff can mend
	@$(bin)/ruff check --quiet --fix-only .
	@$(bin)/ruff format .

.PHONY: cover
cover: $(VENV)/.dev pebble  ## run every test and show the lines and branches that none reaches
	@$(bin)/pytest --numprocesses $(WORKERS) --dist worksteal --cov --cov-report term $(ARGS)

.PHONY: docs
docs: $(VENV)/.dev  ## build the documentation into build/docs; a warning is an error
	@$(bin)/python -m sphinx --fail-on-warning --keep-going --quiet --doctree-dir .cache/docs docs build/docs
	@$(call say,build/docs/index.html)

.PHONY: wheels
wheels: $(VENV)/.dev  ## build each wheel and sdist twice, compare them, and install each wheel alone
	@$(bin)/python -m tools.check_wheels

.PHONY: lock
lock: $(VENV)/.uv  ## lock what is installed, with hashes (ARGS="--upgrade" for new versions)
	@$(call in_house,$(projects)) | $(compile) - tools/dev-requirements.in --output-file tools/dev-requirements.txt
	@$(call in_house,$(demo)) | $(compile) - tools/build-requirements.in --constraint tools/dev-requirements.txt \
	  --output-file tools/demo-requirements.txt
	@for tool in go uv; do $(compile) tools/$$tool-requirements.in --output-file tools/$$tool-requirements.txt; done

.PHONY: audit
audit: $(VENV)/.tools  ## ask what is known against the locked versions, where the service can be reached (ARGS="--accept ID")
	@$(bin)/python tools/audit.py $(ARGS)

.PHONY: test-pythons
test-pythons:  ## run every test on each of Python 3.11, 3.12 and 3.13 that is installed
	@for version in 3.11 3.12 3.13; do \
	  for python in python$$version $${PYENV_ROOT:-$$HOME/.pyenv}/versions/$$version.*/bin/python$$version none; do \
	    $$python -c '' 2>/dev/null && break; \
	  done; \
	  [ $$python = none ] && { echo "Python $$version is not installed"; continue; }; \
	  echo "Python $$version:"; \
	  $(MAKE) test PYTHON=$$python VENV=.cache/venv-$$version || exit 1; \
	done

.PHONY: pebble
pebble: | $(VENV)/.python  ## get Pebble, the test CA, unless it is there
	@$(bin)/python -m tests.pebble.install $(if $(CI),,|| $(call say,the tests that need it will be skipped))

.PHONY: picture
picture: $(VENV)/.dev  ## draw docs/demo.svg, the picture of `make demo` in the README
	@$(bin)/python -m tools.picture

.PHONY: bench
bench: $(VENV)/.dev pebble  ## measure beside other clients (about 45 min; ARGS="--cases 1@0 --peers lego --repeat 3")
	@$(bin)/python -m benchmarks $(ARGS)

.PHONY: bench-quick
bench-quick:  ## measure beside Go acmez in less than a minute; prints JSON lines and nothing else
	@$(MAKE) $(VENV)/.dev pebble >&2
	@$(bin)/python -m benchmarks --build --peers go-acmez
	@$(bin)/python -m benchmarks.quick

.PHONY: chaos
chaos: $(VENV)/.dev pebble  ## obtain over bad networks and from bad CAs, beside other clients (ARGS="--repeat 5")
	@$(bin)/python -m chaos $(ARGS)

.PHONY: chaos-quick
chaos-quick: $(VENV)/.dev pebble  ## a sample of that with acmez alone, in less than a minute (ARGS="--seed 7")
	@$(bin)/python -m chaos --quick $(ARGS)

.PHONY: fuzz
fuzz: $(VENV)/.dev  ## feed every parser new input (FUZZ_SECONDS=60; ARGS="chain links" FUZZ_SEED=7)
	@FUZZ_SECONDS=$(FUZZ_SECONDS) FUZZ_SEED=$(FUZZ_SEED) $(bin)/python -m fuzz $(ARGS)

.PHONY: clean
clean:  ## remove everything that make has made
	@rm -rf .venv .cache .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist htmlcov
	@find . -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/.python:
	@$(if $(PYTHON),,echo 'no Python 3.11 or newer found: apt-get install python3 python3-venv' >&2; exit 1)
	@$(if $(filter True,$(call old_enough,$(PYTHON))),,echo '$(PYTHON) is not Python 3.11 or newer' >&2; exit 1)
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo '$(PYTHON) cannot make a virtual environment: apt-get install python3-venv' >&2; exit 1; }
	@$(call say,making $(VENV))
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/.uv: tools/uv-requirements.txt | $(VENV)/.python
	@$(pip) install $(locked) $<
	@touch $@

$(VENV)/.demo: pyproject.toml $(demo) tools/demo-requirements.txt | $(VENV)/.uv
	@$(call say,installing acmez and what the demo needs into $(VENV))
	@$(call install,$(locked) tools/demo-requirements.txt)
	@$(call install,$(call editable,$(demo)))
	@touch $@

$(VENV)/.tools: tools/dev-requirements.txt | $(VENV)/.uv
	@$(call say,installing the tools and what the plugins need into $(VENV))
	@$(call install,$(locked) $<)
	@touch $@

$(VENV)/.dev: pyproject.toml $(projects) $(VENV)/.tools
	@$(call say,installing acmez with its plugins into $(VENV))
	@$(call install,$(call editable,$(projects)))
	@$(pip) check >&2 || { $(call say,what a pyproject.toml asks for is not locked: make lock) >&2; exit 1; }
	@touch $@ $(VENV)/.demo
