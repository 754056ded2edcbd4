# Reads whether a host is ready for changes. Read only. Starts as few programs as can be: fleets are
# looked at often, and nearly always are as wanted.
echo "uid=$(id -u)"
echo "system=$(. /etc/os-release && echo "$PRETTY_NAME")"
boot=absent
stuck=no
if [ -d /run/cloud-init ]; then
  boot=running
  if [ -e /run/cloud-init/disabled ]; then
    boot=disabled
  elif [ ! -e /run/cloud-init/result.json ]; then
    # Nothing of it runs or waits to run, and the system has started: it does not go on.
    case "$(systemctl is-system-running 2>&1)" in
      running | degraded | maintenance)
        units=$(systemctl list-jobs --no-legend --no-pager 'cloud-*' 2>&1
          systemctl list-units --no-legend --no-pager --plain \
            --state=activating,reloading,deactivating,running 'cloud-*.service' 2>&1)
        [ -n "$units" ] || stuck=yes
        ;;
    esac
  fi
  # It may have ended meanwhile, or when the host ran before.
  if [ -e /run/cloud-init/result.json ] || [ -e /var/lib/cloud/instance/boot-finished ]; then
    boot=finished
  elif [ "$stuck" = yes ]; then
    boot=stuck
  fi
fi
echo "boot=$boot"
# Each line with the file that it is from.
if [ "$boot" != absent ]; then
  { cd /run/cloud-init && grep -sHm 1000 '' result.json status.json; } | cut -c 1-8192
fi

# Whether process $1 has file $2 open. Inode numbers alone are not unique in /proc/locks.
has_open() {
  for descriptor in "/proc/$1/fd/"*; do
    if [ "$descriptor" -ef "$2" ]; then
      return 0
    fi
  done
  return 1
}

# Our own first: an earlier run that is in the middle of dpkg holds several.
for lock in /run/stagecraft.lock /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock \
  /var/lib/apt/lists/lock /var/cache/apt/archives/lock; do
  if [ -e "$lock" ]; then
    set -- "$@" "$lock"
  fi
done
[ $# -eq 0 ] || stat -c '%i %n' "$@" | while read -r inode lock; do
  pids=
  while read -r _ _ _ _ pid place _; do
    case "$place" in
      *:"$inode") pids="$pids $pid" ;;
    esac
  done </proc/locks
  # The process that took our own lock is flock(1), which has ended: the file names the holder.
  label=
  if [ "$lock" = /run/stagecraft.lock ]; then
    owner=
    read -r owner label <"$lock"
    pids="$pids $owner"
  fi
  for pid in $pids; do
    case "$pid" in *[!0-9]*) continue ;; esac
    if has_open "$pid" "$lock"; then
      command=$(tr '\0' ' ' <"/proc/$pid/cmdline" | cut -c 1-200)
      echo "locked=$lock $pid ${label:-$command}"
      break
    fi
  done
done

if [ "$boot" = running ]; then
  echo "evidence:"
  stage=$(sed -n '/"stage"/{s/.*"stage": *"\{0,1\}\([a-z-]*\).*/\1/p;q}' /run/cloud-init/status.json)
  echo "cloud-init is in its stage ${stage:-unknown}"
  # What its services run now.
  for service in /sys/fs/cgroup/system.slice/cloud-*.service/cgroup.procs; do
    [ -r "$service" ] || continue
    while read -r pid; do
      command=$(tr '\0\n' '  ' <"/proc/$pid/cmdline" | cut -c 1-200)
      [ -z "$command" ] || echo "process $pid runs: $command"
    done <"$service" | tail -n 5
  done
  # Without its tables of addresses and routes.
  tail -n 60 /var/log/cloud-init-output.log | grep -v '^ci-info:' | tail -n 10
fi
# Why it does not run.
case "$boot" in
  disabled | stuck)
    echo "evidence:"
    if [ -e /etc/cloud/cloud-init.disabled ]; then
      echo "/etc/cloud/cloud-init.disabled is there"
    fi
    read -r line </proc/cmdline
    case " $line " in
      *' cloud-init=disabled '*) echo "the kernel's command line says cloud-init=disabled" ;;
    esac
    if [ "$boot" = disabled ]; then
      tail -n 3 /run/cloud-init/ds-identify.log 2>/dev/null
    else
      for unit in cloud-init-local cloud-init cloud-init-network cloud-config cloud-final; do
        state=$(systemctl show --property=LoadState,ActiveState,Result "$unit.service" | tr '\n' ' ')
        case "$state" in
          *LoadState=loaded*) echo "$unit.service: $state" ;;
        esac
      done
      journalctl -b -t systemd -p warning -o cat -n 200 --no-pager |
        grep -e 'ordering cycle' | tail -n 5
    fi
    ;;
esac
