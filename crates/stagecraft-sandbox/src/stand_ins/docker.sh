#!/bin/sh
# Stand-in for Docker's client; its daemon is a record of the service.
. /usr/local/lib/sandbox/common.sh
begin docker 1 "$@"

engine=$(installed_version docker-ce-cli || installed_version docker-ce || installed_version docker.io)
engine=${engine#*:}
engine=${engine%%[-+~]*}
daemon=$(installed_version docker-ce || installed_version docker.io)
daemon=${daemon#*:}
daemon=${daemon%%[-+~]*}

no_daemon() {
    echo 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?' >&2
    exit 1
}

# Sets `format` from the arguments.
read_format() {
    format=
    while [ $# -gt 0 ]; do
        case $1 in
        -f | --format) format=$2; shift ;;
        --format=*) format=${1#*=} ;;
        -f*) format=${1#-f} ;;
        esac
        shift
    done
}

# The newest API that an engine speaks.
api_of() {
    case ${1%%.*} in
    2[0-4]) echo 1.43 ;;
    25) echo 1.44 ;;
    26) echo 1.45 ;;
    27) echo 1.47 ;;
    28) echo 1.51 ;;
    *) echo 1.52 ;;
    esac
}

version() {
    read_format "$@"
    if [ -z "$format" ]; then
        printf 'Client: Docker Engine - Community\n Version:           %s\n API version:       %s\n OS/Arch:           linux/%s\n' \
            "$engine" "$(api_of "$engine")" "$(architecture)"
        service_active docker || no_daemon
        printf '\nServer: Docker Engine - Community\n Engine:\n  Version:          %s\n  API version:      %s (minimum version 1.44)\n' \
            "$daemon" "$(api_of "$daemon")"
        return
    fi
    client="{\"Version\":\"$engine\",\"ApiVersion\":\"$(api_of "$engine")\",\"Os\":\"linux\",\"Arch\":\"$(architecture)\"}"
    server=null
    ! service_active docker ||
        server="{\"Version\":\"$daemon\",\"ApiVersion\":\"$(api_of "$daemon")\",\"MinAPIVersion\":\"1.44\",\"Os\":\"linux\",\"Arch\":\"$(architecture)\"}"
    case $format in
    *.Server*) service_active docker || no_daemon ;;
    esac
    printf '%s\n' "$format" | sed \
        -e "s|^json\$|{{json .}}|" \
        -e "s|{{ *json \. *}}|{\"Client\":$client,\"Server\":$server}|g" \
        -e "s|{{range .Server.Components}}{{.Name}} {{.Version}};{{end}}|Engine $daemon;containerd 2.2.1;|g" \
        -e "s|{{ *json .Server *}}|$server|g" -e "s|{{ *json .Client *}}|$client|g" \
        -e "s|{{ *.Server.Version *}}|$daemon|g" -e "s|{{ *.Client.Version *}}|$engine|g" \
        -e "s|{{ *.Server.APIVersion *}}|$(api_of "$daemon")|g" -e "s|{{ *.Client.APIVersion *}}|$(api_of "$engine")|g" \
        -e "s|{{ *.Server.Os *}}|linux|g" -e "s|{{ *.Server.Arch *}}|$(architecture)|g"
    service_active docker || no_daemon
}

info() {
    read_format "$@"
    service_active docker || {
        [ -n "$format" ] || printf 'Client: Docker Engine - Community\n Version:    %s\n\nServer:\n' "$engine"
        no_daemon
    }
    if [ -z "$format" ]; then
        printf 'Client: Docker Engine - Community\n Version:    %s\n\nServer:\n Containers: 0\n Images: 0\n Server Version: %s\n Storage Driver: overlay2\n' \
            "$engine" "$daemon"
        return
    fi
    printf '%s\n' "$format" | sed \
        -e "s|{{ *json \. *}}|{\"ServerVersion\":\"$daemon\",\"Driver\":\"overlay2\",\"LiveRestoreEnabled\":false}|g" \
        -e "s|{{ *.ServerVersion *}}|$daemon|g" -e 's|{{ *.Driver *}}|overlay2|g' \
        -e 's|{{ *.CgroupDriver *}}|systemd|g' -e 's|{{ *.LiveRestoreEnabled *}}|false|g'
}

compose() {
    compose=$(installed_version docker-compose-plugin || installed_version docker-compose-v2) || {
        echo "docker: unknown command: docker compose" >&2
        echo >&2
        echo "Run 'docker --help' for more information" >&2
        exit 1
    }
    compose=${compose%%[-+~]*}
    case "${1-} ${2-}" in
    'version --short') echo "$compose" ;;
    'version --format=json' | 'version -f=json') echo "{\"version\":\"v$compose\"}" ;;
    'version '*) echo "Docker Compose version v$compose" ;;
    *)
        echo "unknown docker command: \"compose ${1-}\"" >&2
        exit 1
        ;;
    esac
}

# Which engine and which configuration; there is one.
while :; do
    case ${1-} in
    -H | --host | -c | --context | --config) shift 2 ;;
    *) break ;;
    esac
done
command=${1-}
[ $# -eq 0 ] || shift
case $command in
--version | -v) echo "Docker version $engine, build 4d9b3b0" ;;
version) version "$@" ;;
info) info "$@" ;;
compose) compose "$@" ;;
import)
    service_active docker || no_daemon
    cat >/dev/null
    echo sha256:0c539bb8c9372fc4e377c8d9ab4d051fb2ac8667a22680edeaaebaac952387bf
    ;;
run | rm | rmi) service_active docker || no_daemon ;;
ps | images | container | image | network | volume)
    service_active docker || no_daemon
    case " $* " in
    *' -q '* | *' --quiet '* | *' -aq '* | *format*) ;;
    *) [ "$command" != ps ] || echo 'CONTAINER ID   IMAGE     COMMAND   CREATED   STATUS    PORTS     NAMES' ;;
    esac
    ;;
*)
    echo "docker: unknown command: docker $command" >&2
    echo >&2
    echo "Run 'docker --help' for more information" >&2
    exit 1
    ;;
esac
