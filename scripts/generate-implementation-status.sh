#!/bin/sh
# Writes docs/engine/status from spec/features.yaml. Arguments are passed on: `--check` only compares.
set -eu
cd "$(dirname "$0")/.."
exec cargo xtask status "$@"
