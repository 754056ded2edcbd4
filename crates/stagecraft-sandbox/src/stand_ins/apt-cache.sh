#!/bin/sh
# Stand-in for apt-cache.
. /usr/local/lib/sandbox/common.sh
. /usr/local/lib/sandbox/catalogue.sh
begin apt-cache 100 "$@"

command=${1-}
[ $# -eq 0 ] || shift
case $command in
madison)
    load_release
    for name; do
        for version in $(versions "$name"); do
            printf '%10s | %s | %s\n' "$name" "$version" "https://packages $VERSION_CODENAME/stable $(architecture) Packages"
        done
    done
    ;;
policy)
    for name; do
        candidate=$(version_of "$name") || candidate=$(installed_version "$name") || continue
        installed=$(installed_version "$name") || installed='(none)'
        printf '%s:\n  Installed: %s\n  Candidate: %s\n' "$name" "$installed" "$candidate"
    done
    ;;
show)
    for name; do
        version=$(version_of "$name") || { echo "E: No packages found" >&2; exit 100; }
        printf 'Package: %s\nVersion: %s\n\n' "$name" "$version"
    done
    ;;
*)
    echo "E: Invalid operation $command" >&2
    exit 100
    ;;
esac
