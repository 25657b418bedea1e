#!/usr/bin/env bash
# Everything that must hold before a change goes in: form, house rules, build, tests. `make test` and CI run this.
#
# With CI=true in the environment, warnings in the project's own targets are errors (see Package.swift).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/lint.sh
scripts/tidy.sh
swift build --build-tests
# What keeps the cores busy for seconds, and what runs whole processes, is apart: beside the first, whoever
# waits for a signal waits long, and the second must not wait behind either. What compares times is alone.
busy='DeliverySimulationTests|WeekendOutageTests|MassDeletionTests|JournalDiskTests|JournalSizeTests'
busy+='|JournalDetachingTests|SinkOperationTests|ShuffleTests|FuzzTests|PatternPropertyTests|PatternCostTests'
processes='^EndToEndTests\.'
measured='IsolationTests'
# All tests at once would hold more files and sockets than many machines allow a process.
export SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=16
swift test --skip-build --skip "$processes|$busy"
swift test --skip-build --filter "$busy" --skip "$processes"
swift test --skip-build --filter "$processes" --skip "$measured"
swift test --skip-build --filter "$measured"
