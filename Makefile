# Each target makes what it needs first: a virtual environment in .venv with fastnn built from this folder.
# Needed on the machine: Python 3.11 or newer with its headers and venv module, a C compiler, make.
#
#   make demo        train on handwritten digits, draw demo/digits.png (under two minutes the first time)
#   make test        the quick tests            make test-slow   the others
#   make test-keras  random models in Keras and here, compared number by number; make test-keras-programs, published ones
#   make bench       the benchmarks             make lint        formatting, style, types
#   make bench-peers the same models in other libraries, which go into .venv-peers (several GB)
#   make bench-matmul   products of dense layers beside NumPy, PyTorch and BLIS, from the same place
#   make ladder      one product and one convolution, from Python loops to the library, a rung at a time
#   make clean       remove everything built
#
# PYTHON=python3.12 chooses the interpreter of a new .venv; ARGS="-k conv" goes to pytest, the demo, bench-... or the ladder.

PYTHON ?= python3
ARGS ?=
VENV := .venv
PEERS := .venv-peers
KERAS := .venv-keras
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip -qq --disable-pip-version-check
BUILD_INPUTS := setup.py pyproject.toml \
    $(wildcard csrc/*.[ch] csrc/*.def csrc/*/*.h $(foreach e,pyx pxd pxi,fastnn/engine/*.$(e)))

.PHONY: demo test test-slow test-keras test-keras-programs bench bench-peers bench-matmul ladder lint clean

demo: $(VENV)/extras-plots
	$(RUN) examples/demo.py --out demo $(ARGS)

test: $(VENV)/extras-test,plots
	$(RUN) -m pytest -q -m "not slow" $(ARGS)

test-slow: $(VENV)/extras-test,plots
	$(RUN) -m pytest -q -m slow $(ARGS)

test-keras: $(KERAS)/ready
	$(KERAS)/bin/python tests/against_keras/run.py $(ARGS)

test-keras-programs: $(KERAS)/ready
	$(KERAS)/bin/python tests/against_keras/programs/run.py $(ARGS)

bench: $(VENV)/extras-benchmarks
	$(RUN) -m pytest -q benchmarks $(ARGS)

bench-peers: $(PEERS)/ready
	$(PEERS)/bin/python benchmarks/peers/run.py $(ARGS)

bench-matmul: $(PEERS)/ready
	$(PEERS)/bin/python benchmarks/peers/matmul.py $(ARGS)

ladder: $(VENV)/extras-benchmarks
	$(RUN) benchmarks/ladder/climb.py $(ARGS)

lint: $(VENV)/extras-dev
	$(RUN) -m pre_commit run --all-files

clean:
	rm -rf $(VENV) $(PEERS) $(KERAS) build dist demo fastnn_cpu.egg-info fastnn/engine/native.c fastnn/engine/native.*.so
	find . -name __pycache__ -prune -exec rm -rf {} +

# The marker of a set of extras: their packages are installed. fastnn itself is there already, so pip only adds them.
$(VENV)/extras-%: $(VENV)/built
	$(PIP) install 'fastnn-cpu[$*]'
	@touch '$@'

# Never files: fastnn is built anew beside the other libraries if it has changed.
.PHONY: $(PEERS)/ready $(KERAS)/ready
$(PEERS)/ready: $(PEERS)/peers
	@$(MAKE) --no-print-directory VENV=$(PEERS) $(PEERS)/built
$(KERAS)/ready: $(KERAS)/keras
	@$(MAKE) --no-print-directory VENV=$(KERAS) $(KERAS)/built

# The marker of Keras, on JAX, its smallest backend.
$(KERAS)/keras: tests/against_keras/requirements.txt
	@$(MAKE) --no-print-directory VENV=$(KERAS) $(KERAS)/made
	$(KERAS)/bin/python -m pip -qq --disable-pip-version-check install -r $<
	@touch $@

# The marker of the other libraries, each installed by itself: one that this machine cannot have is left out.
$(PEERS)/peers: benchmarks/peers/requirements.txt
	@$(MAKE) --no-print-directory VENV=$(PEERS) $(PEERS)/made
	@grep -v '^#' $< | while read -r package; do echo "Installing $$package"; \
	    $(PEERS)/bin/python -m pip -qq --disable-pip-version-check install "$$package" || \
	    echo "Left out: $$package" >&2; done
	@touch $@

# The marker of the library: it is built as the files are now.
$(VENV)/built: $(VENV)/made $(BUILD_INPUTS)
	@echo "Building fastnn (about a minute) ..."
	$(PIP) install --editable .
	@touch $@

# The marker of the environment, with the two things that it cannot do without looked at first.
$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "fastnn needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) --version 2>&1)." \
	         "Say make PYTHON=python3.12, or whatever the newer one is called." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	    echo "$(PYTHON) has no venv module. On Debian and Ubuntu: apt install python3-venv python3-dev." >&2; exit 1; }
	@echo "Making a virtual environment in $(VENV) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@
