#!/bin/sh
# What cargo calls instead of rustc for the crates of this workspace, not for their dependencies.
exec "$@" -C instrument-coverage
