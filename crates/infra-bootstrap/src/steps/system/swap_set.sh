# Set before: size, in MiB; 0 for none.
file=/var/swap.stagecraft
while read -r name rest; do
  if [ "$name" = "$file" ]; then
    swapoff "$file" || fail 'the swap file is in use and cannot be taken away'
  fi
done </proc/swaps
rm -f "$file"
# The table of file systems without our line; everything else stays as it is. In its place at once:
# a file that could not be made again must not be asked for at boot.
if [ -e /etc/fstab ]; then
  cp -p /etc/fstab /etc/fstab.stagecraft-new || fail '/etc/fstab cannot be copied'
  grep -v '^/var/swap\.stagecraft[[:space:]]' /etc/fstab >/etc/fstab.stagecraft-new
  [ $? -le 1 ] && mv -f /etc/fstab.stagecraft-new /etc/fstab || fail '/etc/fstab cannot be written'
fi
if [ "$size" -gt 0 ]; then
  remember swap
  undo() {
    swapoff "$file" 2>/dev/null
    rm -f "$file" /etc/fstab.stagecraft-new
    fail "$@"
  }
  (umask 077 && : >"$file") || undo "$file cannot be made"
  fallocate -l "${size}M" "$file" || dd if=/dev/zero of="$file" bs=1M count="$size" ||
    undo "$file cannot be filled"
  mkswap "$file" || undo "$file cannot be made a swap file"
  swapon "$file" || undo "$file cannot be used as swap"
  if [ -e /etc/fstab ]; then
    cp -p /etc/fstab /etc/fstab.stagecraft-new || undo '/etc/fstab cannot be copied'
  fi
  echo "$file none swap sw 0 0" >>/etc/fstab.stagecraft-new &&
    mv -f /etc/fstab.stagecraft-new /etc/fstab || undo '/etc/fstab cannot be written'
else
  forget swap
fi
