#!/bin/sh
# Stand-in for sudo: a host of the sandbox has one real user, who may do everything.
. /usr/local/lib/sandbox/common.sh
begin sudo 1 "$@"

while [ $# -gt 0 ]; do
    case $1 in
    --) shift; break ;;
    -u | --user)
        getent passwd "${2-}" >/dev/null || { echo "sudo: unknown user ${2-}" >&2; exit 1; }
        shift
        ;;
    -p | --prompt) shift ;;
    -n | -H | -S | -E | -k | --non-interactive | --set-home | --stdin | --preserve-env) ;;
    -V | --version)
        echo 'Sudo version 1.9.15p5'
        exit 0
        ;;
    -*)
        echo 'usage: sudo [-EHknS] [-p prompt] [-u user] [VAR=value] [command [arg ...]]' >&2
        exit 1
        ;;
    *) break ;;
    esac
    shift
done
[ $# -gt 0 ] || { echo 'usage: sudo [-EHknS] [-p prompt] [-u user] [VAR=value] [command [arg ...]]' >&2; exit 1; }
exec env -- "$@"
