# The engine of a host is the one behind its own socket, whatever root's variables, contexts and
# configuration files say of another.
unset DOCKER_HOST DOCKER_CONTEXT DOCKER_TLS DOCKER_TLS_VERIFY DOCKER_CERT_PATH \
  DOCKER_API_VERSION DOCKER_CUSTOM_HEADERS DOCKER_DEFAULT_PLATFORM DOCKER_CONTENT_TRUST
# No such directory: the client then has nothing but its defaults.
export DOCKER_CONFIG=/run/stagecraft/no-docker-config
socket=/run/docker.sock

# client SECONDS ARGUMENT...: calls Docker's client for that engine, for so long at most.
client() {
  patience=$1
  shift
  timeout "$patience" docker --host "unix://$socket" "$@"
}

# ask: sets `server` to the version of Docker's engine behind the socket, or `other` to the name
# and version of another one: Podman serves the same interface. Podman as the client cannot answer
# this question at all.
ask() {
  server=
  other=
  said=$(client 10 version --format '{{range .Server.Components}}{{.Name}} {{.Version}};{{end}}') || said=
  case ";$said" in
    *';Engine '*)
      server=";$said"
      server=${server#*;Engine }
      server=${server%%;*}
      ;;
    ';'?*) other=${said%%;*} ;;
  esac
}

# find_compose: sets `compose` to the Compose plugin, if there is one that runs. Root's own counts,
# though nothing else of its configuration does.
find_compose() {
  compose=
  for folder in /usr/libexec/docker /usr/lib/docker /usr/local/libexec/docker /usr/local/lib/docker "${HOME:-/root}/.docker"; do
    plugin=$folder/cli-plugins/docker-compose
    # The question that the client asks a plugin first: one that is broken is not there.
    if [ -x "$plugin" ] && timeout 10 "$plugin" docker-cli-plugin-metadata >/dev/null; then
      compose=$plugin
    fi
  done
  [ -n "$compose" ] || compose=$(client 20 compose version --short)
}
