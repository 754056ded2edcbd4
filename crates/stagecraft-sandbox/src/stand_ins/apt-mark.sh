#!/bin/sh
# Stand-in for apt-mark.
. /usr/local/lib/sandbox/common.sh
begin apt-mark 100 "$@"

command=${1-}
[ $# -eq 0 ] || shift
case $command in
hold | unhold)
    for name; do
        if [ ! -e "$STATE/packages/$name" ]; then
            echo "E: Can't select installed nor candidate version from package '$name' as it has neither of them" >&2
            exit 100
        fi
        if [ "$command" = hold ]; then
            [ ! -e "$STATE/held/$name" ] || { echo "$name was already set on hold."; continue; }
            : >"$STATE/held/$name"
            echo "$name set on hold."
        else
            [ -e "$STATE/held/$name" ] || { echo "$name was already not on hold."; continue; }
            rm -f "$STATE/held/$name"
            echo "Canceled hold on $name."
        fi
    done
    ;;
showhold) ls "$STATE/held" ;;
auto | manual) ;;
*)
    echo "E: Invalid operation $command" >&2
    exit 100
    ;;
esac
