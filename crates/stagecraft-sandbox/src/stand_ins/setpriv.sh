#!/bin/sh
# Stand-in for setpriv: all users of a host are one user of the machine, so that nothing changes.
. /usr/local/lib/sandbox/common.sh
begin setpriv 1 "$@"

while [ $# -gt 0 ]; do
    case $1 in
    --reuid=*)
        getent passwd "${1#*=}" >/dev/null || {
            echo "setpriv: failed to find ${1%%=*} ${1#*=}" >&2
            exit 1
        }
        ;;
    --regid=* | --init-groups) ;;
    -*)
        echo "setpriv: the stand-in knows --reuid=, --regid= and --init-groups only, not '$1'" >&2
        exit 1
        ;;
    *) break ;;
    esac
    shift
done
[ $# -gt 0 ] || { echo 'setpriv: no command was specified' >&2; exit 1; }
exec "$@"
