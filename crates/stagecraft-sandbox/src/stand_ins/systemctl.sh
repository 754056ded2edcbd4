#!/bin/sh
# Stand-in for systemctl: units are records, nothing runs.
. /usr/local/lib/sandbox/common.sh
begin systemctl 1 "$@"

now= quiet= value= properties= command= units=
while [ $# -gt 0 ]; do
    case $1 in
    --now) now=1 ;;
    -q | --quiet) quiet=1 ;;
    --value) value=1 ;;
    -p | --property) properties="$properties $(echo "$2" | tr , ' ')"; shift ;;
    -p* | --property=*) properties="$properties $(echo "${1#-p}" | sed 's/^--property=//' | tr , ' ')" ;;
    --version) echo 'systemd 255 (255.4-1ubuntu8.10)'; exit 0 ;;
    -*) ;;
    *) if [ -z "$command" ]; then command=$1; else units="$units $1"; fi ;;
    esac
    shift
done

exists() {
    [ -d "$STATE/services/$1" ] && return 0
    for directory in /etc/systemd/system /usr/local/lib/systemd/system; do
        for file in "$directory/$1" "$directory/$1.service"; do
            [ ! -f "$file" ] || { mkdir -p "$STATE/services/$1"; return 0; }
        done
    done
    return 1
}

# full_name NAME: with the suffix that systemctl would add.
full_name() {
    case $1 in *.*) echo "$1" ;; *) echo "$1.service" ;; esac
}

state_of() {
    if service_active "$1"; then
        echo active
    elif [ -e "$STATE/services/$1/failed" ]; then
        echo failed
    else
        echo inactive
    fi
}

must_exist() {
    exists "$1" || {
        echo "Failed to $command $(full_name "$1"): Unit $(full_name "$1") not found." >&2
        exit 5
    }
}

# The SSH server runs outside and reads this copy of the host key for every
# connection; like sshd it keeps the old one until it is told to reload.
reload_ssh() {
    if ! sshd -t; then
        echo 'Job for ssh.service failed.' >&2
        echo 'See "systemctl status ssh.service" and "journalctl -xeu ssh.service" for details.' >&2
        exit 1
    fi
    cp /etc/ssh/ssh_host_ed25519_key /run/sandbox/host_key.new
    mv /run/sandbox/host_key.new /run/sandbox/host_key
}

start() {
    must_exist "$1"
    if ! ordered_failure "$(full_name "$1")"; then
        rm -f "$STATE/services/$1/active"
        : >"$STATE/services/$1/failed"
        echo "Job for $(full_name "$1") failed because the control process exited with error code." >&2
        echo "See \"systemctl status $(full_name "$1")\" and \"journalctl -xeu $(full_name "$1")\" for details." >&2
        exit 1
    fi
    rm -f "$STATE/services/$1/failed"
    : >"$STATE/services/$1/active"
    [ "$1" != ssh ] || reload_ssh
}

stop() {
    must_exist "$1"
    rm -f "$STATE/services/$1/active" "$STATE/services/$1/failed"
}

show() {
    for property in ${properties:-Id LoadState ActiveState SubState UnitFileState}; do
        case $property in
        Id) answer=$(full_name "$1") ;;
        LoadState) if exists "$1"; then answer=loaded; else answer=not-found; fi ;;
        ActiveState) answer=$(state_of "$1") ;;
        SubState) case $(state_of "$1") in active) answer=running ;; failed) answer=failed ;; *) answer=dead ;; esac ;;
        UnitFileState)
            answer=
            exists "$1" && { answer=disabled; [ ! -e "$STATE/services/$1/enabled" ] || answer=enabled; }
            ;;
        MainPID) if service_active "$1"; then answer=812; else answer=0; fi ;;
        NRestarts) answer=0 ;;
        Result) if [ "$(state_of "$1")" = failed ]; then answer=exit-code; else answer=success; fi ;;
        *) answer= ;;
        esac
        if [ -n "$value" ]; then echo "$answer"; else echo "$property=$answer"; fi
    done
}

status() {
    exists "$1" || { echo "Unit $(full_name "$1") could not be found." >&2; exit 4; }
    enabled=disabled
    [ ! -e "$STATE/services/$1/enabled" ] || enabled=enabled
    echo "* $(full_name "$1")"
    echo "     Loaded: loaded (/usr/lib/systemd/system/$(full_name "$1"); $enabled; preset: enabled)"
    echo "     Active: $(state_of "$1")"
    service_active "$1" || exit 3
}

case $command in
daemon-reload | daemon-reexec | reset-failed) exit 0 ;;
is-system-running) echo running; exit 0 ;;
'') echo 'UNIT LOAD ACTIVE SUB DESCRIPTION'; exit 0 ;;
esac

result=0
for unit in $units; do
    unit=$(unit_name "$unit")
    case $command in
    is-active)
        [ -n "$quiet" ] || state_of "$unit"
        # One active unit is enough for success.
        if service_active "$unit"; then found=1; else result=3; fi
        ;;
    is-failed)
        [ -n "$quiet" ] || state_of "$unit"
        [ "$(state_of "$unit")" = failed ] || result=1
        ;;
    is-enabled)
        if ! exists "$unit"; then
            echo "Failed to get unit file state for $(full_name "$unit"): No such file or directory" >&2
            result=1
        elif [ -e "$STATE/services/$unit/enabled" ]; then
            [ -n "$quiet" ] || echo enabled
        else
            [ -n "$quiet" ] || echo disabled
            result=1
        fi
        ;;
    enable | disable)
        exists "$unit" || {
            echo "Failed to $command unit: Unit file $(full_name "$unit") does not exist." >&2
            exit 1
        }
        if [ "$command" = enable ]; then
            : >"$STATE/services/$unit/enabled"
            [ -z "$now" ] || start "$unit"
        else
            rm -f "$STATE/services/$unit/enabled"
            [ -z "$now" ] || stop "$unit"
        fi
        ;;
    start) service_active "$unit" || start "$unit" ;;
    restart | reload-or-restart) start "$unit" ;;
    try-restart | try-reload-or-restart) ! service_active "$unit" || start "$unit" ;;
    stop) stop "$unit" ;;
    reload)
        must_exist "$unit"
        if ! service_active "$unit"; then
            echo "$(full_name "$unit") is not active, cannot reload." >&2
            exit 1
        fi
        [ "$unit" != ssh ] || reload_ssh
        ;;
    show) show "$unit" ;;
    status) status "$unit" ;;
    mask | unmask) ;;
    *)
        echo "Unknown command verb '$command'." >&2
        exit 1
        ;;
    esac
done
[ -z "${found-}" ] || exit 0
exit "$result"
