# Every target sets up .venv by itself, from the versions of requirements.lock.
# `make lab PYTHON=python3.12` uses another interpreter; python3.11 is what the lock was made for.
PYTHON ?= $(shell command -v python3.11 || echo python3)
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help setup lab test course book bench exercises figures clean

help:
	@echo "make lab        set up .venv and open JupyterLab at the first notebook"
	@echo "make test       all that CI runs: style, tests, notebooks, exercises, browser"
	@echo "make course     run every notebook; HTML and a table of times under build/"
	@echo "make book       the notebooks as a site that needs no network, under build/book"
	@echo "make exercises  write exercises/ from solutions/"
	@echo "make figures    draw the README's pictures"
	@echo "make bench      measure drawing, a round of each paper and an edit"

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	@if command -v uv >/dev/null 2>&1; then \
	    uv pip install --python $(BIN)/python -r requirements.lock && \
	    uv pip install --python $(BIN)/python --no-deps -e . ; \
	else \
	    $(BIN)/python -m pip install -r requirements.lock && \
	    $(BIN)/python -m pip install --no-deps -e . ; \
	fi
	@touch $(STAMP)

lab: $(STAMP)
	$(BIN)/fedit lab $(ARGS)

# One pytest, so that its closing line counts everything. Two workers on two cores: one thread each.
test: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PATH="$(abspath $(BIN)):$$PATH" OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder \
	    --nbval-lax --nbval-current-env --nbval-sanitize-with tests/nbval_sanitize.cfg \
	    --nbval-cell-timeout=600 --durations=15 tests notebooks solutions $(ARGS)

course: $(STAMP)
	$(BIN)/fedit course run --profile smoke $(ARGS)

book: $(STAMP)
	$(BIN)/fedit course book $(ARGS)

bench: $(STAMP)
	$(BIN)/fedit bench --json build/bench.json

exercises: $(STAMP)
	$(BIN)/fedit exercises build

figures: $(STAMP)
	$(BIN)/python -m fedit_lib.course.figures

# Trainings without --out lie in build/runs: they stay.
clean:
	find build -mindepth 1 -maxdepth 1 ! -name runs -exec rm -rf {} +
