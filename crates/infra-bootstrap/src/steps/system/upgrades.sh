# Reads whether the host upgrades itself. Read only.
if [ -x /usr/bin/unattended-upgrade ]; then
  echo 'program=there'
fi
if [ -r /etc/apt/apt.conf.d/99stagecraft-upgrades ]; then
  while read -r line; do
    printf 'line=%s\n' "$line"
  done </etc/apt/apt.conf.d/99stagecraft-upgrades
fi
echo 'probe=done'
