#!/bin/sh
# Stand-in for dpkg-query.
. /usr/local/lib/sandbox/common.sh
begin dpkg-query 2 "$@"

format='${binary:Package}\t${Version}\n' names= mode=
while [ $# -gt 0 ]; do
    case $1 in
    -W | --show) mode=show ;;
    -l | --list) mode=list ;;
    -s | --status) mode=status ;;
    -f) format=$2; shift ;;
    -f=*) format=${1#-f=} ;;
    -f*) format=${1#-f} ;;
    --showformat=*) format=${1#--showformat=} ;;
    -*) ;;
    *) names="$names ${1%:*}" ;;
    esac
    shift
done
case $mode in
status) format='Package: ${Package}\nStatus: ${Status}\nArchitecture: ${Architecture}\nVersion: ${Version}\n' ;;
list) format='${db:Status-Abbrev} ${Package} ${Version} ${Architecture}\n' ;;
esac
[ -n "$names" ] || names=$(ls "$STATE/packages")

result=0
for name in $names; do
    if ! version=$(installed_version "$name"); then
        if [ "$mode" = status ]; then
            echo "dpkg-query: package '$name' is not installed and no information is available" >&2
        else
            echo "dpkg-query: no packages found matching $name" >&2
        fi
        result=1
        continue
    fi
    # A package on hold says so in its status, as after `apt-mark hold`.
    want=install abbreviation='ii '
    [ ! -e "$STATE/held/$name" ] || { want=hold abbreviation='hi '; }
    text=$(printf '%s' "$format" | sed \
        -e "s|\${binary:Package}|$name|g" -e "s|\${Package}|$name|g" \
        -e "s|\${Version}|$version|g" -e "s|\${Architecture}|$(architecture)|g" \
        -e "s|\${Status}|$want ok installed|g" -e 's|${db:Status-Status}|installed|g' \
        -e "s|\${db:Status-Want}|$want|g" -e "s|\${db:Status-Abbrev}|$abbreviation|g")
    printf '%b' "$text"
done
exit "$result"
