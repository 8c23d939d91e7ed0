# All that a developer does here.  `make demo` and `make test` need Python 3.11+, make and, once, the package registry.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEV ?= ../shared/data/dev-notes.jsonl

.PHONY: demo test vectors model evaluate benchmark format clean

demo: $(VENV)/installed
	@mkdir -p demo
	@$(BIN)/disputenlp tag data/samples/走访记录.xlsx -o demo/走访记录-已标注.xlsx

test: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

# Vectors of words for taggers that are fitted to few notes, from the texts of data/corpus.
vectors: $(VENV)/installed
	$(BIN)/python -m disputenlp.word_vectors src/disputenlp/resources/word_vectors.npz

# The bundled model, from data/corpus alone; the same corpus gives the same predictions.
model: $(VENV)/installed
	$(BIN)/python -m disputenlp.models src/disputenlp/resources/default.dnm

# All figures of the model card; takes some minutes.
evaluate: $(VENV)/installed
	$(BIN)/disputenlp evaluate --full --card data/MODEL_CARD.md --dev $(DEV) --behaviour tests/behaviour

benchmark: $(VENV)/installed-bench
	$(BIN)/python benchmarks/throughput.py
	$(BIN)/python benchmarks/accuracy.py

format: $(VENV)/installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) demo .pytest_cache .mypy_cache .ruff_cache

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[all]"
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	@touch $@

$(VENV)/installed-bench: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[bench]"
	@touch $@
