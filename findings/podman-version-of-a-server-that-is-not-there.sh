#!/usr/bin/env bash
# podman: `version --format '{{.Server.Version}}'` prints a version and ends with 0 although there is
# no server. A script that asks Docker this question, to learn whether its engine answers, gets a yes
# from Podman under the name of `docker`.
#
# Seen with podman 4.3.1+ds1-8+deb12u1+b3 of Debian 12, no service running:
#   {{json .Server}}                                  ->  null, ends with 0
#   {{.Server.Version}}                               ->  4.3.1, ends with 0
#   {{range .Server.Components}}{{.Name}} {{end}}     ->  an error, ends with 125
# Docker's engine has the components (`Engine`, `containerd`, ...), so the last question distinguishes
# the two.
set -euo pipefail

version='4.3.1+ds1-8+deb12u1+b3'
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
cd "$folder"
apt-get -qq download "podman=$version" conmon=2.1.6+ds1-1 golang-github-containers-common \
  libgpgme11 libassuan0 libsubid4 libdevmapper1.02.1 libseccomp2 2>error || {
  cat error >&2
  exit 1
}
for package in *.deb; do
  dpkg-deb -x "$package" .
done
libraries=$folder/usr/lib/x86_64-linux-gnu:$folder/lib/x86_64-linux-gnu

# ask FORMAT: what podman prints, and how it ends.
ask() {
  code=0
  said=$(LD_LIBRARY_PATH=$libraries ./usr/bin/podman --conmon "$folder/usr/bin/conmon" --storage-driver vfs \
    --root "$folder/root" --runroot "$folder/runroot" version --format "$1" 2>/dev/null) || code=$?
  echo "$said, $code"
}

expect() {
  found=$(ask "$1")
  if [ "$found" != "$2" ]; then
    printf '%s: expected "%s", found "%s"\n' "$1" "$2" "$found" >&2
    exit 1
  fi
  printf '%-48s %s\n' "$1" "$found"
}

expect '{{json .Server}}' 'null, 0'
expect '{{.Server.Version}}' '4.3.1, 0'
expect '{{range .Server.Components}}{{.Name}} {{end}}' ', 125'
