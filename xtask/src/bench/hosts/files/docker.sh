#!/bin/sh
# Answers as the client of a running Docker would.
if [ "$1" = --host ]; then
  shift 2
fi
case "$*" in
  'version --format {{range .Server.Components}}{{.Name}} {{.Version}};{{end}}') echo 'Engine 27.5.1;containerd 1.7.24;' ;;
  --version) echo 'Docker version 27.5.1, build 9f9e405' ;;
  'compose version --short') echo 2.32.4 ;;
  docker-cli-plugin-metadata) echo '{"SchemaVersion":"0.1.0"}' ;;
  *) echo "not answered by this stand-in: $*" >&2; exit 1 ;;
esac
