# What all changes share. Set before: version, pattern, packages.
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a LC_ALL=C.UTF-8
log=$(mktemp) || exit 1
trap 'rm -f "$log" "$log.script"' EXIT

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

# settled COMMAND...: runs it again while another process holds a package lock, up to 5 minutes,
# twice more when a mirror does not answer, and once more after an interrupted dpkg was repaired.
# apt's own lock timeout does not cover the lock of the package lists.
settled() {
  locked=0
  hiccups=0
  repaired=no
  while ! logged "$@"; do
    if grep -q 'Could not get lock\|Unable to acquire the dpkg frontend lock' "$log"; then
      locked=$((locked + 1))
      [ "$locked" -lt 60 ] || return 1
      sleep 5
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

apt() {
  settled apt-get -y -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 \
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
