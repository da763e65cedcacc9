# `make` alone lists the targets.
#
# Needs Python 3.11 or newer with venv and pip. Everything is installed into $(VENV); a stamp file
# there remembers it, so that pip runs again only after pyproject.toml has changed.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
BENCH_ARGS ?=
PYTEST_ARGS ?=
TESTS ?= not cluster

RUN_STAMP := $(VENV)/.installed-run
DEV_STAMP := $(VENV)/.installed-dev

SAMPLES := sample_data

# Shows a command as one would type it in the activated environment, then runs it there.
define typed
@printf '%s\n' '$$ $(strip $(1))'
@PATH="$$(cd $(BIN) && pwd):$$PATH"; $(strip $(1))
endef

.DEFAULT_GOAL := help
.PHONY: help demo test check lint bless man docs site bench kills clean
.DELETE_ON_ERROR:

help:
	@echo 'make demo    install, run the main job on sample_data/ and check what it wrote to demo/'
	@echo 'make test    install, check style and types, run the tests (four minutes)'
	@echo 'make check   the same with clusters, more examples and more kills; continuous integration runs it'
	@echo 'make lint    only the checks of style and types'
	@echo 'make bless   write the expected output of the golden cases anew (then read git diff)'
	@echo 'make man     write the man pages anew from what --help says'
	@echo 'make docs    run the commands of the documents and show what they print now'
	@echo 'make site    make a web site of the documents in site/, to be read without a network'
	@echo 'make bench   time it against other programs; BENCH_ARGS="--jobs small" for a quick look'
	@echo 'make kills   kill 500 jobs at random times, and have each go on to the same bytes'
	@echo 'make clean   remove the environment, caches, demo output and benchmark data'

demo: $(RUN_STAMP)
	@rm -rf demo && mkdir demo
	$(call typed, onebyone apply $(SAMPLES)/digits/digit2_map1.npy $(SAMPLES)/digits/digit2_map2.npy --kernel "1 1" -o demo/digit2.npy)
	$(call typed, onebyone apply $(SAMPLES)/digits/digit3_map1.npy $(SAMPLES)/digits/digit3_map2.npy -w $(SAMPLES)/digits/sum.txt -o demo/digit3.npy)
	$(call typed, onebyone apply $(SAMPLES)/math/maps.npy -w $(SAMPLES)/math/kernel.csv -o demo/math.npy)
	$(call typed, onebyone apply $(SAMPLES)/math/maps_png -w $(SAMPLES)/math/kernel.csv -o demo/math_from_images.h5)
	$(call typed, onebyone apply $(SAMPLES)/inception/maps.npy -w $(SAMPLES)/inception/weights.npy --bias $(SAMPLES)/inception/bias.csv -o demo/inception.npy)
	$(call typed, onebyone apply $(SAMPLES)/flower/flower.h5 -w $(SAMPLES)/flower/grey_rec709.csv --dtype uint8 -o demo/flower_grey.png)
	$(call typed, onebyone apply $(SAMPLES)/handwritten/digits.npy -w $(SAMPLES)/handwritten/mean_of_each_digit.csv -o demo/mean_digits.npy)
	$(call typed, python $(SAMPLES)/check_demo.py demo)
	@printf '\nTo use onebyone in this shell:  . %s/activate\n' '$(BIN)'

# The environment may tell Python not to keep compiled modules; the many times that tests start the
# program would compile it each time. pytest comes last, so that its count of tests is the last
# line. PYTEST_ARGS=-n0 runs all tests in one process, which a debugger needs.
test: lint
	$(BIN)/python -m compileall -q onebyone_cli tests/fork
	$(BIN)/python -m pytest -n logical --dist loadgroup -m '$(TESTS)' $(PYTEST_ARGS)

# All tests, clusters too, with more examples and more kills.
check: TESTS = cluster or not cluster
check: export HYPOTHESIS_PROFILE ?= check
check: export KILLS ?= 120
check: test

lint: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bless: $(DEV_STAMP)
	$(BIN)/python tests/golden/bless.py

man: $(RUN_STAMP)
	$(BIN)/python man/make_man.py

docs: $(DEV_STAMP)
	$(BIN)/python docs/make_reference.py
	$(BIN)/python docs/run_commands.py

site: $(RUN_STAMP)
	$(PIP) install -e '.[site]'
	$(BIN)/python -m sphinx -q -E -W --keep-going -b html -c docs . site
	@echo 'site/README.html is the first page.'

bench: $(RUN_STAMP)
	$(BIN)/python benchmarks/run.py $(BENCH_ARGS)

kills: $(DEV_STAMP)
	KILLS=500 $(BIN)/python -m pytest tests/cli/test_resume.py -k 'random_kills or interrupted'

clean:
	rm -rf $(VENV) demo site benchmarks/data build dist
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): pyproject.toml | $(BIN)/python
	$(PIP) install -e .
	@$(BIN)/python -m compileall -q onebyone_cli
	@touch $@

$(DEV_STAMP): pyproject.toml | $(BIN)/python
	$(PIP) install -e '.[dev]'
	$(PIP) install -e '.[readers,site]' || echo 'Tests that compare with other readers, and that of the site, are skipped.'
	@touch $(RUN_STAMP) $@
