#!/bin/sh
# Stand-in for dpkg.
. /usr/local/lib/sandbox/common.sh
begin dpkg 2 "$@"

case ${1-} in
--print-architecture) architecture ;;
--print-foreign-architectures) ;;
--configure) rm -f "$STATE/dpkg-interrupted" ;;
--audit) [ ! -e "$STATE/dpkg-interrupted" ] || echo 'The following packages are only half configured' ;;
--version) echo "Debian 'dpkg' package management program version 1.22.6 ($(architecture))." ;;
--compare-versions)
    case $3 in
    gt) newer "$2" "$4" ;;
    lt) newer "$4" "$2" ;;
    ge) ! newer "$4" "$2" ;;
    le) ! newer "$2" "$4" ;;
    eq) [ "$2" = "$4" ] ;;
    ne) [ "$2" != "$4" ] ;;
    *) exit 2 ;;
    esac
    ;;
-s | --status | -l | --list | -W) exec dpkg-query "$@" ;;
-i | --install)
    shift
    for file; do
        if [ ! -f "$file" ]; then
            echo "dpkg: error: cannot access archive '$file': No such file or directory" >&2
            exit 1
        fi
        base=${file##*/}
        version=${base#*_}
        printf '%s' "${version%%_*}" >"$STATE/packages/${base%%_*}"
    done
    ;;
*)
    echo "dpkg: error: unknown option ${1-}" >&2
    exit 2
    ;;
esac
