# Everything that is done to this repository. `make demo` and `make test` need Python 3.11 and nothing else.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Only the registry's own releases: a wheel that lies on the machine may be another build of torch.
PIP := env -u PIP_FIND_LINKS PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip
VIDEO ?=
OUT ?= demo-out
# Tests wait for servers, decoders and browsers more than they compute; the files of one worker run in order.
WORKERS ?= 3

.DEFAULT_GOAL := help
.PHONY: help setup browser services up down status demo test chaos check format bench bench-memory bench-service bench-live bench-api bench-page clean

help: ## Say what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: $(STAMP) ## Make the virtual environment (minutes the first time, nothing after)

$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed: install it, or say which: make setup PYTHON=python3.12"; exit 1; }
	@echo "setup: virtual environment in $(VENV) (torch is large: minutes the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install --quiet --constraint constraints.txt --editable '.[ads,demo,grafana,train,traces,dev]'
	@touch $(STAMP)
	@echo "setup: done"

browser: ## Install the browser that the page tests drive (Debian's Chromium), where none is there
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || { \
	  echo "setup: installing Chromium for the browser tests"; \
	  SUDO=$$(test "$$(id -u)" = 0 || echo sudo); \
	  $$SUDO apt-get update -qq && $$SUDO env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; }

services: ## Install what Kafka, Redis and Prometheus need (Java, Maven, redis-server, prometheus), where not there
	@NEEDED="$$(command -v java >/dev/null || echo openjdk-17-jre-headless) \
	         $$(command -v mvn >/dev/null || ls .cache/kafka/.of-* >/dev/null 2>&1 || echo maven) \
	         $$(command -v redis-server >/dev/null || echo redis-server) \
	         $$(command -v promtool >/dev/null || echo prometheus)"; \
	NEEDED=$$(echo $$NEEDED); \
	test -z "$$NEEDED" || { \
	  echo "setup: installing $$NEEDED"; \
	  SUDO=$$(test "$$(id -u)" = 0 || echo sudo); \
	  POLICY=/usr/sbin/policy-rc.d; \
	  test -e $$POLICY || { printf '#!/bin/sh\nexit 101\n' | $$SUDO tee $$POLICY >/dev/null && $$SUDO chmod 755 $$POLICY && \
	    trap "$$SUDO rm -f $$POLICY" EXIT; }; \
	  $$SUDO apt-get update -qq && $$SUDO env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$NEEDED >/dev/null && \
	  for UNIT in $$(echo $$NEEDED | tr ' ' '\n' | grep -x 'redis-server\|prometheus'); do \
	    ! command -v systemctl >/dev/null || $$SUDO systemctl disable --quiet $$UNIT || true; \
	  done; }
	@PYTHONPATH=tests $(PYTHON) -m services.kafka_jars

up: setup services ## Start Kafka, Redis, Prometheus and all our processes over a simulated live ladder (ONLY=services: the first two)
	@PYTHONPATH=tests $(BIN)/python -m services up $(if $(ONLY),--only $(ONLY))

down: setup ## End them; their data stays in .cache/services
	@PYTHONPATH=tests $(BIN)/python -m services down

status: setup ## Say how each of them stands (ONLY=services: Kafka and Redis)
	@PYTHONPATH=tests $(BIN)/python -m services status $(if $(ONLY),--only $(ONLY))

demo: setup ## Score a ladder made on the spot and write a report (VIDEO=my.mp4: your own; ARGS=--live: a live stream)
	@$(BIN)/rungwatch demo --out $(OUT) $(if $(VIDEO),--video '$(VIDEO)',) $(ARGS)

test: setup browser services ## Pass every test
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder --durations 10 $(ARGS)

chaos: setup services ## Kill, restart and rebalance everything while 5,000 segments are scored (minutes; ARGS='--seed 2')
	@PYTHONPATH=tests $(BIN)/python -m chaos.chaos $(ARGS)

check: setup ## ruff, mypy --strict and the import rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: setup ## Let ruff lay the code out
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup ## Measure speed as ratios, on one core (minutes)
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONPATH=tests $(BIN)/python tests/benchmarks/run.py $(ARGS)

bench-memory: setup ## Score ten minutes of 1080p and print the memory it takes (minutes)
	@OMP_NUM_THREADS=1 PYTHONPATH=tests:tests/benchmarks $(BIN)/python tests/benchmarks/memory.py $(ARGS)

bench-service: setup services ## Measure the service around decoder and model, on real Kafka and Redis (minutes)
	@PYTHONPATH=tests:tests/benchmarks $(BIN)/python tests/benchmarks/service.py $(ARGS)

bench-live: setup ## Follow 100 live ladders on one core for ten minutes: what is missed, and how late the rest is
	@PYTHONPATH=tests:tests/benchmarks $(BIN)/python tests/benchmarks/live.py $(ARGS)

bench-api: setup services ## Measure the API on a real Redis: a day of six rungs, 1,000 streams, 200 live clients (minutes)
	@PYTHONPATH=tests:tests/benchmarks $(BIN)/python tests/benchmarks/api.py $(ARGS)

bench-page: setup browser services ## Measure the page in Chromium: first paint, the chart, a live update, weight
	@PYTHONPATH=tests:tests/benchmarks $(BIN)/python tests/benchmarks/page.py $(ARGS)

clean: ## Remove everything that was made
	rm -rf $(VENV) demo-out bench-out .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
