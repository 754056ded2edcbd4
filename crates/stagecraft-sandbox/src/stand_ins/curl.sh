#!/bin/sh
# Stand-in for curl: knows the few addresses that installers fetch.
. /usr/local/lib/sandbox/common.sh
begin curl 22 "$@"

output= url= remote_name=
while [ $# -gt 0 ]; do
    case $1 in
    -o | --output) output=$2; shift ;;
    --output=*) output=${1#*=} ;;
    -m | --max-time | --connect-timeout | --retry | --retry-delay | --retry-max-time | --proto | -H | --header | -A | --user-agent | -w | --write-out)
        shift
        ;;
    -V | --version)
        echo 'curl 8.5.0 (x86_64-pc-linux-gnu) libcurl/8.5.0 OpenSSL/3.0.13'
        exit 0
        ;;
    --remote-name) remote_name=1 ;;
    --*) ;;
    -*o) output=$2; shift ;;
    -*O*) remote_name=1 ;;
    -*) ;;
    *) url=$1 ;;
    esac
    shift
done
[ -n "$url" ] || { echo 'curl: no URL specified!' >&2; exit 2; }
[ -z "$remote_name" ] || output=${url##*/}

installer() {
    cat <<SCRIPT
#!/bin/sh
set -e
export DEBIAN_FRONTEND=noninteractive
. /etc/os-release
SCRIPT
    cat
}

answer() {
    case $url in
    https://download.docker.com/linux/ubuntu/gpg | https://download.docker.com/linux/debian/gpg)
        printf '%s\n' '-----BEGIN PGP PUBLIC KEY BLOCK-----' '' 'mQINBFit2ioBEADhWpZ8/wvZ6hUTiXOwQHXMAlaFHcPH9hAtr4F1y2+OYdbtMuth' \
            '=0YYh' '-----END PGP PUBLIC KEY BLOCK-----'
        ;;
    https://get.docker.com | https://get.docker.com/)
        installer <<'SCRIPT'
version=
while [ $# -gt 0 ]; do
    case $1 in --version) version=${2#v}; shift ;; esac
    shift
done
version=${version:-$VERSION}
apt-get -qq update >/dev/null
apt-get -y -qq install ca-certificates curl >/dev/null
install -m 0755 -d /etc/apt/keyrings
curl -fsSL "https://download.docker.com/linux/$ID/gpg" -o /etc/apt/keyrings/docker.asc
chmod a+r /etc/apt/keyrings/docker.asc
echo "deb [arch=$(dpkg --print-architecture) signed-by=/etc/apt/keyrings/docker.asc] https://download.docker.com/linux/$ID $VERSION_CODENAME stable" > /etc/apt/sources.list.d/docker.list
apt-get -qq update >/dev/null
apt-get -y -qq install docker-ce docker-ce-cli containerd.io docker-compose-plugin docker-ce-rootless-extras docker-buildx-plugin >/dev/null
docker version
SCRIPT
        ;;
    https://pkgs.tailscale.com/stable/ubuntu/*.noarmor.gpg | https://pkgs.tailscale.com/stable/debian/*.noarmor.gpg)
        printf 'tailscale archive keyring\n'
        ;;
    https://pkgs.tailscale.com/stable/ubuntu/*.tailscale-keyring.list | https://pkgs.tailscale.com/stable/debian/*.tailscale-keyring.list)
        codename=${url##*/}
        codename=${codename%%.*}
        distribution=${url%/*}
        distribution=${distribution##*/}
        printf '# Tailscale packages for %s %s\n' "$distribution" "$codename"
        printf 'deb [signed-by=/usr/share/keyrings/tailscale-archive-keyring.gpg] https://pkgs.tailscale.com/stable/%s %s main\n' \
            "$distribution" "$codename"
        ;;
    https://pkgs.tailscale.com/stable/*/installer-supported) echo OK ;;
    https://tailscale.com/install.sh)
        installer <<'SCRIPT'
mkdir -p --mode=0755 /usr/share/keyrings
curl -fsSL "https://pkgs.tailscale.com/stable/$ID/$VERSION_CODENAME.noarmor.gpg" -o /usr/share/keyrings/tailscale-archive-keyring.gpg
curl -fsSL "https://pkgs.tailscale.com/stable/$ID/$VERSION_CODENAME.tailscale-keyring.list" -o /etc/apt/sources.list.d/tailscale.list
apt-get update
apt-get install -y tailscale tailscale-archive-keyring
echo Installation complete! Log in to start using Tailscale by running:
echo tailscale up
SCRIPT
        ;;
    *)
        host=${url#*://}
        echo "curl: (6) Could not resolve host: ${host%%[/:]*}" >&2
        return 6
        ;;
    esac
}

if [ -n "$output" ] && [ "$output" != - ]; then
    text=$(answer) || exit
    printf '%s\n' "$text" >"$output" || exit 23
else
    answer
fi
