# Knows the packages in `state/packages`, with a hold or a state of their own where one is noted.
format=
names=
for word; do
  case "$word" in
    -W) ;;
    -f=*) format=${word#-f=} ;;
    *) names="$names $word" ;;
  esac
done
set -f
result=0
for name in $names; do
  if [ ! -e "ROOT/state/packages/$name" ]; then
    result=1
    continue
  fi
  state='ii '
  if [ -e "ROOT/state/on-hold/$name" ]; then state='hi '; fi
  if [ -e "ROOT/state/dpkg/$name" ]; then state=$(cat "ROOT/state/dpkg/$name"); fi
  case "$format" in
    package=*) echo "package=$state $name $(cat "ROOT/state/packages/$name")" ;;
    *) printf '%s' "$state" ;;
  esac
done
exit "$result"
