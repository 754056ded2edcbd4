# Reads whether the host upgrades itself. Read only. The program is looked for where apt's daily
# job looks for it: in the search path.
if [ -r /var/lib/stagecraft/given ]; then
  while read -r line; do
    [ "$line" != upgrades ] || echo 'given=upgrades'
  done </var/lib/stagecraft/given
fi
if command -v unattended-upgrade >/dev/null; then
  echo 'program=there'
fi
if [ -r /etc/apt/apt.conf.d/99stagecraft-upgrades ]; then
  while read -r line; do
    printf 'line=%s\n' "$line"
  done </etc/apt/apt.conf.d/99stagecraft-upgrades
fi
echo 'probe=done'
