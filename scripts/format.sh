#!/usr/bin/env bash
# Rewrites the Swift sources in the project's format.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
swift format --in-place --parallel --configuration .swift-format --recursive Package.swift Sources Tests
