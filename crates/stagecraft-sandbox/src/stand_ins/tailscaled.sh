#!/bin/sh
# Stand-in for tailscaled, which runs as a record of its service only.
. /usr/local/lib/sandbox/common.sh
begin tailscaled 1 "$@"
installed_version tailscale
echo
