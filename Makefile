# Every target does its own set-up; the only thing needed beforehand is Python 3.11 or newer.
PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test docs lint format prove wheel test-wheel release clean

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

demo: $(VENV)/installed-demo ## Segment a dozen photographs and scenes, write demo/index.html
	$(BIN)/cris demo

test: export CRIS_TESTS_MADE_ONCE := $(CURDIR)/build/made-once
test: export PYTHONDONTWRITEBYTECODE :=
test: export OMP_NUM_THREADS := 1
test: $(VENV)/installed-dev ## All tests, on WORKERS processes (2)
	rm -rf build/made-once
	@# exports by themselves, as their native libraries have crashed a training in the same process; at a low priority,
	@# while the others wait now and then; these in the order of collection, where what takes longest comes first
	@mkdir -p build
	{ nice -n 10 $(BIN)/python -m pytest -q tests/exports >build/exports.log 2>&1; \
	  exports=$$?; cat build/exports.log; exit $$exports; } & \
	  $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder --ignore tests/exports; \
	  others=$$?; wait $$! && exit $$others

docs: $(VENV)/installed-docs ## The documentation site, in site/; notebooks are run, and every link is checked
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build
	$(BIN)/python -m tools.site.check site

lint: $(VENV)/installed-dev ## ruff, ruff format and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/installed-dev ## Rewrite the code as ruff wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

prove: $(VENV)/installed-dev ## The demonstrations at full size, each with its figure
	CRIS_PROVE=1 $(BIN)/python -m pytest -m prove

wheel: $(VENV)/installed-dev ## The wheel and the source archive, checked, in dist/
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/twine check --strict dist/*
	$(BIN)/python -m tools.package_check dist

test-wheel: wheel ## The wheel alone in a fresh environment of PYTHON: it predicts, and passes its tests
	$(BIN)/python -m tools.package_try dist --python $(PYTHON)

release: $(VENV)/installed-dev ## The tag's archives from two clones, equal and checked, with an SBOM, in dist/
	rm -rf dist
	$(BIN)/python -m tools.package_build dist --release
	$(BIN)/twine check --strict dist/*.whl dist/*.tar.gz

clean: ## Remove the environment and everything that was built
	rm -rf $(VENV) build dist demo site .pytest_cache .mypy_cache .ruff_cache .hypothesis

# pip is the last thing that venv puts there, so an environment that has it is whole.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "cris needs Python 3.11 or newer, got $$($(PYTHON) --version 2>&1): try make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) cannot make virtual environments: install its venv package (Debian: python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)

$(VENV)/installed-%: pyproject.toml constraints.txt | $(BIN)/pip
	@echo "Installing cris[$*] into $(VENV); the first time this takes some minutes"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[$*]'
	@touch $@
