# Docker must answer within a minute, and Compose must be there. A unit that failed too often does
# not start again before that is forgotten.
mute() {
  printf '\nthe cause:\n'
  cat "$log"
  systemctl show docker -p ActiveState,SubState,Result,ExecMainStatus,NRestarts
  timeout 10 journalctl -u docker -n 12 --no-pager
  echo "failed: $*" >&2
  exit 70
}
systemctl reset-failed docker 2>/dev/null
logged systemctl enable --now docker || mute 'its service could not be started'
began=$(date +%s)
until server=$(timeout 10 docker version --format '{{.Server.Version}}' 2>"$log") && [ -n "$server" ]; do
  if [ $(($(date +%s) - began)) -ge 60 ]; then
    mute 'it did not answer within 60 s'
  elif [ "$(systemctl is-active docker)" = failed ]; then
    mute 'its daemon ended'
  fi
  sleep 2
done
compose=$(timeout 20 docker compose version --short 2>"$log") || mute 'the compose plugin does not answer'
echo "compose=$compose"
echo "server=$server"
