# The packages that the stand-in of apt knows.
ENGINES="29.1.3 29.1.2 29.0.4 28.5.2 28.5.1 28.4.0 28.3.3 28.2.2 28.1.1 28.0.4 27.5.1 27.4.1 27.3.1 27.2.1 27.1.2 27.0.3 26.1.4 26.1.3 26.0.2 25.0.5 24.0.9"
TAILSCALES="1.102.3 1.100.2 1.98.4 1.96.2 1.94.1 1.92.5 1.90.9 1.88.4 1.86.2 1.84.3 1.82.5 1.80.3"
USUAL="acl apache2-utils apparmor apt-transport-https apt-utils at attach auditd bash bash-completion bc
 bind9-dnsutils bzip2 ca-certificates certbot chrony containerd cron cryptsetup curl dbus debconf-utils dirmngr
 dnsutils e2fsprogs ethtool fail2ban file gawk git gnupg gpg haproxy htop iproute2 iptables iputils-ping jq
 kmod less locales logrotate lsb-release lsof lvm2 make mtr-tiny nano needrestart net-tools netcat-openbsd
 nfs-common nftables nginx openssh-client openssh-server openssl parted pigz postgresql-client procps psmisc
 python3 python3-apt python3-pip rsync rsyslog runc screen socat software-properties-common sqlite3 strace
 sudo sysstat systemd-timesyncd tar tmux tree tzdata ufw unattended-upgrades unzip uuid-runtime vim wget
 whois wireguard wireguard-tools xfsprogs xz-utils zip zstd"

# listed SOURCE: whether the last update read a source.
listed() {
    grep -qx "$1" "$STATE/lists" 2>/dev/null
}

# suffix: what Docker's packages append to their versions.
suffix() {
    load_release
    echo "~$ID.$VERSION_ID~$VERSION_CODENAME"
}

# versions PACKAGE: all that can be installed, newest first; fails if none is known.
versions() {
    case $1 in
    docker-ce | docker-ce-cli | docker-ce-rootless-extras)
        listed docker || return 1
        ending=$(suffix)
        for engine in $ENGINES; do echo "5:$engine-1$ending"; done
        ;;
    containerd.io) listed docker && echo "2.2.1-1$(suffix)" ;;
    docker-buildx-plugin) listed docker && echo "0.30.1-1$(suffix)" ;;
    docker-compose-plugin) listed docker && echo "5.0.1-1$(suffix)" ;;
    docker-model-plugin) listed docker && echo "1.0.5-1$(suffix)" ;;
    tailscale)
        listed tailscale || return 1
        for version in $TAILSCALES; do echo "$version"; done
        ;;
    tailscale-archive-keyring) listed tailscale && echo 1.35.181 ;;
    docker.io)
        load_release
        case $VERSION_CODENAME in
        bookworm) echo '20.10.24+dfsg1-1+deb12u1' ;;
        trixie) echo '26.1.5+dfsg1-9+b9' ;;
        *) echo "28.2.2-0ubuntu1~$VERSION_ID.1" ;;
        esac
        ;;
    docker-compose-v2 | docker-buildx)
        load_release
        [ "$ID" = ubuntu ] || return 1
        echo "2.37.1+ds1-0ubuntu2~$VERSION_ID.1"
        ;;
    *)
        for usual in $USUAL; do
            if [ "$usual" = "$1" ]; then
                echo 1.0-1
                return 0
            fi
        done
        return 1
        ;;
    esac
}

# version_of PACKAGE [PIN]: the newest version that fits a pin, which may end in `*`.
version_of() {
    for candidate in $(versions "$1"); do
        case $candidate in
        ${2:-*}) echo "$candidate"; return 0 ;;
        esac
    done
    return 1
}
