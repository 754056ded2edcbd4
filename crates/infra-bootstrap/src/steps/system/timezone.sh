# Reads the time zone, and what it was before by the record. Read only.
if [ -r /var/lib/stagecraft/given ]; then
  while read -r line; do
    case "$line" in
      'timezone '*) echo "former=${line#timezone }" ;;
    esac
  done </var/lib/stagecraft/given
fi
# With $1, that no zone is declared, the rest is of no use.
if [ -n "$1" ]; then
  echo 'probe=done'
  exit
fi
link=$(readlink /etc/localtime)
echo "zone=${link##*/zoneinfo/}"
if [ -r /etc/timezone ]; then
  read -r name </etc/timezone
  echo "name=$name"
fi
echo 'probe=done'
