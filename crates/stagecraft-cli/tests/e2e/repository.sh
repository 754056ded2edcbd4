# Makes a signed repository of packages under Docker's names in the folder $1. They are small, and
# do what is asked of them: the engine's installation stands still while /run/hold is there.
set -eu
cd "$1"
export GNUPGHOME="$1/gnupg"
mkdir -m 700 gnupg
gpg -q --batch --passphrase '' --quick-gen-key stand-in@example.org ed25519 sign never 2>/dev/null
mkdir pool
release=28.0.1

# pack NAME DEPENDS [CONFLICTS]: makes a package of the folder NAME.
pack() {
  mkdir -p "$1/DEBIAN"
  cat >"$1/DEBIAN/control" <<END
Package: $1
Version: 5:$release-1
Architecture: all
Maintainer: Nobody <nobody@example.org>
Description: Stand-in
${2:+Depends: $2}
${3:+Conflicts: $3}
END
  sed -i '/^$/d' "$1/DEBIAN/control"
  dpkg-deb -Znone --root-owner-group --build "$1" pool >/dev/null
}

mkdir -p docker-ce/usr/bin docker-ce/usr/lib/systemd/system docker-ce/DEBIAN
cat >docker-ce/usr/bin/dockerd <<'END'
#!/bin/sh
echo 'the stand-in begins'
[ ! -e /etc/docker/broken ] || { echo 'failed to start daemon: the stand-in is broken'; exit 1; }
touch /run/docker-answers
exec sleep infinity
END
chmod 755 docker-ce/usr/bin/dockerd
cat >docker-ce/usr/lib/systemd/system/docker.service <<'END'
[Unit]
StartLimitBurst=2
[Service]
ExecStartPre=rm -f /run/docker-answers
ExecStart=/usr/bin/dockerd
Restart=always
RestartSec=100ms
[Install]
WantedBy=multi-user.target
END
cat >docker-ce/DEBIAN/postinst <<'END'
#!/bin/sh
set -e
echo $$ >/run/inside
while [ -e /run/hold ]; do sleep 0.05; done
[ "$1" != configure ] || systemctl enable --now docker
END
chmod 755 docker-ce/DEBIAN/postinst
pack docker-ce 'docker-ce-cli, containerd.io' docker.io

mkdir -p docker-ce-cli/usr/bin
cat >docker-ce-cli/usr/bin/docker <<'END'
#!/bin/sh
# Only the host's own engine counts.
if [ "$1 $2" != '--host unix:///run/docker.sock' ] || [ -n "$DOCKER_HOST$DOCKER_CONTEXT" ]; then
  echo 'this is another engine' >&2
  exit 1
fi
shift 2
case "$1" in
--version) echo 'Docker version 28.0.1, build 0' ;;
compose) exec /usr/libexec/docker/cli-plugins/docker-compose ;;
version)
  if systemctl is-active -q docker && [ -e /run/docker-answers ]; then
    echo 'Engine 28.0.1;containerd 1.7.27;'
  else
    echo 'Cannot connect to the Docker daemon' >&2
    exit 1
  fi
  ;;
import) cat >/dev/null; echo sha256:0 ;;
run) [ ! -e /etc/docker/no-container ] || { echo 'docker: Error response from daemon: no' >&2; exit 125; } ;;
esac
END
chmod 755 docker-ce-cli/usr/bin/docker
pack docker-ce-cli ''

mkdir -p docker-compose-plugin/usr/libexec/docker/cli-plugins
printf '#!/bin/sh\necho 2.33.1\n' >docker-compose-plugin/usr/libexec/docker/cli-plugins/docker-compose
chmod 755 docker-compose-plugin/usr/libexec/docker/cli-plugins/docker-compose
pack docker-compose-plugin ''
# Not small: a disk can be too small for it.
mkdir -p containerd.io/opt/containerd
head -c 8000000 /dev/urandom >containerd.io/opt/containerd/stand-in
pack containerd.io '' 'containerd, runc'
plugins=usr/libexec/docker/cli-plugins
mkdir -p docker-buildx-plugin/$plugins
printf '#!/bin/sh\necho 0.21.1\n' >docker-buildx-plugin/$plugins/docker-buildx
pack docker-buildx-plugin ''
# Debian's, with the same files, of which neither side tells.
mkdir -p docker-buildx/$plugins docker-cli/usr/bin
cp docker-buildx-plugin/$plugins/docker-buildx docker-buildx/$plugins
cp docker-ce-cli/usr/bin/docker docker-cli/usr/bin
pack docker-buildx ''
pack docker-cli ''
pack containerd ''
pack runc ''
pack docker.io 'containerd, runc'

# An older version, which a configuration may name.
release=27.5.1
sed -i "s/28.0.1/$release/" docker-ce-cli/usr/bin/docker
pack docker-ce 'docker-ce-cli, containerd.io' docker.io
pack docker-ce-cli ''

suite=linux/debian/dists/trixie
packages=stable/binary-$(dpkg --print-architecture)/Packages
mkdir -p "$suite/$(dirname "$packages")"
mv pool linux/debian/pool
for package in linux/debian/pool/*.deb; do
  dpkg-deb -f "$package"
  echo "Filename: ${package#linux/debian/}"
  echo "Size: $(stat -c %s "$package")"
  echo "SHA256: $(sha256sum "$package" | cut -d ' ' -f 1)"
  echo
done >"$suite/$packages"
cd "$suite"
cat >Release <<END
Suite: trixie
Codename: trixie
Components: stable
Architectures: $(dpkg --print-architecture)
Date: $(LC_ALL=C date -u -R)
SHA256:
 $(sha256sum "$packages" | cut -d ' ' -f 1) $(stat -c %s "$packages") $packages
END
gpg -q --batch --clearsign -o InRelease Release
rm Release
gpg -q --armor --export >"$1/linux/debian/gpg"
gpgconf --kill all
