# sweep: removes what killed commands have left. Nothing else uses these names while the lock is
# held. Others may write to some of these places: what is theirs stays, and no link is followed.
sweep() {
  for left in /run/stagecraft-work.?????? "${TMPDIR:-/tmp}"/stagecraft-work.?????? \
    /var/tmp/stagecraft-work.?????? /dev/shm/stagecraft-work.?????? \
    "${TMPDIR:-/tmp}"/stagecraft-download.??????; do
    if [ ! -L "$left" ] && [ -O "$left" ]; then
      rm -rf -- "$left"
    fi
  done
  # Only root may write here, and the time zone is a link itself.
  for left in /etc/*.stagecraft-new /etc/apt/apt.conf.d/*.stagecraft-new \
    /etc/apt/keyrings/*.stagecraft-new /etc/apt/sources.list.d/*.stagecraft-new \
    /etc/sudoers.d/*.stagecraft-new /etc/sysctl.d/*.stagecraft-new \
    /var/lib/stagecraft/*.stagecraft-new "${HOME:-/root}"/.ssh/authorized_keys.stagecraft-new; do
    if [ -e "$left" ] || [ -L "$left" ]; then
      rm -f -- "$left"
    fi
  done
  # The limit for the start of docker.
  left=/run/systemd/system/docker.service.d/stagecraft.conf
  if [ -e "$left" ]; then
    rm -f -- "$left"
    timeout 30 systemctl daemon-reload
  fi
}
