# Removes everything that the benchmark created, once the benchmark has ended for any reason: its
# end closes the standard input.
# Usage: guard.sh DIRECTORY NAME INSTANCES
trap '' INT TERM HUP
cat >/dev/null
directory=$1 name=$2 instances=$3
for group in /sys/fs/cgroup/cpuacct/"$name"-* /sys/fs/cgroup/"$name"-*; do
  # The hosts' processes end with their containers.
  case "$group" in *-all) continue ;; esac
  if [ -d "$group" ]; then
    while read -r pid; do kill -KILL "$pid"; done <"$group/cgroup.procs"
  fi
done
# The cloud, which runs in the directory.
for process in /proc/[0-9]*; do
  [ "$(readlink "$process/cwd")" != "$directory" ] || kill -KILL "${process#/proc/}"
done
hosts=$(docker ps -aq --filter "label=$name")
# One after the other: an engine that gets many requests at a time may leave some on the network.
for host in $hosts; do docker rm -f "$host"; done
for network in $(docker network ls -q --filter "label=$name"); do docker network rm "$network"; done
docker image rm "$name"
sysctl -q -w "fs.inotify.max_user_instances=$instances"
for group in /sys/fs/cgroup/*/"$name"-* /sys/fs/cgroup/"$name"-*; do
  [ ! -d "$group" ] || find "$group" -depth -type d -exec rmdir {} ';'
done
rm -rf "$directory"
