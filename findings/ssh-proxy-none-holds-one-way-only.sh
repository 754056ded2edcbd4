#!/usr/bin/env bash
# OpenSSH's client: `ProxyCommand none` keeps a later `ProxyJump` away, but `ProxyJump none` does
# not keep a later `ProxyCommand` away.
#
# ssh_config(5) says of both keywords that whichever comes first prevents later instances of the
# other. So `ProxyJump none` for one host, before a `ProxyCommand` for all, should mean a direct
# connection; the command is run all the same. Two words after ProxyJump are taken for the first,
# without a word about the second.
#
# Seen with openssh-client 1:9.2p1-2+deb12u10 of Debian 12:
#   ProxyJump none, then ProxyCommand nc gw 22   ->  proxycommand nc gw 22
#   ProxyCommand none, then ProxyJump gw         ->  neither
#   ProxyJump one two                            ->  proxyjump one
set -euo pipefail

version='1:9.2p1-2+deb12u10'
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
cd "$folder"
apt-get -qq download "openssh-client=$version"
dpkg-deb -x openssh-client_*.deb .

# proxies LINES...: what ssh makes of them for the host `web`.
proxies() {
  printf '%s\n' "$@" >config
  ./usr/bin/ssh -G -F config web 2>/dev/null </dev/null | grep -E '^proxy(jump|command) ' || true
}

expect() {
  if [ "$2" != "$3" ]; then
    printf '%s: expected "%s", found "%s"\n' "$1" "$3" "$2" >&2
    exit 1
  fi
  printf '%-34s %s\n' "$1" "${2:-(direct)}"
}

expect 'ProxyJump none first' \
  "$(proxies 'Host web' 'ProxyJump none' 'Host *' 'ProxyCommand nc gw 22')" \
  'proxycommand nc gw 22'
expect 'ProxyCommand none first' \
  "$(proxies 'Host web' 'ProxyCommand none' 'Host *' 'ProxyJump gw')" ''
expect 'ProxyJump with two words' "$(proxies 'Host web' 'ProxyJump one two')" 'proxyjump one'
