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
if [ -z "$names" ]; then
  for file in ROOT/state/packages/*; do
    names="$names ${file##*/}"
  done
fi
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
  version=$(cat "ROOT/state/packages/$name")
  version=${version:-1.0-1}
  case "$format" in
    package=*) echo "package=$state $name $version" ;;
    *binary:Package*) echo "$state|$name $version" ;;
    '${Version}') printf '%s' "$version" ;;
    *) printf '%s' "$state" ;;
  esac
done
exit "$result"
