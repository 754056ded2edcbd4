# What all changes that use apt share.
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a LC_ALL=C.UTF-8
# scratch: sets `work` to a directory of this script. /run comes first, since the disk may be full; a
# place counts if it takes as much as a long installation prints.
scratch() {
  cramped=
  for place in /run/ "${TMPDIR:-/tmp}/" /var/tmp/ /dev/shm/; do
    if work=$(mktemp -d "${place}stagecraft-work.XXXXXX" 2>/dev/null); then
      { head -c 524288 /dev/zero >"$work/log"; } 2>/dev/null && return
      rm -rf -- "$work"
    fi
    words=$(full "$place")
    words=${words:-"${place%/} cannot be written to"}
    case ", $cramped, " in
      *", $words, "*) ;;
      *) cramped="$cramped${cramped:+, }$words" ;;
    esac
  done
  echo "failed: there is no room for temporary files: $cramped" >&2
  exit 1
}
scratch
fetched=
# Packages that this script takes away, and what it does at its end beside cleaning up.
had=
finally=:
trap '$finally; lift_limit; rm -rf -- "$work" ${fetched:+"$fetched"}' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
# What the command that was cut off has said so far is in no other place.
trap 'tail -n 20 "$log" >&2; gone >&2; exit 143' TERM
log=$work/log
: >"$log"

# The longest time for which locks are waited for, and mirrors are tried again, all commands
# together, in seconds.
lock_limit=300
locked_for=0
mirror_limit=240
mirror_for=0

LOCKED='^E: Could not get lock\|^E: Unable to lock directory\|^E: Unable to acquire the dpkg frontend lock\|lock was locked by \|database is locked by '
FULL='[Nn]o space left on device\|not enough space available\|enough free space\|(28): No space\|^curl: (23).*the file system of '
UNREACHABLE='Failed to fetch\|Temporary failure\|Could not resolve\|Could not connect\|Connection failed\|Connection timed out\|Hash Sum mismatch'
# curl's words change from version to version: no name, no connection, too slow, cut off.
UNREACHABLE="$UNREACHABLE\\|^curl: ([567])\\|^curl: (28)\\|^curl: (35)\\|^curl: (52)\\|^curl: (56)"

# Of a package that the lists name and that does not lie there. Nothing but another list helps.
MISSING='Failed to fetch [^ ]*\.deb  *\(404\|File not found\)'

# What apt says of packages that the lists it has read do not offer, or not as they are needed.
NOT_OFFERED='Unable to locate package\|no installation candidate\|unmet dependencies\|Unable to correct problems\|Unable to satisfy dependencies'

# filled PATH...: the first of their file systems that has no room left, with its numbers.
filled() {
  for path; do
    full "$path"
  done | sed 1q
}

# fail WORDS: ends with the last command's reason, if it is a known one.
fail() {
  reason=
  printf '\nthe cause:\n'
  causes
  room=$(filled "$work" / /usr /opt /opt/containerd /var /var/lib/docker \
    /var/cache/apt/archives "${TMPDIR:-/tmp}" /run/ /boot)
  # Without room for the log the command's own words are lost; dash has the same ones for whatever
  # stops it from writing.
  if grep -q "$FULL" "$log" || [ -n "$(full "$work")" ] ||
    { [ -n "$room" ] && grep -q ': I/O error' "$log"; }; then
    reason="${room:-the disk is full}: "
    df -hP / /var /var/lib/docker /var/cache/apt/archives 2>/dev/null | cut -c 1-120 | uniq
  elif grep -q "$LOCKED" "$log"; then
    reason='the package lock was not free: '
    pid=$(sed -n 's/.*held by process \([0-9]*\).*/\1/p; s/.*locked by .* with pid \([0-9]*\).*/\1/p' "$log" | tail -n 1)
    if [ -r "/proc/${pid:-none}/cmdline" ]; then
      echo "process $pid is: $(tr '\0\n' '  ' <"/proc/$pid/cmdline" | cut -c 1-200)"
    fi
  elif grep -q "$MISSING" "$log"; then
    reason='the repository does not have a package that it lists: '
  elif grep -q "$UNREACHABLE" "$log"; then
    reason='a mirror did not answer: '
  fi
  echo "failed: $reason$*$(gone)" >&2
  exit 1
}

# unwritten FILE: ends with the file system of FILE, if that is full.
unwritten() {
  room=$(full "${1%/*}")
  fail "${room:+$room: }$1 could not be written"
}

# gone: names the packages that this script has taken away.
gone() {
  lost=
  for package in $had; do
    is_installed "$package" || lost="$lost, $package"
  done
  [ -z "$lost" ] || echo "; removed before: ${lost#, }"
}

# causes: what the last command gave as its errors, with the lines that are indented below them.
causes() {
  told=no
  while IFS= read -r line || [ -n "$line" ]; do
    case "$line" in
      'dpkg: warning'*) told=no ;;
      'E: '* | 'dpkg: '* | 'dpkg-deb: '* | 'curl: '* | 'Errors were encountered '* | 'The following packages have unmet '*)
        told=yes
        ;;
      ' '*) ;;
      *) told=no ;;
    esac
    [ "$told" = no ] || echo "$line"
  done <"$log"
}

# logged COMMAND...: runs it and keeps its output in $log too.
logged() {
  "$@" >"$log" 2>&1 </dev/null
  code=$?
  cat "$log"
  return "$code"
}

