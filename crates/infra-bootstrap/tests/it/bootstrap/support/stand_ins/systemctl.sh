case "$*" in
  'is-enabled docker')
    if [ -e ROOT/state/disabled ]; then echo disabled; exit 1; fi
    echo enabled
    exit 0
    ;;
  'is-active docker')
    if [ -e ROOT/state/broken-unit ] || [ -e ROOT/state/dying ]; then echo failed; exit 3; fi
    if [ -e ROOT/state/hanging ]; then echo activating; exit 3; fi
    if [ ! -e ROOT/state/docker-version ]; then echo inactive; exit 3; fi
    echo active
    exit 0
    ;;
  'reset-failed docker') exit 0 ;;
  is-system-running)
    cat ROOT/state/system-state
    exit 1
    ;;
  'list-jobs '* | 'list-units '*)
    cat ROOT/state/units
    exit 0
    ;;
  'show --property=LoadState'*)
    printf 'Result=success\nLoadState=loaded\nActiveState=inactive\n'
    exit 0
    ;;
  'show '*)
    echo "ActiveState=$("$0" is-active docker)"
    echo 'Result=exit-code'
    exit 0
    ;;
esac
echo "systemctl $*" >>ROOT/state/calls
if [ -e ROOT/state/broken-unit ]; then
  echo 'Job for docker.service failed because the control process exited with error code.' >&2
  exit 1
fi
case "$*" in
  'enable --now docker')
    rm -f ROOT/state/disabled
    [ -e ROOT/state/mute ] || [ -e ROOT/state/dying ] || touch ROOT/state/running
    ;;
esac
