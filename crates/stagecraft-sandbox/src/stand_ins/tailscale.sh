#!/bin/sh
# Stand-in for Tailscale's client with its daemon's state.
. /usr/local/lib/sandbox/common.sh
begin tailscale 1 "$@"

NODE=$STATE/tailscale
PREFERENCES=$NODE/preferences
mkdir -p "$PREFERENCES"
version=$(installed_version tailscale)
suffix=$(cat "$STATE/tailnet-domain")

fail() {
    printf '%s\n' "$1" >&2
    exit 1
}

need_daemon() {
    service_active tailscaled ||
        fail "failed to connect to local tailscaled; it doesn't appear to be running (sudo systemctl start tailscaled ?)"
}

default_of() {
    case $1 in
    login-server) echo https://controlplane.tailscale.com ;;
    accept-dns | snat-subnet-routes) echo true ;;
    accept-routes | ssh | shields-up | advertise-exit-node | exit-node-allow-lan-access | stateful-filtering | auto-update | webclient) echo false ;;
    netfilter-mode) echo on ;;
    esac
}

preference() {
    cat "$PREFERENCES/$1" 2>/dev/null || default_of "$1"
}

store() {
    if [ "$2" = "$(default_of "$1")" ]; then
        rm -f "$PREFERENCES/$1"
    else
        printf '%s\n' "$2" >"$PREFERENCES/$1"
    fi
}

backend_state() {
    if [ ! -e "$NODE/key" ]; then
        echo NeedsLogin
    elif [ -e "$NODE/stopped" ]; then
        echo Stopped
    else
        echo Running
    fi
}

host_name() {
    name=$(preference hostname)
    echo "${name:-$(cat /etc/hostname)}"
}

dns_label() {
    host_name | tr 'A-Z_. ' 'a-z---' | tr -cd 'a-z0-9-' | sed 's/^-*//; s/-*$//'
}

address() {
    cat "$STATE/tailnet-address"
}

check_hostname() {
    case $1 in
    *[!A-Za-z0-9.-]*)
        bad=$(printf '%s' "$1" | sed 's/[A-Za-z0-9.-]//g' | cut -c 1)
        fail "\"$1\" is not a valid DNS label: contains invalid character '$bad'"
        ;;
    -* | *-) fail "\"$1\" is not a valid DNS label: must start and end with a letter or number" ;;
    esac
}

check_tags() {
    for tag in $(echo "$1" | tr , ' '); do
        case $tag in
        tag:[A-Za-z]*) ;;
        tag:*) fail "tag: \"$tag\": tag names must start with a letter, after 'tag:'" ;;
        *) fail "tag: \"$tag\": tags must start with 'tag:'" ;;
        esac
        case ${tag#tag:} in
        *[!A-Za-z0-9-]*) fail "tag: \"$tag\": tag names can only contain numbers, letters, or dashes" ;;
        esac
    done
}

# tenths DURATION: Go's notation as tenths of a second.
tenths() {
    total=0
    for part in $(echo "$1" | sed 's/\([0-9.]*\)\(ms\|h\|m\|s\)/\1\2 /g'); do
        case $part in
        *ms) total=$((total + ${part%ms} / 100)) ;;
        *h) total=$((total + ${part%h} * 36000)) ;;
        *m) total=$((total + ${part%m} * 600)) ;;
        *.*s) total=$((total + ${part%%.*} * 10)) ;;
        *s) total=$((total + ${part%s} * 10)) ;;
        esac
    done
    echo "$total"
}

# Waits for a login that does not come.
wait_in_vain() {
    limit=$(tenths "$timeout") waited=0
    while [ "$limit" -eq 0 ] || [ "$waited" -lt "$limit" ]; do
        [ "$(backend_state)" != Running ] || return 0
        sleep 0.1
        waited=$((waited + 1))
    done
    fail 'timeout waiting for Tailscale service to enter a Running state; check health with "tailscale status"'
}

