set -u
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a LC_ALL=C.UTF-8

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

apt() {
  apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@" </dev/null
}

# The lock timeout of apt covers dpkg's lock but not the one of the package lists.
update() {
  attempts=60
  while :; do
    if output=$(apt update 2>&1); then
      return 0
    fi
    case $output in
      *'Could not get lock'* | *'Unable to lock'*) ;;
      *)
        printf '%s\n' "$output" >&2
        return 1
        ;;
    esac
    attempts=$((attempts - 1))
    if [ "$attempts" -le 0 ]; then
      printf '%s\n' "$output" >&2
      return 1
    fi
    sleep 5
  done
}

# A package operation that was cut off has to be finished before the next one.
install_packages() {
  if output=$(apt install -y "$@" 2>&1); then
    return 0
  fi
  case $output in
    *'dpkg was interrupted'*)
      dpkg --configure -a </dev/null >&2 || return 1
      apt install -y "$@" >&2
      ;;
    *)
      printf '%s\n' "$output" >&2
      return 1
      ;;
  esac
}

fetch() {
  if command -v curl >/dev/null 2>&1; then
    curl -fsSL --proto '=https' --connect-timeout 20 --max-time 120 --retry 3 -o "$2" "$1"
  else
    wget -q --https-only --timeout=20 --tries=3 -O "$2" "$1"
  fi
}

if ! command -v curl >/dev/null 2>&1 && ! command -v wget >/dev/null 2>&1; then
  update || fail 'package lists could not be read'
  install_packages ca-certificates curl || fail 'curl could not be installed'
fi

work=$(mktemp -d) || fail 'no temporary directory'
trap 'rm -rf -- "$work"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

base="https://pkgs.tailscale.com/stable/$os_id/$os_codename"
fetch "$base.noarmor.gpg" "$work/key" || fail "no signing key at $base.noarmor.gpg"
fetch "$base.tailscale-keyring.list" "$work/list" || fail "no package source at $base.tailscale-keyring.list"
if [ ! -s "$work/key" ] || [ ! -s "$work/list" ]; then
  fail "empty answer from $base"
fi
mkdir -p /usr/share/keyrings /etc/apt/sources.list.d || fail 'no place for the package source'
install -m 0644 "$work/key" /usr/share/keyrings/tailscale-archive-keyring.gpg || fail 'signing key could not be written'
install -m 0644 "$work/list" /etc/apt/sources.list.d/tailscale.list || fail 'package source could not be written'

update || fail 'package lists could not be read'
install_packages tailscale tailscale-archive-keyring || fail 'tailscale could not be installed'
if command -v systemctl >/dev/null 2>&1; then
  systemctl enable --now tailscaled </dev/null || fail 'tailscaled could not be started'
fi
