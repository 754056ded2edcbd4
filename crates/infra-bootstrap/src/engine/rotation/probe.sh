# Reads which host key lies in its place, and whether another waits beside it. Read only.
file=/etc/ssh/ssh_host_ed25519_key
if [ -r "$file.pub" ]; then
  read -r line <"$file.pub"
  printf 'key=%s\n' "$line"
fi
if [ -e "$file.stagecraft-next" ]; then
  echo "next=1"
fi
