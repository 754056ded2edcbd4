# What all stand-ins share. They keep their state under $STATE.
STATE=/var/lib/sandbox

# begin PROGRAM CODE [ARGUMENT...]: records a call, then fails with CODE if
# /run/sandbox/fail/PROGRAM says so. Its first line is how often, or `always`;
# the rest is the message.
begin() {
    program=$1 code=$2
    shift 2
    { printf '%s' "$program"; [ $# -eq 0 ] || printf ' %s' "$@"; echo; } \
        >>"/var/log/sandbox/$program.log"
    ordered_failure "$program" || exit "$code"
}

# ordered_failure NAME: fails, with its message, as often as NAME's file says.
ordered_failure() {
    order=/run/sandbox/fail/$1
    [ -f "$order" ] || return 0
    message=$(sed 1d "$order")
    times=$(sed -n 1p "$order")
    if [ "$times" != always ]; then
        [ "${times:-0}" -gt 0 ] 2>/dev/null || { rm -f "$order"; return 0; }
        if [ "$times" -eq 1 ]; then
            rm -f "$order"
        else
            printf '%s\n%s\n' "$((times - 1))" "$message" >"$order"
        fi
    fi
    [ -z "$message" ] || printf '%s\n' "$message" >&2
    return 1
}

# load_release: sets ID, VERSION_ID and VERSION_CODENAME.
load_release() {
    . /etc/os-release
}

installed_version() {
    [ -f "$STATE/packages/$1" ] && cat "$STATE/packages/$1"
}

# unit_name NAME: the name without its suffix, aliases resolved.
unit_name() {
    case ${1%.service} in
    sshd) echo ssh ;;
    *) echo "${1%.service}" ;;
    esac
}

service_active() {
    [ -f "$STATE/services/$1/active" ]
}

# register_service NAME: what a package does with a unit that it brings.
register_service() {
    mkdir -p "$STATE/services/$1"
    : >"$STATE/services/$1/enabled"
    : >"$STATE/services/$1/active"
}

architecture() {
    case $(uname -m) in
    aarch64) echo arm64 ;;
    *) echo amd64 ;;
    esac
}

# newer A B: whether version A is newer than B.
newer() {
    [ "$1" != "$2" ] && [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | tail -n 1)" = "$1" ]
}
