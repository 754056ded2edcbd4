# Docker must answer, and Compose must be there.
if ! logged systemctl enable --now docker; then
  journalctl -u docker -n 10 --no-pager
  exit 70
fi
tries=0
until server=$(timeout 10 docker version --format '{{.Server.Version}}' 2>"$log") && [ -n "$server" ]; do
  tries=$((tries + 1))
  if [ "$tries" -ge 30 ]; then
    cat "$log"
    journalctl -u docker -n 10 --no-pager
    exit 70
  fi
  sleep 2
done
compose=$(timeout 20 docker compose version --short) || exit 70
echo "compose=$compose"
echo "server=$server"
