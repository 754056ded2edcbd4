# What all changes share. Set before: version, pattern, packages.
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a LC_ALL=C.UTF-8
work=$(mktemp -d) || exit 1
trap 'rm -rf -- "$work"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
log=$work/log

# The longest time for which locks are waited for, all commands together, in seconds.
lock_limit=300
locked_for=0

fail() {
  echo "$*" >&2
  exit 1
}

# logged COMMAND...: runs it and keeps its output in $log too.
logged() {
  "$@" >"$log" 2>&1
  code=$?
  cat "$log"
  return "$code"
}

# settled COMMAND...: runs it again while another process holds a lock of apt, until $lock_limit
# is used up, twice more when a mirror does not answer, and once more after an interrupted dpkg
# was repaired. apt waits by itself for dpkg's lock; that time counts too, with the whole run of
# the command that waited. It does not wait for the locks of the lists and the archives.
settled() {
  hiccups=0
  repaired=no
  while :; do
    began=$(date +%s)
    logged "$@"
    ended=$?
    if grep -q 'Waiting for cache lock\|Could not get lock\|Unable to lock directory\|Unable to acquire the dpkg frontend lock' "$log"; then
      locked_for=$((locked_for + $(date +%s) - began))
    fi
    if [ "$ended" -eq 0 ]; then
      return 0
    elif grep -q '^E: Could not get lock\|^E: Unable to lock directory\|^E: Unable to acquire the dpkg frontend lock' "$log"; then
      [ "$locked_for" -lt "$lock_limit" ] || return 1
      sleep 5
      locked_for=$((locked_for + 5))
    elif grep -q 'dpkg was interrupted' "$log"; then
      [ "$repaired" = no ] || return 1
      repaired=yes
      echo 'repairing an interrupted dpkg'
      dpkg --configure -a || return 1
    elif grep -q 'Failed to fetch\|Temporary failure\|Could not connect\|Connection failed\|Hash Sum mismatch' "$log"; then
      hiccups=$((hiccups + 1))
      [ "$hiccups" -lt 3 ] || return 1
      echo 'a mirror failed, trying again'
      sleep 5
    else
      return 1
    fi
  done
}

# How long apt may wait for dpkg's lock: what is left, but never 0.
lock_left() {
  left=$((lock_limit - locked_for))
  [ "$left" -gt 0 ] || left=1
  echo "$left"
}

# Without the error mode, lists that could not be read are no error to `update`. apt before 2.3
# does not know it.
apt() {
  settled apt-get -y -q -o "DPkg::Lock::Timeout=$(lock_left)" -o Acquire::Retries=3 \
    -o APT::Update::Error-Mode=any \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
}

download() {
  curl -fsSL --retry 3 --connect-timeout 20 --max-time 120 "$1" -o "$2"
}

ensure_curl() {
  if ! command -v curl >/dev/null || [ ! -e /etc/ssl/certs/ca-certificates.crt ]; then
    apt update || fail 'the package lists could not be read'
    apt install ca-certificates curl || fail 'curl could not be installed'
  fi
}

# is_installed PACKAGE
is_installed() {
  case $(dpkg-query -W -f='${db:Status-Abbrev}' "$1" 2>/dev/null) in
    ii*) return 0 ;;
    *) return 1 ;;
  esac
}

# Another engine than Docker's own package is never taken away while it runs: containers would
# end. It may have been started since the host was looked at.
spare_running_engine() {
  is_installed docker-ce && return 0
  foreign=$(timeout 10 docker version --format '{{.Server.Version}}' 2>/dev/null)
  if [ -n "$foreign" ]; then
    echo "docker $foreign runs, and is not Docker's own package" >&2
    exit 71
  fi
}
