#!/usr/bin/env bash
# Checks the Swift sources with swift format's rules; what `make format` would change is an error too.
#
# The formatter's output differs a little between Swift versions, so another one than the project's own only
# gets a notice: nobody's tests should fail for a blank that their toolchain sets elsewhere.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

formatter=6.3
version=$(swift format --version 2>/dev/null || echo none)
case "$version" in
    "$formatter" | "$formatter".*) ;;
    *)
        echo "lint: skipped, the sources are formatted with swift format $formatter and this is $version"
        exit 0
        ;;
esac
swift format lint --strict --parallel --configuration .swift-format --recursive Package.swift Sources Tests
echo "lint: clean"
