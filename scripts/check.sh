#!/usr/bin/env bash
# Everything that must hold before a change goes in: form, house rules, build, tests. `make test` and CI run this.
#
# With CI=true in the environment, warnings in the project's own targets are errors (see Package.swift).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/lint.sh
scripts/tidy.sh
swift build --build-tests
# Apart, because what runs whole processes against the clock must not wait behind what only computes.
swift test --skip-build --skip '^EndToEndTests\.'
swift test --skip-build --filter '^EndToEndTests\.'
