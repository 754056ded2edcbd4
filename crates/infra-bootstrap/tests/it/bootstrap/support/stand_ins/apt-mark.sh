echo "apt-mark $*" >>ROOT/state/calls
case "$1" in
  hold) touch "ROOT/state/on-hold/$2" ;;
  unhold) rm -f "ROOT/state/on-hold/$2" ;;
esac
