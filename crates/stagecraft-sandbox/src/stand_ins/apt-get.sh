#!/bin/sh
# Stand-in for apt-get: changes only the records of this host.
. /usr/local/lib/sandbox/common.sh
. /usr/local/lib/sandbox/catalogue.sh
begin apt-get 100 "$@"

yes= timeout=0 recommends=yes downgrades= held= simulate= download= again= command= words=
while [ $# -gt 0 ]; do
    option=
    case $1 in
    -o | --option) option=${2-}; shift ;;
    -o*) option=${1#-o} ;;
    --option=*) option=${1#--option=} ;;
    -t | -c | --target-release) shift ;;
    -v | --version)
        echo "apt 2.8.3 ($(architecture))"
        exit 0
        ;;
    --yes | --assume-yes) yes=1 ;;
    --no-install-recommends) recommends= ;;
    --allow-downgrades) downgrades=1 ;;
    --allow-change-held-packages) held=1 ;;
    --simulate | --dry-run | --just-print) simulate=1 ;;
    --download-only) download=1 ;;
    --reinstall) again=1 ;;
    --*) ;;
    -*) case $1 in *y*) yes=1 ;; esac; case $1 in *s*) simulate=1 ;; esac ;;
    *) if [ -z "$command" ]; then command=$1; else words="$words $1"; fi ;;
    esac
    case $option in
    [Dd][Pp]kg::Lock::Timeout=*) timeout=${option#*=} ;;
    APT::Get::Assume-Yes=*) yes=1 ;;
    APT::Install-Recommends=false | APT::Install-Recommends=0) recommends= ;;
    esac
    [ $# -gt 0 ] && shift
done
for file in /etc/apt/apt.conf.d/*; do
    [ -f "$file" ] || continue
    configured=$(sed -n 's/^[Dd][Pp]kg::Lock::Timeout *"\{0,1\}\([-0-9]*\)"\{0,1\} *;.*/\1/p' "$file")
    [ -z "$configured" ] || [ "$timeout" != 0 ] || timeout=$configured
done

# First boot, and whoever makes /run/sandbox/apt-lock, hold the locks.
locked() {
    [ ! -e /run/cloud-init/result.json ] || [ -e /run/sandbox/apt-lock ]
}

# The timeout covers this lock and not that of the lists, as in apt 2.6.
take_frontend_lock() {
    waited=0
    while locked; do
        if [ "$timeout" -ge 0 ] && [ "$waited" -ge "$((timeout * 10))" ]; then
            echo 'E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 512 (apt-get)' >&2
            echo 'N: Be aware that removing the lock file is not a solution and may break your system.' >&2
            echo 'E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another process using it?' >&2
            exit 100
        fi
        [ "$waited" -ne 0 ] ||
            echo 'Waiting for cache lock: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 512 (apt-get)...'
        sleep 0.1
        waited=$((waited + 1))
    done
    if [ -e "$STATE/dpkg-interrupted" ]; then
        echo "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem. " >&2
        exit 100
    fi
}

update() {
    if locked; then
        echo 'Reading package lists...'
        echo 'E: Could not get lock /var/lib/apt/lists/lock. It is held by process 512 (apt-get)' >&2
        echo 'N: Be aware that removing the lock file is not a solution and may break your system.' >&2
        echo 'E: Unable to lock directory /var/lib/apt/lists/' >&2
        exit 100
    fi
    load_release
    failed=
    : >"$STATE/lists.new"
    echo "Hit:1 http://mirrors.digitalocean.com/$ID $VERSION_CODENAME InRelease"
    number=2
    for file in /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
        [ -f "$file" ] || continue
        text=$(sed 's/#.*//' "$file")
        case $text in
        *"https://download.docker.com/linux/$ID"*) name=docker url=https://download.docker.com/linux/$ID ;;
        *"https://pkgs.tailscale.com/stable/$ID"*) name=tailscale url=https://pkgs.tailscale.com/stable/$ID ;;
        *) continue ;;
        esac
        key=$(printf '%s\n' "$text" | sed -n 's/.*[Ss]igned-[Bb]y[=:] *\([^] ]*\).*/\1/p' | head -n 1)
        if ! printf '%s\n' "$text" | grep -qw "$VERSION_CODENAME"; then
            echo "E: The repository '$url Release' does not have a Release file." >&2
            failed=1
        elif [ -n "$key" ] && [ ! -s "$key" ]; then
            echo "W: GPG error: $url $VERSION_CODENAME InRelease: The following signatures couldn't be verified because the public key is not available: NO_PUBKEY 7EA0A9C3F273FCD8" >&2
            echo "E: The repository '$url $VERSION_CODENAME InRelease' is not signed." >&2
            failed=1
        else
            echo "Get:$number $url $VERSION_CODENAME InRelease [48.5 kB]"
            number=$((number + 1))
            echo "$name" >>"$STATE/lists.new"
        fi
    done
    echo 'Reading package lists...'
    [ -z "$failed" ] || exit 100
    mv "$STATE/lists.new" "$STATE/lists"
}

