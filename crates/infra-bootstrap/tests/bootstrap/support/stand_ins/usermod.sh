# usermod --append --groups GROUP NAME, usermod --shell SHELL NAME
echo "usermod $*" >>ROOT/state/calls
case "$1" in
  --append) sed -i "s/^\($3:.*\)/\1,$4/" ROOT/etc/group ;;
  --shell) sed -i "s#^\($3:.*:\).*#\1$2#" ROOT/etc/passwd ;;
esac
