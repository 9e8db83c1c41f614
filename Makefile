# make run · make test · make checkpoints · make bench · make defaults · make load · make screenshots · make lock
PORT ?= 8501
PYTHON ?= python3
TORCH_BACKEND ?=

BIN := .venv/bin
STAMP := .venv/.installed-$(if $(TORCH_BACKEND),$(TORCH_BACKEND),pypi)
DEV_STAMP := $(STAMP)-dev
UV_FLAGS := $(if $(TORCH_BACKEND),--torch-backend $(TORCH_BACKEND),)

.PHONY: run install test checkpoints bench defaults load screenshots lock clean

run: install
	$(BIN)/streamlit run streamlit_app.py --server.address 127.0.0.1 --server.port $(PORT)

install: $(STAMP)

$(BIN)/uv:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(STAMP): requirements.txt pyproject.toml latent_pad/pyproject.toml | $(BIN)/uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python $(UV_FLAGS) -r requirements.txt
	touch $@

$(DEV_STAMP): requirements-dev.txt $(STAMP)
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python $(UV_FLAGS) -r requirements-dev.txt
	touch $@

test: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -n 3 --dist loadgroup -m "not browser" $(ARGS) || [ $$? -eq 5 ]  # 5: no test of this sort
	$(BIN)/python -m pytest -m browser $(ARGS) || [ $$? -eq 5 ]

checkpoints: install
	$(BIN)/python -m checkpoints.build

load: $(DEV_STAMP)
	$(BIN)/python -m benchmarks.load

bench: $(DEV_STAMP)
	$(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.projection
	$(BIN)/python -m benchmarks.folder
	$(BIN)/python -m benchmarks.pad
	$(BIN)/python -m benchmarks.opening

defaults: $(DEV_STAMP)
	$(BIN)/python -m benchmarks.defaults

screenshots: $(DEV_STAMP)
	$(BIN)/python -m docs.screenshots

# Compile the pins again after a change to pyproject.toml.
COMPILE := $(BIN)/uv pip compile --quiet --universal --no-emit-index-url --no-emit-find-links --no-header --no-annotate
lock: | $(BIN)/uv
	$(COMPILE) pyproject.toml -o requirements.txt
	$(COMPILE) --extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt
	printf -- "-e .\n-e ./latent_pad\n" >> requirements.txt
	printf -- "-e .\n-e ./latent_pad\n" >> requirements-dev.txt

clean:
	rm -rf .venv
