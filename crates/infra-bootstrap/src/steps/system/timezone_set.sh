file=/usr/share/zoneinfo/$zone
[ -d /usr/share/zoneinfo ] || fail 'the package tzdata is not installed'
[ -f "$file" ] || fail "the host knows no time zone $zone"
ln -sfn "$file" /etc/localtime.stagecraft-new && mv -fT /etc/localtime.stagecraft-new /etc/localtime ||
  fail '/etc/localtime could not be written'
if [ -e /etc/timezone ]; then
  echo "$zone" | put /etc/timezone 644 || exit 1
fi
