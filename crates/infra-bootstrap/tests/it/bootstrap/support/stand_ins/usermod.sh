# usermod OPTION [VALUE] ... NAME
echo "usermod $*" >>ROOT/state/calls
for name; do :; done
while [ $# -gt 1 ]; do
  case "$1" in
    --append) ;;
    --groups) sed -i "s/^\($2:.*\)/\1,$name/; s/:,/:/" ROOT/etc/group; shift ;;
    --shell) sed -i "s#^\($name:.*:\).*#\1$2#" ROOT/etc/passwd; shift ;;
    --expiredate) sed -i "s/^\($name:.*:\).*:$/\1$2:/" ROOT/etc/shadow; shift ;;
    --lock | --unlock) ;;
  esac
  shift
done