# Reads flags of `up` and `set` into `given` (names) and $GIVEN/name (values).
read_flags() {
    given= key= timeout=0s reset= force= flags=
    while [ $# -gt 0 ]; do
        case $1 in
        -*) ;;
        *) fail "too many non-flag arguments: \"$1\"" ;;
        esac
        flag=${1#-}
        flag=${flag#-}
        name=${flag%%=*}
        case $name in
        authkey) name=auth-key ;;
        esac
        case $name in
        ssh | accept-dns | accept-routes | shields-up | advertise-exit-node | exit-node-allow-lan-access | snat-subnet-routes | stateful-filtering | auto-update | webclient | reset | force-reauth | json | qr)
            case $flag in *=*) setting=${flag#*=} ;; *) setting=true ;; esac
            ;;
        auth-key | hostname | advertise-tags | advertise-routes | login-server | netfilter-mode | operator | timeout | exit-node | accept-risk | nickname | client-id | client-secret | id-token | audience)
            case $flag in
            *=*) setting=${flag#*=} ;;
            *)
                [ $# -gt 1 ] || fail "flag needs an argument: -$name"
                setting=$2
                shift
                ;;
            esac
            ;;
        *) fail "flag provided but not defined: -$name" ;;
        esac
        shift
        flags=1
        case $name in
        auth-key) key=$setting ;;
        timeout) timeout=$setting ;;
        reset) reset=$setting ;;
        force-reauth) force=$setting ;;
        json | qr | accept-risk | client-id | client-secret | id-token | audience) ;;
        hostname) check_hostname "$setting"; given="$given hostname=$setting" ;;
        advertise-tags) check_tags "$setting"; given="$given advertise-tags=$setting" ;;
        *) given="$given $name=$setting" ;;
        esac
    done
}

# `up` states all settings: one that was made before and is left out is an error.
check_mentioned() {
    [ -e "$NODE/control" ] && [ -n "$flags" ] && [ "$reset" != true ] || return 0
    left_out=
    for file in "$PREFERENCES"/*; do
        [ -f "$file" ] || continue
        case " $given " in
        *" ${file##*/}="*) ;;
        *) left_out="$left_out --${file##*/}=$(cat "$file")" ;;
        esac
    done
    [ -n "$left_out" ] || return 0
    mentioned=
    for item in $given; do mentioned="$mentioned --$item"; done
    {
        echo "Error: changing settings via 'tailscale up' requires mentioning all"
        echo 'non-default flags. To proceed, either re-run your command with --reset or'
        echo 'use the command below to explicitly mention the current value of'
        echo 'all non-default settings:'
        echo
        printf '\ttailscale up%s%s\n' "$mentioned" "$left_out"
        echo
    } >&2
    exit 1
}

