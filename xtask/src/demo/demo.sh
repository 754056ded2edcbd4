# The demonstration, run under `stagecraft sandbox`. Fails if anything differs from what it says.
set -eu
show() { printf '\n$ %s\n' "$*"; "$@"; }
expect() {
    wanted=$1; shift
    printf '\n$ %s\n' "$*"
    rm -f code
    { ended=0; "$@" 2>&1 || ended=$?; echo $ended >code; } | tee output
    if [ "$(cat code)" != 0 ] || ! grep -qF "$wanted" output; then
        echo "the demonstration failed: no '$wanted'" >&2
        exit 1
    fi
}
show cat stagecraft.yml
show stagecraft config validate
expect '3 hosts to create' stagecraft infra plan
expect '3 created, 0 existed, 3 ready' stagecraft infra up --yes
show stagecraft infra hosts
expect 'No changes in the cloud.' stagecraft infra plan
expect '0 hosts will change, 3 as wanted.' stagecraft infra plan --hosts
expect '0 created, 3 existed, 3 ready, 0 changed' stagecraft infra up
expect '3 hosts gone' stagecraft infra down --confirm staging
expect 'no hosts in staging' stagecraft infra hosts
