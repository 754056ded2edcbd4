#!/bin/sh
# The first process of a host: it installs its keys, then gives systemd its own cgroup tree if the
# engine has not given it one.
set -e
cp /bench/ssh_host_ed25519_key /bench/ssh_host_ed25519_key.pub /etc/ssh/
chmod 600 /etc/ssh/ssh_host_ed25519_key
mkdir -p -m 700 /root/.ssh
cp /bench/authorized_keys /root/.ssh/authorized_keys
ip address add "$ADDRESS" dev eth0
mount -o remount,rw /proc/sys
if [ "$(stat -f -c %T /sys/fs/cgroup)" != cgroup2fs ]; then
  umount -R /sys/fs/cgroup
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  group=/sys/fs/cgroup/$(cat /proc/sys/kernel/hostname)
  mkdir -p "$group"
  echo 0 >"$group/cgroup.procs"
  umount /sys/fs/cgroup
  exec unshare --cgroup sh -c 'mount -t cgroup2 cgroup2 /sys/fs/cgroup; exec /sbin/init'
fi
exec /sbin/init
