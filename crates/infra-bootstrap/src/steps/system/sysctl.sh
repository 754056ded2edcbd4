# Reads the kernel settings that Stagecraft has written, and what they are now. Read only.
if [ -r /etc/sysctl.d/60-stagecraft.conf ]; then
  while IFS='=' read -r key value; do
    case "$key" in
      '' | \#*) continue ;;
    esac
    printf 'kept=%s=%s\n' "$key" "$value"
    set -- "$@" "/proc/sys/$key"
  done </etc/sysctl.d/60-stagecraft.conf
  # The shell's own `read` gets one byte of these files only.
  [ $# -eq 0 ] || grep -sH '' "$@"
fi
echo 'probe=done'
