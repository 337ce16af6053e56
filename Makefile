# Thin lines over the programs. `make help` lists the commands.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
ARCHIVE := $(or $(MODEL_STORE),model_store)/refund_classifier.mar
# The folders themselves too: their time changes when a file in them is removed.
ARCHIVE_SOURCES := $(wildcard model/*.safetensors model/contract.json model/activation_ranges.json handler/*.py handler/*/*.py handler/*.yaml export/*.py) $(wildcard handler/*/.) handler/. export/.

# COVERAGE=1 make test: afterwards, `python -m tools.coverage_by_room` says how much of each room the tests cover.
COVER := $(if $(COVERAGE),--cov --cov-append --cov-report=)

.DEFAULT_GOAL := help
.PHONY: help run serve stop batch web demo token export test test-all unit faults dev check fix docs lock bench
.PHONY: teacher train refit reproduce evaluate

help: ## list the commands
	@awk -F ':.*## ' '/^##@/ {print "\n" substr($$0, 5)} /^[a-z-]+:.*## / {printf "%-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ To use it

run: serve ## everything: environment, archive, service, then classify INBOX into RESULTS_DB
	@$(BIN)/batch-client run

serve: $(ARCHIVE) ## start TorchServe in the background, or bring it up to date
	@$(BIN)/python -m serving start

stop: ## stop TorchServe and all that belongs to it
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m serving stop; else echo "TorchServe not running"; fi

batch: .venv/.run ## classify INBOX with the running service
	@$(BIN)/batch-client run

web: .venv/.web ## the web desk on WEB_PORT (8000): review, try it, runs, search
	@$(BIN)/python -m web serve

demo: .venv/.demo ## fill a desk of its own (data/demo) with drawn returns that show each case; needs no service
	@$(BIN)/python -m tools.demo $(ARGS)

export: $(ARCHIVE) ## build the model archive

token: ## print the inference token of the running service (use: make -s token)
	@$(BIN)/python -m serving token

##@ To work on it

unit: .venv/.dev ## the tests of tests/unit, in parallel: under a minute, no server
	$(BIN)/python -m pytest --numprocesses=auto $(COVER) tests/unit

test: .venv/.dev $(ARCHIVE) ## all tests that need no container: unit, integration, handler, archive, serving, docs, browser
	$(BIN)/python -m pytest --durations=20 --numprocesses=auto --dist=loadscope --no-loadscope-reorder $(COVER) \
	    --ignore=tests/container --ignore=tests/cluster --ignore=tests/load --ignore=tests/faults

test-all: test ## the tests of `make test`, then container, cluster and load
	$(BIN)/python -m pytest --durations=10 $(wildcard tests/container tests/cluster)
	$(BIN)/python -m pytest tests/load

faults: .venv/.dev ## each system call of a small run fails in turn: an hour; ARGS="-k read" takes some of them
	$(BIN)/python -m pytest -rP --show-capture=stdout tests/faults $(ARGS)

check: .venv/.dev ## lint, types, and the manual with its links
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m mkdocs build --strict --quiet

fix: .venv/.dev ## lint and format, changing files
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

dev: .venv/.web ## the web desk, reloaded whenever a file of it changes
	@$(BIN)/python -m web serve --reload

docs: .venv/.docs ## build the manual into site/
	$(BIN)/python -m mkdocs build --strict --quiet
	@echo "the manual is in site/index.html"

lock: .venv/.created ## write the locks of requirements/ from pyproject.toml (ARGS="--upgrade [PACKAGE]")
	@$(BIN)/python -c "import uv" 2>/dev/null || $(BIN)/python -m tools.install dev
	@$(BIN)/python -m tools.lock $(ARGS)

##@ To train and measure

teacher: .venv/.training ## train a teacher on DATA=FOLDER, which `make train` may learn from
	@test -n "$(DATA)" || { echo "usage: make teacher DATA=FOLDER [RUN=FOLDER] [RECIPE=FILE] [ARGS='--set epochs=8']"; exit 2; }
	$(BIN)/python -m training train "$(or $(RECIPE),teacher)" --data "$(DATA)" --run "$(or $(RUN),runs/teacher)" $(ARGS)

