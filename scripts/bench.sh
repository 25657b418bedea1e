#!/usr/bin/env bash
# Builds the relay and its benchmarks with optimisation and runs them; docs/PERFORMANCE.md explains the rows.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
swift=${SWIFT:-swift}

for product in okta-relay Benchmarks RulesBenchmark; do
    "$swift" build -c release --product "$product"
done
exec "$("$swift" build -c release --show-bin-path)/Benchmarks" "$@"
