# Builds a control server, and a repository that looks like Tailscale's own, from the sources of
# headscale and Tailscale. Runs in a container of a lab image as root; writes to /out/mesh.
set -eu
umask 022
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
# The newest ones that Debian 13's Go can build.
headscale=v0.26.1
tailscale=v1.86.5

apt-get update -qq
apt-get install -qq --yes --no-install-recommends apt-utils git gnupg golang-go >/dev/null

work=$(mktemp -d)
out=/out/mesh
rm -rf "$out"
mkdir -p "$out/packages/stable/debian"

# built MODULE VERSION PROGRAM TAGS FILE: builds a program of a module.
built() {
  mkdir "$work/$5"
  (
    cd "$work/$5"
    export GOFLAGS=-mod=mod GOTOOLCHAIN=local CGO_ENABLED=0
    go mod init lab 2>/dev/null
    # Keeps the module in go.mod.
    printf '//go:build tools\n\npackage lab\n\nimport _ "%s"\n' "$1/cmd/$3" >tools.go
    go get "$1@$2" 2>/dev/null
    go build -trimpath -ldflags '-s -w' -tags "$4" -o "$work/bin/$5" "$1/cmd/$3"
  )
}
built github.com/juanfont/headscale "$headscale" headscale '' headscale
# Both programs in one binary, chosen by the name under which it is called.
built tailscale.com "$tailscale" tailscaled ts_include_cli tailscaled
mv "$work/bin/headscale" "$out/headscale"

architecture=$(dpkg --print-architecture)
base=$out/packages/stable/debian
version=${tailscale#v}

# packed NAME DEPENDS: builds a package from the files in $work/NAME.
packed() {
  mkdir -p "$work/$1/DEBIAN"
  {
    echo "Package: $1"
    echo "Version: $version"
    echo "Architecture: $architecture"
    echo "Maintainer: Stagecraft's lab <lab@example.com>"
    echo "Section: net"
    echo "Priority: optional"
    [ -z "$2" ] || echo "Depends: $2"
    echo "Description: $1, built from its sources for a lab"
  } >"$work/$1/DEBIAN/control"
  mkdir -p "$base/pool"
  dpkg-deb --root-owner-group -Zgzip -z1 -b "$work/$1" "$base/pool/$1_$architecture.deb" >/dev/null
}

GNUPGHOME=$work/keys
export GNUPGHOME
mkdir -m 700 "$GNUPGHOME"
gpg --batch --quiet --passphrase '' --quick-gen-key 'Lab <lab@example.com>' rsa3072 sign never
keyring=usr/share/keyrings/tailscale-archive-keyring.gpg

root=$work/tailscale
mkdir -p "$root/usr/bin" "$root/usr/sbin" "$root/lib/systemd/system" "$root/etc/default" "$root/DEBIAN"
mv "$work/bin/tailscaled" "$root/usr/sbin/tailscaled"
ln -s ../sbin/tailscaled "$root/usr/bin/tailscale"
echo 'PORT="41641"' >"$root/etc/default/tailscaled"
echo /etc/default/tailscaled >"$root/DEBIAN/conffiles"
cat >"$root/lib/systemd/system/tailscaled.service" <<'END'
[Unit]
Description=Tailscale node agent
Wants=network-pre.target
After=network-pre.target

[Service]
EnvironmentFile=/etc/default/tailscaled
ExecStart=/usr/sbin/tailscaled --state=/var/lib/tailscale/tailscaled.state --socket=/run/tailscale/tailscaled.sock --port=${PORT}
Restart=on-failure
RuntimeDirectory=tailscale
RuntimeDirectoryMode=0755
StateDirectory=tailscale
StateDirectoryMode=0700
Type=notify

[Install]
WantedBy=multi-user.target
END
printf '#!/bin/sh\nset -e\nsystemctl daemon-reload\nsystemctl enable --now tailscaled\n' >"$root/DEBIAN/postinst"
chmod 755 "$root/DEBIAN/postinst"
packed tailscale iptables
mkdir -p "$work/tailscale-archive-keyring/usr/share/keyrings"
gpg --batch --export >"$work/tailscale-archive-keyring/$keyring"
packed tailscale-archive-keyring ''

cd "$base"
for suite in bookworm trixie; do
  gpg --batch --export >"$suite.noarmor.gpg"
  echo "deb [signed-by=/$keyring] https://pkgs.tailscale.com/stable/debian $suite main" >"$suite.tailscale-keyring.list"
  lists=dists/$suite/main/binary-$architecture
  mkdir -p "$lists"
  apt-ftparchive packages pool >"$lists/Packages"
  gzip -k -f "$lists/Packages"
  apt-ftparchive -o APT::FTPArchive::Release::Origin=Lab \
    -o APT::FTPArchive::Release::Suite=$suite -o APT::FTPArchive::Release::Codename=$suite \
    -o APT::FTPArchive::Release::Components=main \
    -o "APT::FTPArchive::Release::Architectures=$architecture" \
    release "dists/$suite" >"$work/Release"
  gpg --batch --quiet --yes --clearsign -o "dists/$suite/InRelease" "$work/Release"
done
touch "$out/made"
