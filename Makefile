# Everything runs in .venv, which the first target creates; remove it with `make distclean`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
LINKS  := $(VENV)/namespace/qatm
# Test processes; 0 runs every test in pytest's own. One that dies ends the run, which names its test:
# with another in its place some would be waited for that never come.
WORKERS ?= 2
PYTEST  := $(BIN)/pytest -ra --dist=worksteal --max-worker-restart=0
# How long to try damaged input, over all kinds.
SECONDS ?= 120

# What the tests of the runtime need beside what a device installs.
TESTERS := "pytest>=8" "pytest-timeout>=2.3" "pytest-xdist>=3.6.1" "hypothesis>=6.100" "filelock>=3.12" "psutil>=5.9"
RUNTIME_TESTS := tests/runtime tests/tools/test_start.py tests/tools/test_cli.py

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-oldest test-newest fuzz kills lint types format networks docs package clean distclean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.demo-installed ## find and follow objects in real photographs; see demo-output/
	$(BIN)/python -m qatm.tools.demo $(ARGS)

test: lint types ## every check: style, types, tests (WORKERS=1; ARGS="-m 'not slow'" goes to pytest)
	$(PYTEST) --numprocesses=$(WORKERS) $(ARGS)

# Each in an environment of its own, with what a device installs and photographs to look at. Old
# versions of one package use what newer ones of another warn about.
test-oldest: ## the runtime with the oldest versions that pyproject.toml allows (PYTHON=python3.10)
test-newest: ## the runtime with the newest versions that there are
test-oldest test-newest: test-%:
	$(PYTHON) -m venv build/$*
	$(PYTHON) .ci/bounds.py $* standard demo > build/$*/requirements.txt
	build/$*/bin/python -m pip --quiet install --upgrade --requirement build/$*/requirements.txt $(TESTERS)
	build/$*/bin/python -m pip --quiet install --no-deps --editable .
	QATM_RUNTIME_ONLY=1 build/$*/bin/python -m pytest -m "not slow" -W ignore::DeprecationWarning --numprocesses=$(WORKERS) $(RUNTIME_TESTS) $(ARGS)

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

networks: $(VENV)/.dev-installed ## train the networks inside the package again (hours)
	$(BIN)/python -m qatm.tools.train.default_networks --out build/default-networks $(ARGS)

docs: $(VENV)/.docs-installed ## build the site into build/site; a broken link or notebook is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build $(ARGS)

package: $(VENV)/.docs-installed ## build sdist and wheel into build/dist, and check their description
	rm -rf build/dist
	$(BIN)/python -m build --outdir build/dist
	$(BIN)/python -m twine check --strict build/dist/*

clean: ## remove what builds and tests leave behind, but not .venv
	rm -rf build dist *.egg-info demo-output .pytest_cache .ruff_cache .hypothesis
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## clean, and remove .venv too
	rm -rf $(VENV)

# What reads sources cannot follow an editable install, so it gets the namespace as links.
define link_folders
	@mkdir -p $(LINKS)
	@for folder in runtime model export calib tools; do ln -sfn ../../../$$folder $(LINKS)/$$folder; done
	@for file in $(wildcard package/__init__.py package/py.typed); do ln -sfn ../../../$$file $(LINKS)/; done
endef

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed, this is %d.%d: make PYTHON=/path/to/python3" % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.demo-installed: pyproject.toml $(VENV)/.created
	@echo "Installing qatm and what the demo needs into $(VENV) (once; about 600 MB on disk)"
	$(PIP) install --editable '.[standard,demo]'
	@touch $@

$(VENV)/.dev-installed: pyproject.toml $(VENV)/.created
	@echo "Installing qatm and what the tests need into $(VENV) (once; about 2 GB on disk)"
	$(PIP) install --editable '.[standard,export,eval,rtx,demo,dev]'
	$(link_folders)
	@touch $(VENV)/.demo-installed $@

$(VENV)/.docs-installed: pyproject.toml $(VENV)/.created
	@echo "Installing qatm and what the site needs into $(VENV) (once)"
	$(PIP) install --editable '.[standard,demo,docs]'
	$(link_folders)
	@touch $@
