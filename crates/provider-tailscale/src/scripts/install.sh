set -u
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a LC_ALL=C.UTF-8

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

# refuse WORDS: ends with what apt said last, and with the file system that is full if that is why.
refuse() {
  printf '%s\n' "$output" >&2
  case $output in
    *'o space left on device'* | *'enough free space'*)
      room=$(for path in / /var "${TMPDIR:-/tmp}" /run/ /boot; do full "$path"; done | sed 1q)
      fail "${room:-the disk is full}: $*"
      ;;
  esac
  fail "$*"
}

# unwritten PATH WORDS: ends with the file system of PATH if it is full.
unwritten() {
  room=$(full "$1")
  shift
  fail "${room:+$room: }$*"
}

output=
trap 'exit 129' HUP
trap 'exit 130' INT
# What the command that was cut off has said so far is in no other place.
trap 'printf "%s\n" "$output" | tail -n 20 >&2; exit 143' TERM

# Without the error mode, lists that could not be read are no error to `update`. apt before 2.1.16
# does not know it; Debian 11 comes with 2.2.4.
apt() {
  left=$((lock_limit - locked_for))
  [ "$left" -gt 0 ] || left=1
  apt-get -o "DPkg::Lock::Timeout=$left" -o Acquire::Retries=3 \
    -o APT::Update::Error-Mode=any \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@" </dev/null
}

# The longest time for which locks are waited for, all commands together, in seconds.
lock_limit=300
locked_for=0

# settled COMMAND...: runs apt with it, again while another process holds a lock, until
# $lock_limit is used up, twice more when a mirror does not answer, and once more after an
# interrupted dpkg was repaired. apt waits by itself for dpkg's lock; that time counts too, with
# the whole run of the command that waited. It does not wait for the locks of the lists and the
# archives.
settled() {
  hiccups=0
  repaired=no
  while :; do
    began=$(date +%s)
    output=$(apt "$@" 2>&1)
    ended=$?
    case $output in
      *'Waiting for cache lock'* | *'Could not get lock'* | *'Unable to lock directory'* | *'Unable to acquire the dpkg frontend lock'*)
        locked_for=$((locked_for + $(date +%s) - began))
        ;;
    esac
    [ "$ended" -ne 0 ] || return 0
    case "
$output" in
      *'
E: Could not get lock'* | *'
E: Unable to lock directory'* | *'
E: Unable to acquire the dpkg frontend lock'*)
        [ "$locked_for" -lt "$lock_limit" ] || break
        sleep 5
        locked_for=$((locked_for + 5))
        ;;
      # A package operation that was cut off has to be finished before the next one.
      *'dpkg was interrupted'*)
        [ "$repaired" = no ] || break
        repaired=yes
        dpkg --force-confdef --force-confold --configure -a </dev/null >&2 || return 1
        ;;
      *'Failed to fetch'* | *'Temporary failure'* | *'Could not connect'* | *'Connection failed'* | *'Hash Sum mismatch'*)
        hiccups=$((hiccups + 1))
        [ "$hiccups" -lt 3 ] || break
        sleep 5
        ;;
      *) break ;;
    esac
  done
  return 1
}

# lists: reads the package lists anew. Those of others that cannot be read, of an archived release
# or with a key that ran out, fail nothing yet: the client may be had without them.
lists() {
  unread=
  settled update && return 0
  case "
$output" in
    *'
E: Could not get lock'* | *'
E: Unable to lock directory'*) return 1 ;;
  esac
  own=$(printf '%s\n' "$output" | sed -n '/^E.*\(pkgs\.tailscale\.com\|tailscale\.list\)/p')
  [ -z "$own" ] || return 1
  unread=$output
}

fetch() {
  if command -v curl >/dev/null 2>&1; then
    curl -fsSL --proto '=https' --connect-timeout 20 --max-time 120 --retry 3 -o "$2" "$1"
  else
    wget -q --https-only --timeout=20 --tries=3 -O "$2" "$1"
  fi
}

if ! command -v curl >/dev/null 2>&1 && ! command -v wget >/dev/null 2>&1; then
  lists || refuse 'package lists could not be read'
  settled install -y ca-certificates curl || refuse 'curl could not be installed'
fi

# AppArmor lets curl write below /tmp since its version 5 (Ubuntu 25.10); the others serve without it.
cramped=
for place in "${TMPDIR:-/tmp}/" /var/tmp/ /run/ /dev/shm/; do
  if work=$(mktemp -d "${place}stagecraft-work.XXXXXX" 2>/dev/null); then
    { head -c 524288 /dev/zero >"$work/key"; } 2>/dev/null && break
    rm -rf -- "$work"
  fi
  words=$(full "$place")
  words=${words:-"${place%/} cannot be written to"}
  case ", $cramped, " in
    *", $words, "*) ;;
    *) cramped="$cramped${cramped:+, }$words" ;;
  esac
  work=
done
[ -n "$work" ] || fail "there is no room for temporary files: $cramped"
trap 'rm -rf -- "$work"' EXIT

base="https://pkgs.tailscale.com/stable/$os_id/$os_codename"
fetch "$base.noarmor.gpg" "$work/key" || unwritten "$work" "no signing key at $base.noarmor.gpg"
fetch "$base.tailscale-keyring.list" "$work/list" || unwritten "$work" "no package source at $base.tailscale-keyring.list"
if [ ! -s "$work/key" ] || [ ! -s "$work/list" ]; then
  fail "empty answer from $base"
fi
mkdir -p /usr/share/keyrings /etc/apt/sources.list.d || unwritten /etc 'no place for the package source'
source=/etc/apt/sources.list.d/tailscale.list
if [ -e "$source" ]; then
  cp "$source" "$work/before" || fail 'the former package source could not be read'
fi
install -m 0644 "$work/key" /usr/share/keyrings/tailscale-archive-keyring.gpg || unwritten /usr 'signing key could not be written'
install -m 0644 "$work/list" "$source" || unwritten /etc 'package source could not be written'

# One that cannot be read would stop every later use of apt on this host.
take_back() {
  if [ -e "$work/before" ]; then
    cp "$work/before" "$source"
  else
    rm -f "$source"
  fi
  refuse 'package lists could not be read'
}
lists || take_back
if ! settled install -y tailscale tailscale-archive-keyring; then
  case $output in
    *'Unable to locate package'* | *'no installation candidate'* | *'unmet dependencies'* | *'Unable to satisfy dependencies'*)
      if [ -n "$unread" ]; then
        output=$unread
        take_back
      fi
      ;;
  esac
  refuse 'tailscale could not be installed'
fi
if command -v systemctl >/dev/null 2>&1; then
  systemctl enable --now tailscaled </dev/null || fail 'tailscaled could not be started'
fi