# put PACKAGE VERSION: records a package and does what its scripts would do.
put() {
    echo "Setting up $1 ($2) ..."
    printf '%s' "$2" >"$STATE/packages/$1"
    case $1 in
    docker-ce-cli) cp /usr/local/lib/sandbox/docker /usr/local/bin/docker ;;
    docker-ce) docker_group; register_service docker; register_service docker.socket ;;
    containerd.io | containerd) register_service containerd ;;
    docker.io)
        cp /usr/local/lib/sandbox/docker /usr/local/bin/docker
        docker_group
        register_service docker
        register_service docker.socket
        ;;
    tailscale)
        cp /usr/local/lib/sandbox/tailscale /usr/local/bin/tailscale
        cp /usr/local/lib/sandbox/tailscaled /usr/local/sbin/tailscaled
        [ -e /etc/default/tailscaled ] || printf 'PORT="41641"\nFLAGS=""\n' >/etc/default/tailscaled
        register_service tailscaled
        ;;
    sudo)
        cp /usr/local/lib/sandbox/sudo /usr/local/bin/sudo
        mkdir -p /etc/sudoers.d
        ;;
    unattended-upgrades)
        cp /usr/local/lib/sandbox/unattended-upgrade /usr/local/bin/unattended-upgrade
        register_service "$1"
        ;;
    fail2ban | nginx | haproxy | chrony | ufw) register_service "$1" ;;
    esac
}

# The group stays when the engine goes, as Debian keeps groups.
docker_group() {
    getent group docker >/dev/null || echo 'docker:x:999:' >>/etc/group
}

take_away() {
    echo "Removing $1 ($(installed_version "$1")) ..."
    rm -f "$STATE/packages/$1"
    case $1 in
    docker-ce-cli) rm -f /usr/local/bin/docker ;;
    sudo) rm -f /usr/local/bin/sudo ;;
    unattended-upgrades)
        rm -rf /usr/local/bin/unattended-upgrade "$STATE/services/unattended-upgrades"
        ;;
    docker-ce) rm -rf "$STATE/services/docker" "$STATE/services/docker.socket" ;;
    docker.io) rm -rf /usr/local/bin/docker "$STATE/services/docker" "$STATE/services/docker.socket" ;;
    containerd.io | containerd) rm -rf "$STATE/services/containerd" ;;
    tailscale) rm -rf /usr/local/bin/tailscale /usr/local/sbin/tailscaled "$STATE/services/tailscaled" ;;
    *) rm -rf "$STATE/services/$1" ;;
    esac
}

# with_dependencies NAME...: the names and what they bring along.
with_dependencies() {
    for name; do
        echo "$name"
        case $name in
        docker-ce | docker-ce=*)
            printf '%s\n' docker-ce-cli containerd.io
            [ -z "$recommends" ] || printf '%s\n' docker-buildx-plugin docker-compose-plugin
            ;;
        docker.io | docker.io=*) printf '%s\n' containerd runc ;;
        esac
    done
}

