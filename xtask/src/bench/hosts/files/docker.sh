#!/bin/sh
# Answers as the client of a running Docker would.
case "$*" in
  'version --format {{.Server.Version}}') echo 27.5.1 ;;
  --version) echo 'Docker version 27.5.1, build 9f9e405' ;;
  'compose version --short') echo 2.32.4 ;;
  docker-cli-plugin-metadata) echo '{"SchemaVersion":"0.1.0"}' ;;
  *) echo "not answered by this stand-in: $*" >&2; exit 1 ;;
esac
