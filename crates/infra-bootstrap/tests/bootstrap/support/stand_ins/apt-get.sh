# Knows Docker's packages once its repository was set up and read.
echo "apt-get $*" >>ROOT/state/calls
sub=
words=
simulate=
strict=
while [ $# -gt 0 ]; do
  case "$1" in
    -o)
      shift
      case "$1" in APT::Update::Error-Mode=any) strict=yes ;; esac
      ;;
    -s) simulate=yes ;;
    -*) ;;
    *) if [ -z "$sub" ]; then sub=$1; else words="$words $1"; fi ;;
  esac
  shift
done
if [ -n "$APT_CONFIG" ]; then
  sed 's/^/configured: /' "$APT_CONFIG" >>ROOT/state/calls
  if grep -q '^APT::Update::Error-Mode "any";$' "$APT_CONFIG"; then strict=yes; fi
fi
# How long each call takes.
if [ -e ROOT/state/apt-takes ]; then
  echo "$(($(cat ROOT/state/clock) + $(cat ROOT/state/apt-takes)))" >ROOT/state/clock
fi
if [ -n "$simulate" ]; then
  sub=simulate
fi
# Lists that could not be read are an error only if that is asked for.
if [ "$sub" = update ] && [ -z "$strict" ] && grep -q 'Failed to fetch' ROOT/state/apt-update; then
  echo 'W: Some index files failed to download. They have been ignored, or old ones used instead.' >&2
  exit 0
fi
# Each line of the file `apt-SUB` is the error of one call; `apt-says` is what an installation
# tells before.
order=ROOT/state/apt-$sub
if [ -s "$order" ]; then
  if [ "$sub" = install ] && [ -s ROOT/state/apt-says ]; then cat ROOT/state/apt-says; fi
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
    # What it says of repositories that it cannot read, and of others beside them.
    if [ -s ROOT/state/apt-unread ]; then
      cat ROOT/state/apt-unread >&2
      exit 100
    fi
    ;;
  install | simulate)
    for word in $words; do
      version=29.1.3
      case "$word" in
        *=5:*-1~ubuntu.24.04~noble) version=${word#*=5:}; version=${version%%-*} ;;
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
      if [ "$sub" = simulate ]; then
        echo "Inst $name ($version Docker:noble [amd64])"
        echo "Conf $name ($version Docker:noble [amd64])"
        continue
      fi
      if [ -e "ROOT/state/on-hold/$name" ]; then
        echo 'E: Held packages were changed and -y was used without --allow-change-held-packages.' >&2
        exit 100
      fi
      case "$name" in
        docker-ce-cli) other=docker-cli ;;
        docker-buildx-plugin) other=docker-buildx ;;
        docker-compose-plugin) other=docker-compose-v2 ;;
        *) other= ;;
      esac
      if [ -n "$other" ] && [ -e "ROOT/state/packages/$other" ]; then
        echo "dpkg: error processing archive $name.deb (--unpack):" >&2
        echo " trying to overwrite a file, which is also in package $other" >&2
        exit 100
      fi
      rm -f "ROOT/state/dpkg/$name"
      echo "$version" >"ROOT/state/packages/$name"
      echo "Setting up $name ($version) ..."
      if [ "$name" = docker-ce ] || [ "$name" = docker.io ]; then
        sed 's/^Timeout/starts docker with Timeout/' ROOT/run/systemd/system/docker.service.d/* >>ROOT/state/calls
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
