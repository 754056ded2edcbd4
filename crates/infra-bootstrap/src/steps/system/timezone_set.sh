# Set before: zone; undeclared, 1 if it is the one that the record has of before.
file=/usr/share/zoneinfo/$zone
[ -d /usr/share/zoneinfo ] || fail 'the package tzdata is not installed'
[ -f "$file" ] || fail "the host knows no time zone $zone"
if [ -z "$undeclared" ] && ! grep -qs '^timezone ' "$record"; then
  was=$(readlink /etc/localtime)
  case "$was" in
    */zoneinfo/?*) remember "timezone ${was##*/zoneinfo/}" ;;
    *) remember 'timezone Etc/UTC' ;;
  esac
fi
ln -sfn "$file" /etc/localtime.stagecraft-new && mv -fT /etc/localtime.stagecraft-new /etc/localtime ||
  fail '/etc/localtime could not be written'
if [ -e /etc/timezone ]; then
  echo "$zone" | put /etc/timezone 644 || exit 1
fi
if [ -n "$undeclared" ]; then
  forget "timezone $zone"
fi
