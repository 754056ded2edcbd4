umask 077
mkdir -p /run/stagecraft || exit 1
chmod 0700 /run/stagecraft || exit 1
# What a killed predecessor may have left.
rm -f -- /run/stagecraft/ts-authkey-* /run/stagecraft/.ts-authkey-*
