# The client, and as much of an engine as scripts ask for.
version=$(cat ROOT/state/docker-version)
case "$*" in
  --version) echo "Docker version $version, build 9f9e405" ;;
  'version --format {{.Server.Version}}')
    if [ ! -e ROOT/state/running ]; then
      echo 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock.' >&2
      exit 1
    fi
    echo "$version"
    ;;
  'compose version --short')
    if [ ! -e ROOT/state/packages/docker-compose-plugin ]; then
      echo "docker: 'compose' is not a docker command." >&2
      exit 1
    fi
    echo 2.40.3
    ;;
  *) exit 64 ;;
esac
