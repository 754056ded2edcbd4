#!/bin/sh
# Stand-in for runuser: all users of a host are one user of the machine, so that nothing changes.
. /usr/local/lib/sandbox/common.sh
begin runuser 1 "$@"

user=
while [ $# -gt 0 ]; do
    case $1 in
    --) shift; break ;;
    -u | --user) user=${2-}; shift ;;
    -*)
        echo "runuser: the stand-in knows -u only, not '$1'" >&2
        exit 1
        ;;
    *) break ;;
    esac
    shift
done
[ -n "$user" ] && [ $# -gt 0 ] || { echo 'runuser: no command was specified' >&2; exit 1; }
getent passwd "$user" >/dev/null || {
    echo "runuser: user $user does not exist or the user entry does not contain all the required fields" >&2
    exit 1
}
exec "$@"
