#!/bin/sh
# Stand-in for unattended-upgrade: there is nothing to upgrade.
. /usr/local/lib/sandbox/common.sh
begin unattended-upgrade 1 "$@"

case " $* " in
*' -v '* | *' -d '* | *' --verbose '* | *' --debug '*)
    echo 'No packages found that can be upgraded unattended and no pending auto-removals'
    ;;
esac
