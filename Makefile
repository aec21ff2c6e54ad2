# make demo: install; train, evaluate, explain and audit both tasks on the embedded samples
# make test: install, run all tests          make check: format, lint, types, direction of imports
# make faults: kill at every file operation, measure how time grows      make fuzz: 100,000 random strings, 20,000 files
# make bench: speed of training against a plain padded loop, as ratios
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check faults fuzz bench clean

demo: .venv/installed
	$(BIN)/hf-lstm-attn demo

test: .venv/installed .venv/transformers-4.51
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

check: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --recursive hf_lstm_attn --configfile pyproject.toml

faults: .venv/installed
	FAULTS=all $(BIN)/python -m pytest tests/faults/test_kills.py tests/faults/test_bounds.py

fuzz: .venv/installed
	FAULTS=all $(BIN)/python -m pytest tests/faults/test_fuzz.py

bench: .venv/installed
	$(BIN)/python scripts/benchmark_training.py

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Expected Python 3.11 or newer; found %d.%d. Try: make PYTHON=python3.11 ..." % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

# What Inference Endpoints run: a packaged model must load there too. All else comes from .venv.
.venv/transformers-4.51: .venv/installed
	$(BIN)/pip install --quiet --no-deps --upgrade --target $@ transformers==4.51.3 tokenizers==0.21.4 huggingface_hub==0.36.0
	touch $@

clean:
	rm -rf .venv build dist
