# Set before: value, 1 or 0.
if [ "$value" = 1 ] && ! command -v unattended-upgrade >/dev/null; then
  lists || fail 'the package lists could not be read'
  apt install unattended-upgrades || not_installed 'unattended-upgrades could not be installed'
fi
printf '%s\n' "$text" >/etc/apt/apt.conf.d/99stagecraft-upgrades.new &&
  mv -f /etc/apt/apt.conf.d/99stagecraft-upgrades.new /etc/apt/apt.conf.d/99stagecraft-upgrades ||
  fail 'the configuration of apt could not be written'
