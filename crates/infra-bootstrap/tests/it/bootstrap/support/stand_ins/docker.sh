# The client, and as much of an engine as scripts ask for. Nothing may lead it to another engine.
if [ "$1 $2" != '--host unix://ROOT/run/docker.sock' ] || [ -e "$DOCKER_CONFIG" ] ||
  [ -n "$DOCKER_HOST$DOCKER_CONTEXT$DOCKER_TLS_VERIFY$DOCKER_API_VERSION" ]; then
  echo 'this is another engine' >&2
  exit 64
fi
shift 2
version=$(cat ROOT/state/docker-version)
if [ "$1" != --version ] && [ "$1" != compose ] && [ ! -e ROOT/state/running ]; then
  echo 'Cannot connect to the Docker daemon at unix:///run/docker.sock.' >&2
  exit 1
fi
case "$*" in
  --version) echo "Docker version $version, build 9f9e405" ;;
  'version --format {{range .Server.Components}}{{.Name}} {{.Version}};{{end}}')
    echo "Engine $version;containerd 1.7.27;"
    ;;
  'compose version --short')
    if [ ! -e ROOT/state/packages/docker-compose-plugin ]; then
      echo "docker: 'compose' is not a docker command." >&2
      exit 1
    fi
    echo 2.40.3
    ;;
  'import - stagecraft-check')
    cat >/dev/null
    touch ROOT/state/check-image
    echo sha256:0c539b
    ;;
  'run --rm --name stagecraft-check '*' sha256:0c539b /bin/sh -c exit 0')
    echo 'docker run' >>ROOT/state/calls
    if [ -s ROOT/state/no-container ]; then
      cat ROOT/state/no-container >&2
      exit 125
    fi
    ;;
  'rm --force --volumes stagecraft-check') ;;
  'rmi --force stagecraft-check') rm -f ROOT/state/check-image ;;
  *) exit 64 ;;
esac
