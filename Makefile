# Everything runs in .venv, which the first target creates; remove it with `make distclean`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
LINKS  := $(VENV)/namespace/qatm
# Test processes; 0 runs every test in pytest's own.
WORKERS ?= 2
# How long to try damaged input, over all kinds.
SECONDS ?= 120

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test fuzz kills lint types format networks clean distclean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.demo-installed ## find and follow objects in real photographs; see demo-output/
	$(BIN)/python -m qatm.tools.demo $(ARGS)

test: lint types ## every check: style, types, tests (WORKERS=1; ARGS="-m 'not slow'" goes to pytest)
	$(BIN)/pytest -ra --numprocesses=$(WORKERS) --dist=worksteal $(ARGS)

fuzz: $(VENV)/.dev-installed ## damaged input of every kind (SECONDS=3600; ARGS="picture --seed 7")
	$(BIN)/python tests/fuzz/fuzz.py $(SECONDS) $(ARGS)

kills: $(VENV)/.dev-installed ## writers that are killed, 500 times, or whose disk is full, 100 times
	$(BIN)/python -m qatm.tools.lab.killed_writers $(or $(ARGS),500 100)

lint: $(VENV)/.dev-installed ## style and layout of the code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev-installed ## static types
	$(BIN)/basedpyright

format: $(VENV)/.dev-installed ## put the code into the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

networks: $(VENV)/.dev-installed ## train the networks inside the package again (minutes)
	$(BIN)/python -m qatm.tools.train.default_networks --out build/default-networks $(ARGS)

clean: ## remove what builds and tests leave behind, but not .venv
	rm -rf build dist *.egg-info demo-output .pytest_cache .ruff_cache .hypothesis
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## clean, and remove .venv too
	rm -rf $(VENV)

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed, this is %d.%d: make PYTHON=/path/to/python3" % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.demo-installed: pyproject.toml $(VENV)/.created
	@echo "Installing qatm and what the demo needs into $(VENV) (once; about 600 MB on disk)"
	$(PIP) install --editable '.[cpu,demo]'
	@touch $@

# Checkers cannot follow an editable install, so they get the namespace as links.
$(VENV)/.dev-installed: pyproject.toml $(VENV)/.created
	@echo "Installing qatm and what the tests need into $(VENV) (once; about 2 GB on disk)"
	$(PIP) install --editable '.[cpu,export,eval,rtx,demo,dev]'
	@mkdir -p $(LINKS)
	@for folder in runtime model export calib tools; do ln -sfn ../../../$$folder $(LINKS)/$$folder; done
	@touch $(VENV)/.demo-installed $@
