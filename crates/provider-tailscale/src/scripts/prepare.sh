umask 077
no_room() {
  full /run/ >&2
  exit 1
}
mkdir -p /run/stagecraft || no_room
chmod 0700 /run/stagecraft || exit 1
# What a killed predecessor may have left. A younger file may be that of a session at work.
find /run/stagecraft -maxdepth 1 -type f \( -name 'ts-authkey-*' -o -name '.ts-authkey-*' \) \
  -mmin +10 -exec rm -f -- {} +
# The key itself comes by another way, which names no file system.
room=/run/stagecraft/.ts-authkey-room
head -c 4096 /dev/zero >"$room" || {
  rm -f "$room"
  no_room
}
rm -f "$room"
