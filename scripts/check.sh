#!/usr/bin/env bash
# Everything that must hold before a change goes in: form, house rules, build, tests. `make test` and CI run
# this. With --unit it builds and runs the quick tests only, for all the time in between.
#
# With CI=true in the environment, warnings in the project's own targets are errors (see Package.swift).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

quick_only=false
case "${1:-}" in
    "") ;;
    --unit) quick_only=true ;;
    *)
        echo "usage: scripts/check.sh [--unit]" >&2
        exit 2
        ;;
esac

# All tests of a part are in one process: it may have as many files and sockets as the machine lets it, and
# holds no more than 16 tests' at once.
ulimit -Sn 65536 2>/dev/null || ulimit -Sn "$(ulimit -Hn)" 2>/dev/null || true
export SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=16

# Each test is in exactly one part. What takes seconds is apart from what is quick. So is what keeps the cores
# busy by itself, for beside it whoever waits for a signal waits long, and what runs whole processes. What
# compares times is alone. The names are those of the types, whole.
suites() { echo "^[A-Za-z]+\\.($(IFS='|'; echo "$*"))(/|\$)"; }
slow=$(suites IntakeAdversityTests SQLConformanceTests ReplayTests ReplayCountTests JournalCareTests \
    JournalLimitTests JournalRetentionTests JournalBackupTests ReplayRoomTests ConfigSchemaTests \
    ArgumentTests TableCostTests SinkDryRunTests DeadLetterOperationTests SQLiteJournalTests SQLiteExchangeTests SQLValuesTests \
    PostgresChangedTableTests PostgresRefusedRowTests OktaSimulatorTests DeliveryEvidenceTests ReceiptTests)
busy=$(suites DeliverySimulationTests WeekendOutageTests HTTPWeekendOutageTests MassDeletionTests \
    JournalDiskTests JournalSizeTests JournalReliefTests JournalDetachingTests SinkOperationTests \
    SQLShuffleTests HTTPShuffleTests FuzzTests PatternPropertyTests PatternCostTests)
processes='^EndToEndTests\.'
measured=$(suites IsolationTests)

# Says at the end, however that is, what did not run on this machine.
output=$(mktemp)
finish() {
    local skipped
    skipped=$(sed -nE 's/^[^A-Za-z]*((Test|Suite) .* skipped[.:].*)/  \1/p' "$output" | sort -u)
    rm -f "$output"
    [ -z "$skipped" ] || printf 'check: what this machine has not got was skipped:\n%s\n' "$skipped" >&2
}
trap finish EXIT
tests() { swift test --skip-build "$@" | tee -a "$output"; }

if $quick_only; then
    swift build --build-tests
    tests --skip "$processes|$busy|$slow"
    exit
fi
scripts/lint.sh
scripts/tidy.sh
swift build --build-tests
tests --skip "$processes|$busy|$slow"
tests --filter "$slow"
tests --filter "$busy"
tests --filter "$processes" --skip "$measured"
tests --filter "$measured"
