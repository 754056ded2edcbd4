#!/bin/sh
# Stand-in for cloud-init's status command.
. /usr/local/lib/sandbox/common.sh
begin cloud-init 1 "$@"

result=/run/cloud-init/result.json
case ${1-} in
status)
    case " $* " in
    *' --wait '* | *' -w '*) while [ ! -e "$result" ]; do sleep 0.1; done ;;
    esac
    if [ ! -e "$result" ]; then
        echo 'status: running'
    elif grep -q '"errors": \[\]' "$result"; then
        echo 'status: done'
    else
        echo 'status: error'
        exit 1
    fi
    ;;
--version) echo '/usr/bin/cloud-init 25.1.4-0ubuntu0~24.04.1' ;;
*)
    echo "usage: cloud-init [-h] [--version] {status} ..." >&2
    exit 2
    ;;
esac
