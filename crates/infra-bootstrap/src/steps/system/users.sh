# Reads accounts, groups, keys and rights. Read only, and without a program.
while IFS=: read -r name _ id _ _ home shell; do
  case "$home" in
    /*) ;;
    *) continue ;;
  esac
  [ "$id" -ge 1000 ] && [ "$id" -lt 60000 ] || continue
  echo "user=$name:$home:$shell"
  if [ -e "/etc/sudoers.d/stagecraft-$name" ]; then
    echo "sudo=$name"
  fi
  if [ -r "$home/.ssh/authorized_keys" ]; then
    ours=
    while read -r line; do
      case "$line" in
        '# stagecraft: begin') ours=yes ;;
        '# stagecraft: end') ours= ;;
        *) [ -z "$ours" ] || printf 'key=%s:%s\n' "$name" "$line" ;;
      esac
    done <"$home/.ssh/authorized_keys"
  fi
done </etc/passwd
while IFS=: read -r name _ _ members; do
  echo "group=$name:$members"
done </etc/group
echo 'probe=done'
