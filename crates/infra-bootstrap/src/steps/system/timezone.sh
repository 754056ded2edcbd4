# Reads the time zone. Read only.
link=$(readlink /etc/localtime)
echo "zone=${link##*/zoneinfo/}"
if [ -r /etc/timezone ]; then
  read -r name </etc/timezone
  echo "name=$name"
fi
echo 'probe=done'