install() {
    take_frontend_lock
    echo 'Reading package lists...'
    echo 'Building dependency tree...'
    echo 'Reading state information...'
    plan= seen=' ' away=
    for word in $(with_dependencies $words); do
        name=${word%%=*} pin=
        case $word in
        *-)
            # To be removed.
            [ ! -e "$STATE/packages/${word%-}" ] || away="$away ${word%-}"
            continue
            ;;
        *.deb)
            if [ ! -f "$word" ]; then
                echo "E: Unsupported file $word given on commandline" >&2
                exit 100
            fi
            base=${word##*/}
            name=${base%%_*}
            version=${base#*_}
            version=${version%%_*}
            [ "$version" != "$base" ] || version=1.0-1
            ;;
        *)
            if [ -z "$(versions "$name")" ]; then
                echo "E: Unable to locate package $name" >&2
                exit 100
            fi
            case $word in *=*) pin=${word#*=} ;; esac
            # What is installed needs no repository.
            version=$(version_of "$name" "$pin") || [ "$pin" = "$(installed_version "$name")" ] || {
                echo "E: Version '$pin' for '$name' was not found" >&2
                exit 100
            }
            ;;
        esac
        case $seen in *" $name "*) continue ;; esac
        seen="$seen$name "
        old=$(installed_version "$name")
        version=${version:-$pin}
        # Without a pin an installed package is upgraded, never downgraded.
        if { [ "$old" = "$version" ] && [ -z "$again" ]; } || { [ -n "$old" ] && [ -z "$pin" ] && newer "$old" "$version"; }; then
            echo "$name is already the newest version ($old)."
            continue
        fi
        if [ -n "$old" ] && [ -e "$STATE/held/$name" ] && [ -z "$held" ]; then
            # A held package stays as it is, unless its version is asked for.
            [ -n "$pin" ] || { echo "$name is already the newest version ($old)."; continue; }
            echo 'E: Held packages were changed and -y was used without --allow-change-held-packages.' >&2
            exit 100
        fi
        if [ -n "$old" ] && newer "$old" "$version" && [ -z "$downgrades" ]; then
            echo 'E: Packages were downgraded and -y was used without --allow-downgrades.' >&2
            exit 100
        fi
        plan="$plan $name=$version"
    done
    if [ -z "$plan" ]; then
        echo '0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.'
        return
    fi
    echo 'The following NEW packages will be installed:'
    for item in $plan; do printf ' %s' " ${item%%=*}"; done
    echo
    if [ -n "$simulate" ]; then
        for name in $away; do echo "Remv $name [$(installed_version "$name")]"; done
        for item in $plan; do echo "Inst ${item%%=*} (${item#*=} Sandbox [$(architecture)])"; done
        for item in $plan; do echo "Conf ${item%%=*} (${item#*=} Sandbox [$(architecture)])"; done
        return
    fi
    if [ -n "$download" ]; then
        echo 'Download complete and in download only mode'
        return
    fi
    if [ -z "$yes" ]; then
        echo 'Do you want to continue? [Y/n] Abort.'
        exit 1
    fi
    for name in $away; do take_away "$name"; done
    for item in $plan; do
        case $item in
        docker-ce=* | containerd.io=*)
            for rival in docker.io containerd runc docker-compose-v2; do
                [ ! -e "$STATE/packages/$rival" ] || take_away "$rival"
            done
            ;;
        esac
    done
    for item in $plan; do echo "Unpacking ${item%%=*} (${item#*=}) ..."; done
    for item in $plan; do put "${item%%=*}" "${item#*=}"; done
}

remove() {
    take_frontend_lock
    for name in $words; do
        if [ -e "$STATE/packages/$name" ]; then
            [ -n "$yes" ] || { echo 'Do you want to continue? [Y/n] Abort.'; exit 1; }
            if [ -n "$simulate" ]; then
                echo "Remv $name [$(installed_version "$name")]"
            else
                take_away "$name"
            fi
        elif versions "$name" >/dev/null; then
            echo "Package '$name' is not installed, so not removed"
        else
            echo "E: Unable to locate package $name" >&2
            exit 100
        fi
    done
}

case $command in
update) update ;;
install | reinstall) install ;;
remove | purge) remove ;;
upgrade | dist-upgrade | full-upgrade | autoremove | autopurge)
    take_frontend_lock
    echo '0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.'
    ;;
clean | autoclean | check) ;;
'') echo "apt 2.8.3 ($(architecture))" ;;
*)
    echo "E: Invalid operation $command" >&2
    exit 100
    ;;
esac
