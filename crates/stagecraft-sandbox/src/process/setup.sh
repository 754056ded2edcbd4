# Builds a host's file system inside fresh namespaces and becomes its init.
# Standard input is the host's lifeline: the host ends when it is closed.
set -eu
umask 022
name=$1
init=$2

# The /proc seen here is still the outside's, so this is the outside's process id.
read -r outside_pid _ </proc/self/stat

hostname "$name"
ip link set lo up 2>/dev/null || :

root=/tmp
mount -n -t tmpfs -o size=2g,nr_inodes=131072,mode=755 sandbox "$root"
cd "$root"
mkdir dev dev/shm etc home media mnt old opt proc root run srv sys tmp usr var
chmod 1777 dev/shm tmp
chmod 700 root

mount -n --rbind /usr usr
for directory in bin sbin lib lib32 lib64 libx32; do
    if [ -L "/$directory" ]; then
        ln -s "$(readlink "/$directory")" "$directory"
    elif [ -d "/$directory" ]; then
        mkdir "$directory"
        mount -n --rbind "/$directory" "$directory"
    fi
done
for node in null zero full random urandom tty; do
    if [ -c "/dev/$node" ]; then
        : >"dev/$node"
        mount -n --bind "/dev/$node" "dev/$node"
    fi
done
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
if [ -d /etc/alternatives ]; then
    mkdir etc/alternatives
    mount -n --bind /etc/alternatives etc/alternatives
fi
if [ -f /etc/ld.so.cache ]; then
    : >etc/ld.so.cache
    mount -n --bind /etc/ld.so.cache etc/ld.so.cache
fi

# What the machine has and a fresh cloud host has not.
: >.masked
chmod 000 .masked
for program in docker dockerd containerd docker-compose tailscale tailscaled cloud-init snap; do
    for directory in usr/bin usr/sbin; do
        if [ -f "$directory/$program" ]; then
            mount -n --bind .masked "$directory/$program"
        fi
    done
done
rm .masked

# Everything of the machine becomes read-only, mount by mount: `ro=recursive`
# needs a newer util-linux. The other flags are locked and must be repeated.
while read -r _ _ _ _ point options _; do
    case $point in
    "$root"/*) ;;
    *) continue ;;
    esac
    point=$(printf '%b' "$point")
    # A mount of the machine below /tmp, which the new root hides.
    [ -e "$point" ] || continue
    case $options in
    rw) mount -n -o remount,bind,ro none "$point" ;;
    rw,*) mount -n -o "remount,bind,ro,${options#rw,}" none "$point" ;;
    esac
done </proc/self/mountinfo

mount -n -t tmpfs -o size=64m,mode=755 sandbox usr/local
mkdir usr/local/bin usr/local/lib usr/local/sbin
# Vendors' instructions put the keys of their repositories here.
if [ -d usr/share/keyrings ]; then
    mount -n -t tmpfs -o size=4m,mode=755 sandbox usr/share/keyrings
fi
mount -n -t proc -o nosuid,nodev,noexec proc proc
pivot_root . old
cd /
umount -l /old
rmdir /old

# The second user namespace owns none of the mounts above, which locks them.
echo "$outside_pid"
exec unshare --user --map-root-user --mount -- /bin/sh -c "$init"
