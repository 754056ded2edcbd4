#!/usr/bin/env bash
# cloud-init: the kind of user data is decided by how its first line begins, whatever follows and in
# either case. A sentence that begins with one of the marks is a part of that kind.
#
# Seen with cloud-init 22.4.2-1+deb12u4 of Debian 12:
#   '#cloud-config'                            ->  text/cloud-config
#   '#Cloud-Configuration is kept elsewhere'   ->  text/cloud-config
#   '#Includes nothing that is secret'         ->  text/x-include-url
#   '# cloud-config'                           ->  none, the text is ignored
# So a text whose first comment reads "#Includes ..." is taken for a list of addresses to fetch, and
# one whose comment reads "#cloud-configuration ..." has to be YAML.
set -euo pipefail

version='22.4.2-1+deb12u4'
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
chmod 755 "$folder"
cd "$folder"
apt-get -qq download "cloud-init=$version" 2>error || {
  cat error >&2
  exit 1
}
dpkg-deb -x cloud-init_*.deb .
python3 -m pip install --quiet --target libraries PyYAML==6.0.2 requests==2.32.3 2>error || {
  cat error >&2
  exit 1
}

PYTHONPATH=libraries python3 - "$folder/usr/lib/python3/dist-packages" <<'PYTHON'
import sys

sys.path.insert(0, sys.argv[1])
from cloudinit import handlers

for line, expected in [
    ("#cloud-config", "text/cloud-config"),
    ("#Cloud-Configuration is kept elsewhere", "text/cloud-config"),
    ("#Includes nothing that is secret", "text/x-include-url"),
    ("# cloud-config", None),
]:
    found = handlers.type_from_starts_with(line + "\n")
    if found != expected:
        sys.exit(f"{line}: expected {expected}, found {found}")
    print(f"{line!r:45} {found}")
PYTHON
