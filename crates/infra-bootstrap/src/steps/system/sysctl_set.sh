# Set before: lines, of the form key=value, with slashes in the keys.
printf '%s' "$lines" | while IFS='=' read -r key value; do
  [ -e "/proc/sys/$key" ] || fail "the kernel has no setting $key"
  printf '%s\n' "$value" >"/proc/sys/$key" || fail "$key cannot be $value"
  live=$(cat "/proc/sys/$key")
  if [ "$(echo $live)" != "$(echo $value)" ]; then
    fail "$key is $live after $value was written"
  fi
done || exit 1
# Only what the kernel has taken. After 99-sysctl.conf, which is /etc/sysctl.conf on Debian 12 and
# Ubuntu: of two files the later one counts.
printf '# Kernel settings of infra.bootstrap.sysctl, written by Stagecraft.\n%s' "$lines" |
  put /etc/sysctl.d/zz-stagecraft.conf 644 || exit 1
rm -f /etc/sysctl.d/60-stagecraft.conf || fail '/etc/sysctl.d/60-stagecraft.conf could not be removed'
