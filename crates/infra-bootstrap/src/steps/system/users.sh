# Reads the accounts $1 and so on, with their groups, keys and rights. Read only.
wanted=" $* "
# What lies in a home is up to the account: it is opened as the account and not as root, and only if
# it is a plain file; neither its length nor the time that it takes may hold up what else is read.
plain='[ -f "$1" ] && exec cat "$1"'
ours='setpriv --reuid="$1" --regid="$2" --init-groups sh -c "$5" sh "$4" | head -c 1048576 |
  sed -n "/^# stagecraft: begin\$/,/^# stagecraft: end\$/{/^# stagecraft: /d;s/^/key=$3:/p;}" |
  head -c 65536
echo'
while IFS=: read -r name _ id group _ home shell; do
  case "$wanted" in
    *" $name "*) ;;
    *) continue ;;
  esac
  case "$home" in
    /*) ;;
    *) continue ;;
  esac
  [ "$id" -ge 1000 ] && [ "$id" -lt 60000 ] || continue
  echo "user=$name:$home:$shell"
  if [ -e "/etc/sudoers.d/stagecraft-$name" ]; then
    echo "sudo=$name"
  fi
  timeout -k 1 5 sh -c "$ours" sh "$id" "$group" "$name" "$home/.ssh/authorized_keys" "$plain" </dev/null
done </etc/passwd
while IFS=: read -r name _ _ members; do
  echo "group=$name:$members"
done </etc/group
echo 'probe=done'
