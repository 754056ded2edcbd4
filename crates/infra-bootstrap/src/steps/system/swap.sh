# Reads the swap file of Stagecraft, and whether the record has it. Read only.
# With $1, that no swap is declared, there is nothing else to be known without a file.
file=/var/swap.stagecraft
if [ -r /var/lib/stagecraft/given ]; then
  while read -r line; do
    [ "$line" != swap ] || echo 'given=swap'
  done </var/lib/stagecraft/given
fi
while read -r name kind size rest; do
  if [ "$name" = "$file" ]; then
    echo "active=$size"
  fi
done </proc/swaps
if [ -e "$file" ]; then
  echo "size=$(stat -c %s "$file")"
fi
while read -r name rest; do
  if [ "$name" = "$file" ]; then
    echo 'fstab=there'
  fi
done </etc/fstab
[ -n "$1" ] || echo "free=$(stat -f -c '%a %S' /var/)"
echo 'probe=done'
