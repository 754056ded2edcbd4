umask 077
mkdir -p /run/stagecraft || exit 1
chmod 0700 /run/stagecraft || exit 1
# What a killed predecessor may have left. A younger file may be that of a session at work.
find /run/stagecraft -maxdepth 1 -type f \( -name 'ts-authkey-*' -o -name '.ts-authkey-*' \) \
  -mmin +10 -exec rm -f -- {} +
