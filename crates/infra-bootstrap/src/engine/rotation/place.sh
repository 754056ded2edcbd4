# Puts the host's own key in its place, and has the SSH server show it. The key before it comes
# back if the server would not start with the new one.
set -u
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
file=/etc/ssh/ssh_host_ed25519_key
next=$file.stagecraft-next
old=$file.stagecraft-old

# sshd wants to be called by its whole path.
server=$(command -v sshd) || {
  echo 'there is no sshd' >&2
  exit 1
}

has_systemd() {
  [ -d /run/systemd/system ] && command -v systemctl >/dev/null
}

reload() {
  if has_systemd; then
    for unit in ssh sshd; do
      if systemctl is-active --quiet "$unit.service"; then
        systemctl reload "$unit.service" && return 0
        # A unit that cannot be reloaded. What serves connections now stays.
        systemctl kill --kill-who=main --signal=HUP "$unit.service" && return 0
      fi
    done
    for unit in ssh sshd; do
      # Every connection starts a server of its own, which reads the key by itself.
      systemctl is-active --quiet "$unit.socket" && return 0
    done
  fi
  for record in /run/sshd.pid /var/run/sshd.pid; do
    [ -r "$record" ] && read -r pid <"$record" && kill -HUP "$pid" && return 0
  done
  echo 'no SSH server was found to reload' >&2
  return 1
}

# public FILE: the public half of a private key, without its comment.
public() {
  half=$(ssh-keygen -y -P '' -f "$1" 2>/dev/null) || return 1
  set -f
  set -- $half
  echo "${1:-} ${2:-}"
}

mkdir -p /run/sshd
if ! "$server" -t; then
  echo 'sshd refuses its configuration as it stands; nothing was changed' >&2
  exit 1
fi
if [ -e "$next" ]; then
  rm -f "$old" "$old.pub"
  if [ -e "$file" ]; then
    ln "$file" "$old" || exit 1
  fi
  kind='' key=''
  if [ -r "$file.pub" ]; then
    read -r kind key _ <"$file.pub"
  fi
  if half=$(public "$file") && [ "$half" != "$kind $key" ]; then
    # A kill between the two renames below leaves the public half of another key. Only the key that
    # came with the host is ever replaced.
    echo "$half stagecraft-first" >"$old.pub" || exit 1
  elif [ -e "$file.pub" ]; then
    ln "$file.pub" "$old.pub" || exit 1
  fi
  # The private half last: from then on the key counts.
  if [ -e "$next.pub" ]; then
    mv -f "$next.pub" "$file.pub" || exit 1
  fi
  mv -f "$next" "$file" || exit 1
  sync
  if ! "$server" -t; then
    echo 'sshd refuses its new host key; the one before it is back' >&2
    if [ -e "$old" ]; then
      mv -f "$old" "$file"
    else
      rm -f "$file"
    fi
    if [ -e "$old.pub" ]; then
      mv -f "$old.pub" "$file.pub"
    else
      rm -f "$file.pub"
    fi
    sync
    exit 1
  fi
fi
reload || exit 1
rm -f "$old" "$old.pub"
