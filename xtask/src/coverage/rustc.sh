#!/bin/sh
# The wrapper that cargo calls for the crates of this workspace, not for their dependencies.
exec "$@" -C instrument-coverage