up() {
    read_flags "$@"
    need_daemon
    check_mentioned
    case $key in
    file:*)
        path=${key#file:}
        [ -e "$path" ] || fail "open $path: no such file or directory"
        key=$(tr -d ' \t\r\n' <"$path")
        ;;
    esac
    old_server=$(preference login-server)
    for item in $given; do
        case $item in
        login-server=*)
            if [ "$(backend_state)" = Running ] && [ "${item#*=}" != "$old_server" ] && [ "$force" != true ]; then
                fail "can't change --login-server without --force-reauth"
            fi
            ;;
        advertise-tags=*forbidden*)
            : >"$NODE/control"
            fail "backend error: requested tags [${item#*=}] are invalid or not permitted"
            ;;
        esac
    done
    case $key in
    tskey-client-*)
        case " $given " in
        *' advertise-tags='*) ;;
        *) fail 'oauth authkeys require --advertise-tags' ;;
        esac
        ;;
    esac

    # The settings are stored before the login is tried, and stay if it fails.
    : >"$NODE/control"
    [ "$reset" != true ] || rm -f "$PREFERENCES"/*
    for item in $given; do store "${item%%=*}" "${item#*=}"; done

    case $key in
    *invalid*)
        printf 'invalid key: API key does not exist' >"$NODE/login-error"
        fail 'backend error: invalid key: API key does not exist'
        ;;
    *unreachable*) wait_in_vain ;;
    '')
        if [ ! -e "$NODE/key" ] || [ "$force" = true ]; then
            printf '\nTo authenticate, visit:\n\n\thttps://login.tailscale.com/a/1e5c8d4f0b21a7\n\n' >&2
            wait_in_vain
        fi
        ;;
    esac
    [ -e "$NODE/key" ] || cat /etc/machine-id /etc/hostname | sha256sum | cut -d ' ' -f 1 >"$NODE/key"
    rm -f "$NODE/stopped" "$NODE/login-error"
    # The tags take effect at the login.
    preference advertise-tags >"$NODE/tags"
}

set_preferences() {
    need_daemon
    [ $# -gt 0 ] || fail 'no settings given'
    for argument; do
        case $argument in
        --advertise-tags* | --auth-key* | --login-server*)
            name=${argument#--}
            fail "flag provided but not defined: -${name%%=*}"
            ;;
        esac
    done
    read_flags "$@"
    for item in $given; do store "${item%%=*}" "${item#*=}"; done
}

status_json() {
    state=$(backend_state)
    if [ "$state" = NeedsLogin ]; then
        health='"Tailscale is stopped."'
        [ ! -e "$NODE/login-error" ] ||
            health="\"You are logged out. The last login error was: $(cat "$NODE/login-error")\""
        cat <<JSON
{
  "Version": "$version-t0sandbox0",
  "TUN": true,
  "BackendState": "NeedsLogin",
  "AuthURL": "",
  "TailscaleIPs": null,
  "Self": {
    "ID": "",
    "PublicKey": "nodekey:0000000000000000000000000000000000000000000000000000000000000000",
    "HostName": "$(host_name)",
    "DNSName": "",
    "OS": "linux",
    "UserID": 0,
    "TailscaleIPs": null,
    "Online": false,
    "InNetworkMap": false,
    "InMagicSock": false,
    "InEngine": false
  },
  "Health": [
    $health
  ],
  "MagicDNSSuffix": "",
  "CurrentTailnet": null,
  "CertDomains": null,
  "Peer": null,
  "User": null,
  "ClientVersion": null
JSON
        printf '}'
        return
    fi
    online=true health=null
    [ "$state" = Running ] || { online=false health='["Tailscale is stopped."]'; }
    tags=
    [ ! -s "$NODE/tags" ] || [ -z "$(cat "$NODE/tags")" ] ||
        tags="\"Tags\": [\"$(sed 's/,/", "/g' "$NODE/tags")\"],"
    cat <<JSON
{
  "Version": "$version-t0sandbox0",
  "TUN": true,
  "BackendState": "$state",
  "HaveNodeKey": true,
  "AuthURL": "",
  "TailscaleIPs": ["$(address)"],
  "Self": {
    "ID": "n$(cut -c 1-11 "$NODE/key")CNTRL",
    "PublicKey": "nodekey:$(cat "$NODE/key")",
    "HostName": "$(host_name)",
    "DNSName": "$(dns_label).$suffix.",
    "OS": "linux",
    "UserID": 1,
    "TailscaleIPs": ["$(address)"],
    "AllowedIPs": ["$(address)/32"],
    $tags
    "Addrs": [],
    "CurAddr": "",
    "Relay": "fra",
    "RxBytes": 0,
    "TxBytes": 0,
    "Created": "0001-01-01T00:00:00Z",
    "LastWrite": "0001-01-01T00:00:00Z",
    "LastSeen": "0001-01-01T00:00:00Z",
    "LastHandshake": "0001-01-01T00:00:00Z",
    "Online": $online,
    "ExitNode": false,
    "ExitNodeOption": false,
    "Active": false,
    "InNetworkMap": true,
    "InMagicSock": false,
    "InEngine": false
  },
  "Health": $health,
  "MagicDNSSuffix": "$suffix",
  "CurrentTailnet": {
    "Name": "$suffix",
    "MagicDNSSuffix": "$suffix",
    "MagicDNSEnabled": true
  },
  "CertDomains": null,
  "Peer": null,
  "User": {
    "1": {
      "ID": 1,
      "LoginName": "tagged-devices",
      "DisplayName": "Tagged Devices"
    }
  },
  "ClientVersion": null
JSON
    printf '}'
}

status() {
    need_daemon
    case " $* " in
    *' --json '* | *' --json=true '* | *' -json '*) status_json; return ;;
    esac
    case $(backend_state) in
    NeedsLogin) echo 'Logged out.'; exit 1 ;;
    Stopped) echo 'Tailscale is stopped.'; exit 1 ;;
    *) printf '%-15s %-20s %-12s %-7s -\n' "$(address)" "$(dns_label)" tagged-devices linux ;;
    esac
}

show_version() {
    case " $* " in
    *' --json '*)
        printf '{\n\t"majorMinorPatch": "%s",\n\t"short": "%s",\n\t"long": "%s-t0sandbox0",\n\t"cap": 133\n}\n' \
            "$version" "$version" "$version"
        ;;
    *) printf '%s\n  tailscale commit: 0sandbox0\n  go version: go1.25.3\n' "$version" ;;
    esac
}

preferences_json() {
    running=true logged_out=false
    [ "$(backend_state)" = Running ] || running=false
    [ -e "$NODE/key" ] || logged_out=true
    tags=null
    [ -z "$(preference advertise-tags)" ] || tags="[\"$(preference advertise-tags | sed 's/,/","/g')\"]"
    mode=2
    case $(preference netfilter-mode) in off) mode=0 ;; nodivert) mode=1 ;; esac
    printf '{\n\t"ControlURL": "%s",\n\t"RouteAll": %s,\n\t"CorpDNS": %s,\n\t"RunSSH": %s,\n\t"WantRunning": %s,\n\t"LoggedOut": %s,\n\t"ShieldsUp": %s,\n\t"AdvertiseTags": %s,\n\t"Hostname": "%s",\n\t"NetfilterMode": %s,\n\t"OperatorUser": "%s"\n}\n' \
        "$(preference login-server)" "$(preference accept-routes)" "$(preference accept-dns)" "$(preference ssh)" \
        "$running" "$logged_out" "$(preference shields-up)" "$tags" "$(preference hostname)" "$mode" "$(preference operator)"
}

command=${1-}
[ $# -eq 0 ] || shift
case $command in
version | --version) show_version "$@" ;;
status) status "$@" ;;
up) up "$@" ;;
set) set_preferences "$@" ;;
down)
    need_daemon
    if [ -e "$NODE/stopped" ]; then
        echo 'Tailscale was already stopped.' >&2
    else
        : >"$NODE/stopped"
    fi
    ;;
logout)
    need_daemon
    rm -f "$NODE/key" "$NODE/stopped" "$NODE/tags"
    ;;
ip)
    need_daemon
    [ -e "$NODE/key" ] || fail "no current Tailscale IPs; state: $(backend_state)"
    case ${1-} in
    -6) fail 'no Tailscale IPv6 address' ;;
    *) address ;;
    esac
    ;;
wait)
    need_daemon
    timeout=0s
    case ${1-} in --timeout=*) timeout=${1#*=} ;; esac
    wait_in_vain
    ;;
debug)
    need_daemon
    [ "${1-}" = prefs ] || fail "unknown subcommand: ${1-}"
    preferences_json
    ;;
*) fail "unknown subcommand: $command" ;;
esac
