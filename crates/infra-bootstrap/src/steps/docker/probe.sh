# Reads what there is of Docker. Read only. Starts as few programs as can be: fleets are looked at
# often, and nearly always are as wanted. $1 is the address below which the packages lie, the rest
# are their names.
mirror=$1
shift
if [ -r /etc/os-release ]; then
  . /etc/os-release
fi
echo "os=${ID:-}"
echo "release=${VERSION_ID:-}"
server=
compose=
if path=$(command -v docker); then
  echo "path=$path"
  ask
  echo "server=$server"
  echo "other=$other"
  if [ -z "$server" ]; then
    echo "client=$(client 10 --version)"
    echo "target=$(readlink -f "$path")"
  fi
  find_compose
  echo "compose=$compose"
fi
echo "engine=$(command -v dockerd)"
if [ -e /etc/systemd/system/multi-user.target.wants/docker.service ]; then
  echo 'enabled=enabled'
else
  echo "enabled=$(systemctl is-enabled docker)"
fi
if [ -e /var/lib/stagecraft/docker-unverified ]; then
  echo 'unverified=yes'
fi
dpkg-query -W -f='package=${db:Status-Abbrev} ${Package} ${Version}\n' \
  "$@" docker-ce \
  docker.io docker-cli docker-compose docker-compose-v2 docker-buildx docker-doc podman-docker \
  containerd runc 'docker*' 'containerd*' 'moby*'
# Only for an installation.
if [ -z "$server" ] || [ -z "$compose" ]; then
  declared | while read -r kind file; do
    echo "source=$kind $file"
  done
fi
echo 'probe=done'
