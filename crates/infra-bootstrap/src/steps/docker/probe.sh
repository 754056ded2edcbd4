# Reads what there is of Docker. Read only.
if [ -r /etc/os-release ]; then
  . /etc/os-release
fi
echo "os=${ID:-}"
echo "release=${VERSION_ID:-}"
if path=$(command -v docker); then
  echo "path=$path"
  echo "client=$(timeout 10 docker --version)"
  echo "server=$(timeout 10 docker version --format '{{.Server.Version}}')"
  echo "compose=$(timeout 10 docker compose version --short)"
fi
echo "engine=$(command -v dockerd)"
conflicts=
vendor=
for package in docker-ce docker.io docker-compose docker-compose-v2 docker-doc podman-docker containerd runc; do
  status=$(dpkg-query -W -f='${db:Status-Abbrev}' "$package") || continue
  case "$status" in
    ii*)
      if [ "$package" = docker-ce ]; then
        vendor=yes
      else
        conflicts="$conflicts $package"
      fi
      ;;
  esac
done
echo "vendor=$vendor"
echo "conflicts=$conflicts"
echo "probe=done"
