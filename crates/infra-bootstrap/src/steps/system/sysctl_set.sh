# Set before: lines, of the form key=value, with slashes in the keys.
printf '# Kernel settings of infra.bootstrap.sysctl, written by Stagecraft.\n%s' "$lines" |
  put /etc/sysctl.d/60-stagecraft.conf 644 || exit 1
printf '%s' "$lines" | while IFS='=' read -r key value; do
  [ -e "/proc/sys/$key" ] || fail "the kernel has no setting $key"
  printf '%s\n' "$value" >"/proc/sys/$key" || fail "$key cannot be $value"
  live=$(cat "/proc/sys/$key")
  if [ "$(echo $live)" != "$(echo $value)" ]; then
    fail "$key is $live after $value was written"
  fi
done || exit 1
