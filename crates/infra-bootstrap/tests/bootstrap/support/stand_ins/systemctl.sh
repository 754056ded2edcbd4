echo "systemctl $*" >>ROOT/state/calls
if [ -e ROOT/state/broken-unit ]; then
  echo 'Job for docker.service failed because the control process exited with error code.' >&2
  exit 1
fi
case "$*" in
  'enable --now docker') [ -e ROOT/state/mute ] || touch ROOT/state/running ;;
esac
