# okta-relay. The two commands are `make run` and `make test`; `make` alone lists the others.

SHELL  := /bin/bash
SWIFT  ?= swift
CONFIG ?= sinks.example.json
# Options of the benchmarks: `make bench ROWS=ab PAIRS=5` for `--rows ab --pairs 5`.
BENCH   = $(foreach option,rows pairs seconds envelopes backlog into entries old users,\
          $(if $($(call upper,$(option))),--$(option) $($(call upper,$(option)))))
upper   = $(shell echo '$(1)' | tr a-z A-Z)
# The suites of the table in CONTRIBUTING.md; scripts/tidy.sh compares.
SOAK   := CrashTests LifecycleModelTests HTTPShuffleTests SQLShuffleTests DeliverySimulationTests IsolationTests \
          WeekendOutageTests HTTPWeekendOutageTests MassDeletionTests DiskTests WriteProtectionTests \
          DescriptorTests SecrecyTests DatabaseCrashTests CutConnectionTests StopTests

.DEFAULT_GOAL := help
.PHONY: help setup run test check unit soak bench bench-full format lint clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install the system packages that building needs, if any are missing
	@scripts/setup.sh

run: setup ## Build release and start the relay; CONFIG=FILE names another config than the example
	$(SWIFT) build -c release --product okta-relay
	@exec "$$($(SWIFT) build -c release --show-bin-path)/okta-relay" serve --init --config $(CONFIG)

test: ## Install what tests need, check the sources' form, build, and run every test
	@scripts/setup.sh --tests
	@scripts/check.sh

check: ## The same without installing anything
	@scripts/check.sh

unit: ## Build, and run the quick tests only: the ones to run all the time
	@scripts/check.sh --unit

soak: ## The tests that try to break it, in their long form; ROUNDS=200 kills more often, FILTER=CrashTests for some
	@scripts/setup.sh --tests
	$(SWIFT) build --build-tests
	OKTA_RELAY_SOAK=1 OKTA_RELAY_CRASH_ROUNDS=$(or $(ROUNDS),40) $(SWIFT) test --skip-build --no-parallel \
		--filter '$(or $(FILTER),$(subst $() $(),|,$(strip $(SOAK))))'

bench: ## Measure the release binary, a baseline beside each figure once (some minutes; ROWS=abc for some, PAIRS=5)
	@scripts/setup.sh --tests
	@scripts/bench.sh $(BENCH)

bench-full: ## The same with longer runs, 1,000,000 stored events and an old journal of 10,000,000
	@scripts/setup.sh --tests
	@scripts/bench.sh --full $(BENCH)

format: ## Rewrite the Swift sources in the project's format
	@scripts/format.sh

lint: ## Check format, house rules and import directions, without building
	@scripts/lint.sh
	@scripts/tidy.sh

clean: ## Remove what was built; data/ stays
	$(SWIFT) package clean
