# Set before: lines, of the form key=value, with slashes in the keys; wanted, the keys between
# spaces; undeclared, 1 if the file declares none, so that only what the record has is undone.
kept=/etc/sysctl.d/zz-stagecraft.conf
# former KEY: the record's words of what a setting was before.
former() {
  [ ! -e "$record" ] || sed -n "s|^sysctl $1 ||p" "$record"
}

# lost: the keys of the record that are not wanted.
lost() {
  [ ! -e "$record" ] || sed -n 's/^sysctl \([^ ]*\) .*/\1/p' "$record" | while read -r key; do
    case "$wanted" in
      *" $key "*) ;;
      *) echo "$key" ;;
    esac
  done
}

printf '%s' "$lines" | while IFS='=' read -r key value; do
  [ -e "/proc/sys/$key" ] || fail "the kernel has no setting $key"
  if [ -z "$(former "$key")" ] && ! grep -qs "^$key=" "$kept"; then
    was=$(cat "/proc/sys/$key") || fail "$key cannot be read"
    remember "sysctl $key $(echo $was)"
  fi
  printf '%s\n' "$value" >"/proc/sys/$key" || fail "$key cannot be $value"
  live=$(cat "/proc/sys/$key")
  if [ "$(echo $live)" != "$(echo $value)" ]; then
    fail "$key is $live after $value was written"
  fi
done || exit 1
# As before, unless somebody else has changed it meanwhile.
for key in $(lost); do
  ours=$(sed -n "s|^$key=||p" "$kept" 2>/dev/null | tail -n 1)
  live=$(cat "/proc/sys/$key" 2>/dev/null)
  if [ -n "$ours" ] && [ "$(echo $live)" = "$(echo $ours)" ]; then
    printf '%s\n' "$(former "$key")" >"/proc/sys/$key" || fail "$key cannot be set back"
  fi
done
if [ -n "$undeclared" ] && [ -e "$kept" ]; then
  # What the record does not have stays.
  lost=" $(lost | tr '\n' ' ')"
  lines=$(grep -v '^#' "$kept" | while IFS='=' read -r key value; do
    case "$lost" in
      *" $key "*) ;;
      *) [ -z "$key" ] || printf '%s=%s\n' "$key" "$value" ;;
    esac
  done)
  lines=$lines${lines:+
}
fi
if [ -n "$lines" ] || [ -z "$undeclared" ]; then
  # Only what the kernel has taken. After 99-sysctl.conf, which is /etc/sysctl.conf on Debian 12 and
  # Ubuntu: of two files the later one counts.
  printf '# Kernel settings of infra.bootstrap.sysctl, written by Stagecraft.\n%s' "$lines" |
    put "$kept" 644 || exit 1
else
  rm -f "$kept" || fail "$kept could not be removed"
fi
if [ -z "$undeclared" ]; then
  rm -f /etc/sysctl.d/60-stagecraft.conf || fail '/etc/sysctl.d/60-stagecraft.conf could not be removed'
fi
for key in $(lost); do
  forget "sysctl $key $(former "$key")"
done
