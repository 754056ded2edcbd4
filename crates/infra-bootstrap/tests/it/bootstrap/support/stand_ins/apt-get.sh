# Knows Docker's packages once its repository was set up and read.
echo "apt-get $*" >>ROOT/state/calls
sub=
words=
simulate=
strict=
again=
while [ $# -gt 0 ]; do
  case "$1" in
    -o)
      shift
      case "$1" in APT::Update::Error-Mode=any) strict=yes ;; esac
      ;;
    -s) simulate=yes ;;
    --download-only) simulate=download ;;
    --reinstall) again=yes ;;
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
case "$simulate:$sub" in
  yes:remove) sub=simulate-remove ;;
  yes:*) sub=simulate ;;
  download:*) sub=download ;;
esac
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
  install | simulate | download)
    for word in $words; do
      version=29.1.3-1~ubuntu.24.04~noble
      name=${word%%=*}
      case "$name" in
        docker-*-plugin | containerd.io) version=1.7-1 ;;
        docker* | podman-docker) version=5:$version ;;
        *) version=1.0-1 ;;
      esac
      has=
      if [ -e "ROOT/state/packages/${name%-}" ]; then
        has=$(cat "ROOT/state/packages/${name%-}")
        has=${has:-1.0-1}
      fi
      case "$word" in
        *-)
          [ -n "$has" ] || continue
          if [ "$sub" = simulate ]; then
            echo "Remv ${name%-} [$has]"
            if [ "$name" = runc- ] && [ -e ROOT/state/packages/podman ]; then echo 'Remv podman [5.4.2]'; fi
          elif [ "$sub" = install ]; then
            rm "ROOT/state/packages/${name%-}"
          fi
          continue
          ;;
        *="$has") version=$has ;;
        *=5:*-1~ubuntu.24.04~noble) version=${word#*=} ;;
        *="$version") ;;
        *=*) echo "E: Version '${word#*=}' for '${word%%=*}' was not found" >&2; exit 100 ;;
      esac
      case "$name" in
        docker* | containerd.io)
          if [ ! -e ROOT/state/listed ] && [ "$version" != "$has" ]; then
            echo "E: Unable to locate package $name" >&2
            exit 100
          fi
          ;;
      esac
      # As apt does it: one that was unpacked in part stays so unless it is asked for expressly.
      if [ "$version" = "$has" ] && [ -z "$again" ]; then
        echo "$name is already the newest version ($has)."
        continue
      fi
      if [ "$sub" = simulate ]; then
        echo "Inst $name ${has:+[$has] }($version Docker:noble [amd64])"
        echo "Conf $name ($version Docker:noble [amd64])"
        continue
      elif [ "$sub" = download ]; then
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
      engine=${version#5:}
      engine=${engine%%-*}
      if [ "$name" = docker-ce ] || [ "$name" = docker.io ]; then
        sed 's/^Timeout/starts docker with Timeout/' ROOT/run/systemd/system/docker.service.d/* >>ROOT/state/calls
        echo "$engine" >ROOT/state/docker-version
        # What it brings along, takes away and upgrades.
        if [ -e ROOT/state/brings ]; then
          echo 2.8-1 >ROOT/state/packages/pigz
          echo 2.41-12 >ROOT/state/packages/libc6
          rm -f ROOT/state/packages/tini
        fi
      fi
      if [ "$name" = docker-ce-cli ]; then
        cat ROOT/bin/docker.installed >ROOT/bin/docker
        chmod 755 ROOT/bin/docker
      fi
    done
    ;;
  simulate-remove)
    for word in $words; do
      echo "Remv $word [1.0-1]"
    done
    ;;
  remove)
    for word in $words; do
      rm "ROOT/state/packages/$word" || exit 100
    done
    ;;
esac
