#!/bin/sh
# Stand-in for sshd's checks; the server itself runs outside.
. /usr/local/lib/sandbox/common.sh
begin sshd 255 "$@"

key=/etc/ssh/ssh_host_ed25519_key
case ${1-} in
-t)
    if ! grep -q 'BEGIN OPENSSH PRIVATE KEY' "$key" 2>/dev/null; then
        echo "Unable to load host key: $key" >&2
        echo 'sshd: no hostkeys available -- exiting.' >&2
        exit 1
    fi
    case $(stat -c %a "$key") in
    *00) ;;
    *)
        echo "Permissions $(stat -c 0%a "$key") for '$key' are too open." >&2
        echo 'sshd: no hostkeys available -- exiting.' >&2
        exit 1
        ;;
    esac
    ;;
-T) printf '%s\n' 'port 22' 'permitrootlogin without-password' 'passwordauthentication no' "hostkey $key" ;;
-V) echo 'OpenSSH_9.6p1 Ubuntu-3ubuntu13.14, OpenSSL 3.0.13 30 Jan 2024' >&2 ;;
*)
    echo 'sshd: this host has its SSH server outside' >&2
    exit 1
    ;;
esac
