# Docker must start within 90 s and answer within a minute more, and Compose must be there. A unit
# that failed too often does not start again before that is forgotten.
mute() {
  printf '\nthe cause:\n'
  cat "$log"
  systemctl show docker -p ActiveState,SubState,Result,ExecMainStatus,NRestarts
  timeout 10 journalctl -u docker -n 12 --no-pager
  reason=$(filled /run/ /var/lib/docker /)
  echo "failed: ${reason:+$reason: }$*" >&2
  exit 70
}
systemctl reset-failed docker 2>/dev/null
# Docker's unit waits for its daemon without end. Only the waiting ends here: a daemon that is slow
# goes on, and the next run finds it started.
logged timeout 90 systemctl enable --now docker
case $? in
  0) ;;
  124) mute "its service was still $(systemctl is-active docker) after 90 s" ;;
  *) mute 'its service could not be started' ;;
esac
began=$(date +%s)
until ask 2>"$log" && [ -n "$server" ]; do
  [ -z "$other" ] || mute "at its socket $socket answers $other"
  state=$(systemctl is-active docker)
  if [ "$state" = failed ]; then
    mute 'its daemon ended'
  elif [ $(($(date +%s) - began)) -ge 60 ]; then
    mute "it did not answer at $socket within 60 s, and its service was $state"
  fi
  sleep 2
done
find_compose 2>"$log" || {
  # The client shows its own usage for a plugin that does not run.
  sed -i '2,$d' "$log"
  plugin=/usr/libexec/docker/cli-plugins/docker-compose
  [ ! -e "$plugin" ] || timeout 10 "$plugin" docker-cli-plugin-metadata >/dev/null 2>>"$log"
  mute 'the compose plugin does not answer'
}
echo "compose=$compose"
echo "server=$server"