# settled COMMAND...: runs it again while another process holds a lock of apt, until $lock_limit
# is used up, twice more when a mirror does not answer and $mirror_limit is not used up, and once
# more after an interrupted dpkg was repaired. apt waits by itself for dpkg's lock; that time
# counts too, with the whole run of the command that waited. It does not wait for the locks of the
# lists and the archives, and dpkg waits for none.
settled() {
  hiccups=0
  repaired=no
  while :; do
    began=$(date +%s)
    logged "$@"
    ended=$?
    took=$(($(date +%s) - began))
    if grep -q "Waiting for cache lock\|$LOCKED" "$log"; then
      locked_for=$((locked_for + took))
    fi
    if [ "$ended" -eq 0 ]; then
      return 0
    elif grep -q "$LOCKED" "$log"; then
      [ "$locked_for" -lt "$lock_limit" ] || return 1
      sleep 5
      locked_for=$((locked_for + 5))
    elif grep -q 'dpkg was interrupted' "$log"; then
      [ "$repaired" = no ] || return 1
      repaired=yes
      echo 'repairing an interrupted dpkg'
      repair || return 1
    elif grep -q "$FULL\|$MISSING" "$log"; then
      return 1
    elif grep -q "$UNREACHABLE" "$log"; then
      hiccups=$((hiccups + 1))
      mirror_for=$((mirror_for + took + 5))
      [ "$hiccups" -lt 3 ] && [ "$mirror_for" -lt "$mirror_limit" ] || return 1
      echo 'a mirror failed, trying again'
      sleep 5
    else
      return 1
    fi
  done
}

# repair: finishes what an interrupted dpkg has begun, once nobody else is at it.
repair() {
  until logged dpkg --force-confdef --force-confold --configure -a; do
    grep -q "$LOCKED" "$log" && [ "$locked_for" -lt "$lock_limit" ] || return 1
    sleep 5
    locked_for=$((locked_for + 5))
  done
}

# How long apt may wait for dpkg's lock: what is left, but never 0.
lock_left() {
  left=$((lock_limit - locked_for))
  [ "$left" -gt 0 ] || left=1
  echo "$left"
}

# Without the error mode, lists that could not be read are no error to `update`. apt has it since
# 2.1.16, which all supported releases have: Debian 11 comes with 2.2.4.
apt() {
  settled apt-get -y -q -o "DPkg::Lock::Timeout=$(lock_left)" -o Acquire::Retries=3 \
    -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 \
    -o APT::Update::Error-Mode=any \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
}

# lists WORDS...: reads the package lists anew. Those of others that cannot be read, of an archived
# release or with a key that ran out, fail nothing yet: what is wanted may be had without them.
# An error that holds one of the words is about our own.
lists() {
  rm -f "$work/unread"
  apt update && return 0
  ! grep -q "$LOCKED\|$FULL" "$log" || return 1
  for words; do
    ! grep '^E' "$log" | grep -qF -e "$words" || return 1
  done
  cp "$log" "$work/unread" || return 1
  echo 'some package lists could not be read, going on without them'
}

# not_installed WORDS: ends as `fail` does, but tells of the lists that could not be read if they
# may be the cause.
not_installed() {
  if [ -e "$work/unread" ] && grep -q "$NOT_OFFERED" "$log"; then
    cp "$work/unread" "$log"
    fail 'the package lists could not be read'
  fi
  fail "$@"
}

# download URL FILE
download() {
  case "$1" in
    file://*)
      logged cp "${1#file://}" "$2"
      return
      ;;
    https://*)
      [ -e /etc/ssl/certs/ca-certificates.crt ] || ensure_curl
      ;;
  esac
  command -v curl >/dev/null || ensure_curl
  # AppArmor confines curl since its version 5 (Ubuntu 25.10), root's too: it may write below /tmp
  # and the home only, and other files that it is given are closed. A pipe is no file.
  fetched=$(mktemp "${TMPDIR:-/tmp}/stagecraft-download.XXXXXX" 2>"$log") || {
    cat "$log"
    return 1
  }
  said=$(curl -fsSL --retry 3 --connect-timeout 20 --max-time 120 "$1" -o "$fetched" 2>&1 </dev/null)
  fate=$?
  # It does not say why it could not write.
  room=
  [ "$fate" -ne 23 ] || room=$(full "$fetched")
  said=$said${room:+; $room}
  logged printf '%s' "${said:+$said
}"
  if [ "$fate" -eq 0 ]; then
    logged cp "$fetched" "$2"
    fate=$?
  fi
  rm -f -- "$fetched"
  return "$fate"
}

ensure_curl() {
  lists || fail 'the package lists could not be read'
  apt install ca-certificates curl || not_installed 'curl could not be installed'
}

# status PACKAGE: what dpkg knows of it, such as `ii ` or `hi ` for one on hold.
status() {
  dpkg-query -W -f='${db:Status-Abbrev}' "$1" 2>/dev/null
}

# is_installed PACKAGE
is_installed() {
  case $(status "$1") in
    ?i*) return 0 ;;
    *) return 1 ;;
  esac
}

# Packages start what they bring and wait for it, and Docker's unit waits for its daemon without
# end: one that hangs would hold up the installation, with the lock of dpkg. The limit is for
# engines that do not run yet, and for this script.
limited=/run/systemd/system/docker.service.d/stagecraft.conf
limit_start() {
  [ "$(systemctl is-active docker)" != active ] || return 0
  mkdir -p "${limited%/*}" && printf '[Service]\nTimeoutStartSec=180\n' >"$limited"
}

lift_limit() {
  if [ -e "$limited" ]; then
    rm -f "$limited"
    systemctl daemon-reload
  fi
}
