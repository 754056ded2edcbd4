# The first process of a container host: gives systemd what it needs, then becomes it.
set -e

# A cgroup tree of its own, where the engine gave it the machine's older hierarchies. The tree
# in which the machine keeps containers apart is left; the kernel removes the empty one with us.
if [ "$1" = --mount ]; then
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
elif [ "$(stat -f -c %T /sys/fs/cgroup)" != cgroup2fs ]; then
    umount -R /sys/fs/cgroup
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    own=/sys/fs/cgroup/stagecraft-$1
    mkdir -p "$own"
    echo 0 >"$own/cgroup.procs"
    umount /sys/fs/cgroup
    exec unshare --cgroup /bin/sh "$0" --mount
fi

# Settings of the network are the container's own; Docker inside sets some of them.
mount --bind /proc/sys/net /proc/sys/net
mount -o remount,bind,rw /proc/sys/net

exec /sbin/init
