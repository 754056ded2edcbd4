# Set before: value, 1 or 0, or nothing if our file is to go; text, what it holds.
file=/etc/apt/apt.conf.d/99stagecraft-upgrades
if [ "$value" = 1 ] && ! command -v unattended-upgrade >/dev/null; then
  lists || fail 'the package lists could not be read'
  apt install unattended-upgrades || not_installed 'unattended-upgrades could not be installed'
fi
if [ -z "$value" ]; then
  rm -f "$file" || fail "$file could not be removed"
  forget upgrades
else
  remember upgrades
  printf '%s\n' "$text" | put "$file" 644 || exit 1
fi
