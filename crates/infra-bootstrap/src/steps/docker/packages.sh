# What the changes of Docker's packages share. Set before: packages, named (what the plan names),
# rivals, all, engine.

# installed: the packages that have their files on the disk, with their versions.
installed() {
  dpkg-query -W -f='${db:Status-Abbrev}|${binary:Package} ${Version}\n' |
    sed -n 's/^.[iUFWt][^|]*|//p'
}
installed >"$work/before"

# report_others: reports each package that came, went or changed its version and is not in the plan.
report_others() {
  installed >"$work/after"
  grep -vxF -f "$work/before" "$work/after" | while read -r name version; do
    case " $named " in
      *" $name "*) continue ;;
    esac
    former=$(sed -n "s/^$name //p" "$work/before")
    if [ -n "$former" ]; then
      echo "upgraded=$name from $former to $version"
    else
      echo "installed=$name"
    fi
  done
  grep -vxF -f "$work/after" "$work/before" | while read -r name version; do
    case " $named $rivals " in
      *" $name "*) continue ;;
    esac
    grep -q "^$name " "$work/after" || echo "removed=$name"
  done
}

# version_of PACKAGE: the version whose files lie on the disk, whole or not.
version_of() {
  case $(status "$1") in
    ?[iUFWtH]*) dpkg-query -W -f='${Version}' "$1" ;;
  esac
}

# is_broken PACKAGE: whether its files have to be unpacked again.
is_broken() {
  case $(status "$1") in
    ?H* | ??R*) return 0 ;;
    *) return 1 ;;
  esac
}

# is_whole PACKAGE
is_whole() {
  is_installed "$1" && ! is_broken "$1"
}

# unwanted PACKAGE...: those of them that are there and do not belong to Docker's wanted ones.
unwanted() {
  for package; do
    case " $all " in
      *" $package "*) continue ;;
    esac
    if [ -n "$(version_of "$package")" ]; then
      printf ' %s' "$package"
    fi
  done
}

# removals_beside PACKAGE...: what the last simulation takes away beside these.
removals_beside() {
  sed -n 's/^Remv \([^ ]*\) .*/\1/p' "$log" | while read -r name; do
    case " $* " in
      *" $name "*) ;;
      *) printf ' %s' "$name" ;;
    esac
  done
}

# forget_holds PACKAGE...: apt refuses to change what is on hold.
forget_holds() {
  for package; do
    case $(status "$package") in
      h*) settled apt-mark unhold "$package" || fail "the hold of $package could not be taken off" ;;
    esac
  done
}

# Another engine than the wanted package is never taken away while it runs: containers would end.
# It may have been started since the host was looked at.
spare_running_engine() {
  [ -z "$(version_of "$engine")" ] || return 0
  ask 2>/dev/null
  if [ -n "$server" ]; then
    echo "docker $server runs, and is not the package $engine" >&2
    exit 71
  fi
}
