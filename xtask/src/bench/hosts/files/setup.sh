# Sets up a host of the benchmark: Docker's packages by name, with an engine that only sleeps, since
# fifty engines are too many for one machine.
set -e
cd /tmp/bench
dpkg --purge --force-depends docker.io docker-cli docker-compose docker-buildx containerd runc \
  docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin 2>/dev/null || true
rm -rf /etc/systemd/system/multi-user.target.wants/docker.service \
  /etc/systemd/system/multi-user.target.wants/containerd.service \
  /etc/systemd/system/sockets.target.wants/docker.socket

unit() {
  mkdir -p "$1/usr/lib/systemd/system"
  printf '[Unit]\nDescription=%s\n[Service]\nExecStart=/usr/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n' \
    "$2" >"$1/usr/lib/systemd/system/$2.service"
}

program() {
  mkdir -p "$1/$(dirname "$2")"
  cp docker.sh "$1/$2"
  chmod 755 "$1/$2"
}

unit docker-ce docker
program docker-ce usr/bin/dockerd
program docker-ce-cli usr/bin/docker
unit containerd.io containerd
program docker-buildx-plugin usr/libexec/docker/cli-plugins/docker-buildx
program docker-compose-plugin usr/libexec/docker/cli-plugins/docker-compose
for package in docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin; do
  mkdir -p "$package/DEBIAN"
  cat >"$package/DEBIAN/control" <<END
Package: $package
Version: 5:27.5.1-1~debian.13~trixie
Architecture: all
Maintainer: Stagecraft <stagecraft@example.org>
Description: stand-in for a benchmark
END
  dpkg-deb --root-owner-group --build "$package" >/dev/null
done
dpkg --install ./*.deb
systemctl enable docker containerd
getent group docker >/dev/null || groupadd --system docker
# cloud-init has run, and does not run again.
mkdir -p /var/lib/cloud/instance
touch /etc/cloud/cloud-init.disabled /var/lib/cloud/instance/boot-finished
# Programs that would wake up during measurements.
systemctl mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer \
  systemd-tmpfiles-clean.timer
ln -sf /usr/share/zoneinfo/Etc/UTC /etc/localtime
rm -f /etc/ssh/ssh_host_*
install -m 755 boot.sh /boot.sh
