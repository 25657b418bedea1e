#!/usr/bin/env bash
# Builds the relay and its benchmarks with optimisation and runs them; docs/PERFORMANCE.md explains the rows.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
swift=${SWIFT:-swift}

"$swift" build -c release --product okta-relay
"$swift" build -c release --product Benchmarks
binaries=$("$swift" build -c release --show-bin-path)
case " $* " in
    *" --rows "*) ;;
    *)
        # The rule table by itself: nanoseconds an event, memory and compile time, by number of rules.
        "$swift" build -c release --product RulesBenchmark
        "$binaries/RulesBenchmark"
        ;;
esac
exec "$binaries/Benchmarks" "$@"