train: .venv/.training ## train on the labelled photos of DATA=FOLDER into model/
	@test -n "$(DATA)" || { echo "usage: make train DATA=FOLDER [RUN=FOLDER] [RECIPE=FILE] [ARGS='--set epochs=20']"; exit 2; }
	$(BIN)/python -m training train "$(or $(RECIPE),student)" --data "$(DATA)" --run "$(or $(RUN),runs/latest)" $(ARGS)

refit: .venv/.training ## release build: train the model of MEASURED=FOLDER on the held-out rows of DATA=FOLDER too, into model/
	@test -n "$(DATA)" -a -n "$(MEASURED)" || { echo "usage: make refit DATA=FOLDER MEASURED=FOLDER [RUN=FOLDER] [RECIPE=FILE] [ARGS='--set epochs=4']"; exit 2; }
	$(BIN)/python -m training train "$(or $(RECIPE),refit)" --data "$(DATA)" --run "$(or $(RUN),runs/refit)" --set "measured=$(MEASURED)" $(ARGS)

reproduce: .venv/.training ## run the recipes that made the shipped model on DATA=FOLDER, into RUNS (runs/reproduced)
	@test -n "$(DATA)" || { echo "usage: make reproduce DATA=FOLDER [RUNS=FOLDER] [ARGS='--set fuse=false']"; exit 2; }
	$(BIN)/python -m training reproduce --data "$(DATA)" --runs "$(or $(RUNS),runs/reproduced)" $(ARGS)

bench: .venv/.benchmarks $(ARCHIVE) ## measure beside the plain FastAPI service (DATA=FOLDER: with its photos)
	$(BIN)/python -m benchmarks --archive "$(ARCHIVE)" $(if $(DATA),--data "$(DATA)") $(ARGS)

evaluate: .venv/.training $(ARCHIVE) ## judge the archive by labelled photos: DATA=PATH, figures into JSON=FILE
	@test -n "$(DATA)" -a -n "$(JSON)" || { echo "usage: make evaluate DATA=PATH JSON=FILE [ARGS=--unseen]"; exit 2; }
	@$(BIN)/python -m training evaluate --archive "$(ARCHIVE)" --data "$(DATA)" --json "$(JSON)" $(ARGS)

$(ARCHIVE): $(ARCHIVE_SOURCES) .venv/.run
	@$(BIN)/python -m export build

.venv/.created:
	@rm -rf .venv
	@$(PYTHON) -m venv .venv
	@touch $@

# A mark says what was installed into .venv. The lock of a name has everything that the name needs.
INSTALLER := tools/install.py requirements/build.txt requirements/torch.txt pyproject.toml

.venv/.run: .venv/.created $(INSTALLER) requirements/serving.txt requirements/batch.txt
	@echo "installing into .venv (the first time takes a few minutes)"
	@$(BIN)/python -m tools.install serving batch
	@touch $@

# Another build of torch than the last one that was asked for by name is an installation of its own.
ifneq ($(TORCH),)
.venv/.run: .venv/.torch-$(TORCH)
endif

.venv/.torch-%: .venv/.created
	@rm -f .venv/.torch-*
	@touch $@

.venv/.web: .venv/.created $(INSTALLER) requirements/web.txt
	@$(BIN)/python -m tools.install web
	@touch $@

.venv/.demo: .venv/.web requirements/demo.txt
	@$(BIN)/python -m tools.install demo
	@touch $@

.venv/.docs: .venv/.created $(INSTALLER) requirements/docs.txt
	@$(BIN)/python -m tools.install docs
	@touch $@

.venv/.training: .venv/.run requirements/training.txt
	@$(BIN)/python -m tools.install training
	@touch $@

.venv/.benchmarks: .venv/.run requirements/benchmarks.txt
	@$(BIN)/python -m tools.install benchmarks
	@touch $@

.venv/.dev: .venv/.run requirements/dev.txt
	@$(BIN)/python -m tools.install dev
	@touch $@
