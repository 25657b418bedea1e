#!/usr/bin/env bash
# Everything that must hold before a change goes in: form, house rules, build, tests. `make test` and CI run this.
#
# With CI=true in the environment, warnings in the project's own targets are errors (see Package.swift).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/lint.sh
scripts/tidy.sh
swift build --build-tests
swift test --skip-build
