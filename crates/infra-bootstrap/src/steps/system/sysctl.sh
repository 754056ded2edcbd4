# Reads the kernel settings that Stagecraft has written, what they are now, and what they were
# before by the record. Read only.
set --
if [ -r /var/lib/stagecraft/given ]; then
  while read -r line; do
    case "$line" in
      'sysctl '*) printf 'former=%s\n' "${line#sysctl }" ;;
    esac
  done </var/lib/stagecraft/given
fi
# The first is where earlier versions wrote them.
for file in /etc/sysctl.d/60-stagecraft.conf /etc/sysctl.d/zz-stagecraft.conf; do
  [ -r "$file" ] || continue
  echo "file=${file##*/}"
  while IFS='=' read -r key value; do
    case "$key" in
      '' | \#*) continue ;;
    esac
    printf 'kept=%s=%s\n' "$key" "$value"
    set -- "$@" "/proc/sys/$key"
  done <"$file"
done
# The shell's own `read` gets one byte of these files only.
[ $# -eq 0 ] || grep -sH '' "$@"
echo 'probe=done'
