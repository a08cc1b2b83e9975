# make demo: set up and analyse the bundled sample.  make test: set up and run every check.
PYTHON ?= python3.11
VENV ?= .venv
# onnxruntime and onnxruntime-gpu exclude each other: DEVICE=gpu for a CUDA machine (docs/installation.md)
DEVICE ?= cpu
TEST_EXTRAS ?= $(DEVICE),test

PIP_INSTALL = $(VENV)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt

# make serve: the service on this machine.
.PHONY: demo serve test setup models lint bench clean
.DELETE_ON_ERROR:

setup: $(VENV)/.serving
models: setup
	$(VENV)/bin/emoscribe models pull

demo: models
	mkdir -p demo-output
	cp samples/demo-pt.mp4 demo-output/
	$(VENV)/bin/emoscribe analyse demo-output/demo-pt.mp4

# for this machine only: nobody is asked for a token
serve: $(VENV)/.service models
	EMOSCRIBE_AUTH=off $(VENV)/bin/emoscribe serve

test: models lint
	$(VENV)/bin/emoscribe models pull training
	$(VENV)/bin/pytest -n 2 --dist loadfile tests/unit tests/infra tests/service
	$(VENV)/bin/pytest tests/contract tests/e2e

lint: $(VENV)/.testing
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

bench: models $(VENV)/.testing
	$(VENV)/bin/python -m tests.bench

clean:
	rm -rf $(VENV) demo-output .pytest_cache .mypy_cache .ruff_cache

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.serving: $(VENV)/bin/pip pyproject.toml constraints.txt
	$(PIP_INSTALL) -e '.[$(DEVICE)]'
ifeq ($(DEVICE),gpu)
	$(VENV)/bin/pip uninstall --quiet --yes onnxruntime onnxruntime-gpu
	$(PIP_INSTALL) --no-deps 'onnxruntime-gpu>=1.24,<1.27'
endif
	touch $@

$(VENV)/.service: $(VENV)/.serving
	$(PIP_INSTALL) -e '.[$(DEVICE),serve]'
	touch $@

$(VENV)/.testing: $(VENV)/.serving
	$(PIP_INSTALL) -e '.[$(TEST_EXTRAS)]'
	touch $@
