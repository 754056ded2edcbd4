# Set before: finish, which is `yes` to finish what was begun.

# choose PACKAGE: the newest of its versions that is the wanted one, and nothing if there is none.
choose() {
  for candidate in $(offered "$1"); do
    case "${candidate#*:}" in
      "$version" | "$version"[!0-9]*)
        echo "$candidate"
        return
        ;;
    esac
  done
}
offered() {
  apt-cache madison "$1" | sed -n 's/^[^|]*| *\([^ |]*\) *|.*/\1/p'
}

# same PACKAGE VERSION: that version, if it is offered.
same() {
  [ -n "$2" ] || return 0
  case " $(offered "$1" | tr '\n' ' ') " in
    *" $2 "*) echo "$2" ;;
  esac
}

# What is there keeps its version, whatever is offered: engines are never upgraded, and neither is
# what runs beside them. Only a client without an engine goes with the engine that comes.
resolve() {
  wanted=
  broken=
  fresh=
  engine_has=$(version_of "$engine")
  cli_has=
  if [ -n "$engine_has" ] || [ "$finish" = yes ]; then
    cli_has=$(version_of "$cli")
  fi
  for package in $packages; do
    case "$package" in
      "$engine") has=$engine_has ;;
      "$cli") has=$cli_has ;;
      *) has=$(version_of "$package") ;;
    esac
    if [ -n "$has" ]; then
      wanted="$wanted $package=$has"
      ! is_broken "$package" || broken="$broken $package=$has"
      continue
    fi
    fresh="$fresh $package"
    case "$package" in
      "$engine" | "$cli")
        if [ "$package" = "$cli" ]; then
          has=$(same "$cli" "$engine_has")
        elif [ -z "$version" ]; then
          has=$(same "$engine" "$cli_has")
        fi
        if [ -z "$has" ] && [ -n "$version" ]; then
          has=$(choose "$package")
          if [ -z "$has" ]; then
            echo "$url offers for $package:" $(offered "$package" | sed 30q)
            fail "there is no version $version of $package"
          fi
        fi
        ;;
    esac
    wanted="$wanted $package${has:+=$has}"
  done
}

# simulated PACKAGE...: these words with the versions that the last simulation has chosen.
simulated() {
  for word; do
    case "$word" in
      *=*) ;;
      *)
        chosen=$(sed -n "s/^Inst $word \(\[[^]]*\] \)\{0,1\}(\([^ ]*\) .*/\2/p" "$log" | sed 1q)
        word=$word${chosen:+=$chosen}
        ;;
    esac
    printf ' %s' "$word"
  done
}

# from_repository: installs what is missing of the packages. All of it lies on the disk before
# anything is taken away.
from_repository() {
  . /etc/os-release || fail '/etc/os-release cannot be read'
  spare_running_engine
  declare_repository
  resolve
  forget_holds $fresh
  conflicts=$(unwanted $rivals)
  shared=
  # The lists are unquoted on purpose: one word for each package.
  away=$(printf '%s' "$conflicts" | sed 's/[^ ][^ ]*/&-/g')
  if ! apt -s install $wanted $away; then
    [ ! -e "$work/unread" ] || take_back
    not_installed "these packages cannot be installed:$wanted"
  fi
  wanted=$(simulated $wanted)
  if [ -n "$conflicts" ]; then
    spare_running_engine
    # Whatever else works with it would lose its containers.
    if is_installed containerd && ! is_installed docker.io && systemctl is-active --quiet containerd; then
      fail 'containerd runs here without docker, and would be replaced; remove it by hand if nothing needs it'
    fi
    keep_dependents
    # Docker's packages have files of these and do not say so to apt.
    for package in $conflicts; do
      case "$package" in
        docker-cli | docker-buildx | docker-compose | docker-compose-v2 | podman-docker)
          shared="$shared $package"
          ;;
      esac
    done
    if [ -n "$shared" ]; then
      apt -s remove $shared || fail "these packages could not be removed:$shared"
      keep_dependents
    fi
  fi
  limit_start
  apt --download-only install $wanted $away ||
    not_installed "these packages could not be downloaded:$wanted"
  if [ -n "$broken" ]; then
    apt --reinstall install $broken || fail "these packages could not be unpacked again:$broken"
  fi
  had=$conflicts
  if [ -n "$shared" ]; then
    apt remove $shared || fail "these packages could not be removed:$shared"
    # What it leaves for root's shells names the socket of podman.
    case " $shared " in
      *' podman-docker '*) settled dpkg --purge podman-docker || fail 'podman-docker could not be removed' ;;
    esac
  fi
  away=$(unwanted $rivals | sed 's/[^ ][^ ]*/&-/g')
  apt install $wanted $away || not_installed "these packages could not be installed:$wanted"
}

# keep_dependents: refuses if the last simulation takes away what the plan does not name.
keep_dependents() {
  others=$(removals_beside $conflicts)
  [ -z "$others" ] || fail "with$conflicts these packages would be removed, which need them:$others"
}
