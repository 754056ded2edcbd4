echo "dpkg $*" >>ROOT/state/calls
case "$1" in
  --print-architecture) echo amd64 ;;
esac
