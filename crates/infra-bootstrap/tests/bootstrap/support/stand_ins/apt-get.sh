# Knows Docker's packages once its repository was set up and read.
echo "apt-get $*" >>ROOT/state/calls
sub=
words=
while [ $# -gt 0 ]; do
  case "$1" in
    -o) shift ;;
    -*) ;;
    *) if [ -z "$sub" ]; then sub=$1; else words="$words $1"; fi ;;
  esac
  shift
done
# Each line of the file `apt-SUB` is the error of one call.
order=ROOT/state/apt-$sub
if [ -s "$order" ]; then
  sed -n 1p "$order" >&2
  sed 1d "$order" >"$order.rest"
  mv "$order.rest" "$order"
  exit 100
fi
case "$sub" in
  update)
    rm -f ROOT/state/listed
    if [ -s ROOT/etc/apt/keyrings/docker.asc ] && grep -qx 'Suites: noble' ROOT/etc/apt/sources.list.d/docker.sources; then
      touch ROOT/state/listed
    fi
    ;;
  install)
    for word in $words; do
      version=29.1.3
      case "$word" in
        *=5:27.5.1-\* | *=5:27.5.\*) version=27.5.1 ;;
        *=*) echo "E: Version '${word#*=}' for '${word%%=*}' was not found" >&2; exit 100 ;;
      esac
      name=${word%%=*}
      case "$name" in
        docker* | containerd.io)
          if [ ! -e ROOT/state/listed ]; then
            echo "E: Unable to locate package $name" >&2
            exit 100
          fi
          ;;
      esac
      echo "$version" >"ROOT/state/packages/$name"
      echo "Setting up $name ($version) ..."
      if [ "$name" = docker-ce ]; then
        echo "$version" >ROOT/state/docker-version
      fi
      if [ "$name" = docker-ce-cli ]; then
        cat ROOT/bin/docker.installed >ROOT/bin/docker
        chmod 755 ROOT/bin/docker
      fi
    done
    ;;
  remove)
    for word in $words; do
      rm "ROOT/state/packages/$word" || exit 100
    done
    ;;
esac
