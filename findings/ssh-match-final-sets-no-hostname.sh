#!/usr/bin/env bash
# OpenSSH's client: under `Match final` a HostName is dropped without a word, while every other
# keyword beside it counts.
#
# `Match final` asks for a second reading of the file, after the host name is settled. ssh_config(5)
# lists no keyword that may not stand there, and neither a warning nor an error is printed.
#
# Seen with openssh-client 1:9.2p1-2+deb12u10 of Debian 12:
#   Match final host web / HostName 192.0.2.7 / Port 2222   ->  hostname web, port 2222
#   Match host web       / HostName 192.0.2.7 / Port 2222   ->  hostname 192.0.2.7, port 2222
set -euo pipefail

version='1:9.2p1-2+deb12u10'
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
cd "$folder"
apt-get -qq download "openssh-client=$version"
dpkg-deb -x openssh-client_*.deb .

# place CRITERIA: the host and port that ssh would connect to.
place() {
  printf '%s\n' "Match $1" 'HostName 192.0.2.7' 'Port 2222' >config
  ./usr/bin/ssh -G -F config web 2>error </dev/null | grep -E '^(hostname|port) ' | tr '\n' ' '
  grep -v '^Pseudo-terminal' error || true
}

expect() {
  if [ "$2" != "$3" ]; then
    printf '%s: expected "%s", found "%s"\n' "$1" "$3" "$2" >&2
    exit 1
  fi
  printf '%-14s %s\n' "$1" "$2"
}

expect 'final host web' "$(place 'final host web')" 'hostname web port 2222 '
expect 'host web' "$(place 'host web')" 'hostname 192.0.2.7 port 2222 '
