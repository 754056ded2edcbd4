# Reads the swap file of Stagecraft. Read only.
file=/var/swap.stagecraft
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
echo "free=$(stat -f -c '%a %S' /var/)"
echo 'probe=done'
