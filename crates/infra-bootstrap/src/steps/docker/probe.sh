# Reads what there is of Docker. Read only. Starts as few programs as can be: fleets are looked at
# often, and nearly always are as wanted.
if [ -r /etc/os-release ]; then
  . /etc/os-release
fi
echo "os=${ID:-}"
echo "release=${VERSION_ID:-}"
if path=$(command -v docker); then
  echo "path=$path"
  server=$(timeout 10 docker version --format '{{.Server.Version}}')
  echo "server=$server"
  if [ -z "$server" ]; then
    echo "client=$(timeout 10 docker --version)"
  fi
  compose=
  for folder in /usr/libexec/docker /usr/lib/docker /usr/local/libexec/docker /usr/local/lib/docker; do
    plugin=$folder/cli-plugins/docker-compose
    # The question that the client asks a plugin first: one that is broken is not there.
    if [ -x "$plugin" ] && timeout 10 "$plugin" docker-cli-plugin-metadata >/dev/null; then
      compose=$plugin
    fi
  done
  echo "compose=${compose:-$(timeout 10 docker compose version --short)}"
fi
echo "engine=$(command -v dockerd)"
if [ -e /etc/systemd/system/multi-user.target.wants/docker.service ]; then
  echo 'enabled=enabled'
else
  echo "enabled=$(systemctl is-enabled docker)"
fi
dpkg-query -W -f='package=${db:Status-Abbrev} ${Package} ${Version}\n' \
  docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin \
  docker.io docker-cli docker-compose docker-compose-v2 docker-buildx docker-doc podman-docker \
  containerd runc 'docker*' 'containerd*' 'moby*'
echo 'probe=done'
