for package; do :; done
if [ ! -e "ROOT/state/packages/$package" ]; then
  echo "dpkg-query: no packages found matching $package" >&2
  exit 1
fi
printf 'ii '
