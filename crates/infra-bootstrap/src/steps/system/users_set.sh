# user NAME SHELL GROUPS SUDO KEYS: empty means as it is, but for the keys. Never deletes a user.
user() {
  name=$1 shell=$2 groups=$3 sudo=$4 keys=$5
  if [ -n "$shell" ] && [ ! -x "$shell" ]; then
    fail "the host has no shell $shell"
  fi
  entry=$(getent passwd "$name")
  if [ -n "$entry" ] && [ "$(echo "$entry" | cut -d : -f 3)" -lt 1000 ]; then
    fail "$name is an account of the system"
  fi
  # Before anything is changed. A new user has a group of its own name.
  for group in $groups; do
    [ "$group" = "$name" ] || getent group "$group" >/dev/null || fail "the host has no group $group"
  done
  [ "$sudo" != yes ] || command -v sudo >/dev/null || fail 'the package sudo is not installed'
  if [ -z "$entry" ]; then
    useradd --create-home --shell "${shell:-/bin/bash}" "$name" || fail "$name could not be added"
    entry=$(getent passwd "$name")
  elif [ -n "$shell" ] && [ "${entry##*:}" != "$shell" ]; then
    usermod --shell "$shell" "$name" || fail "the shell of $name could not be changed"
  fi
  for group in $groups; do
    usermod --append --groups "$group" "$name" || fail "$name could not join $group"
  done
  case "$sudo" in
    yes)
      printf '%s ALL=(ALL:ALL) NOPASSWD:ALL\n' "$name" | put "/etc/sudoers.d/stagecraft-$name" 440 ||
        exit 1
      ;;
    no) rm -f "/etc/sudoers.d/stagecraft-$name" || fail "the rights of $name could not be taken" ;;
  esac
  home=$(echo "$entry" | cut -d : -f 6)
  # As the user, and not for ever: below a home that is not root's, root must not follow links,
  # and what is opened there may have no end.
  if [ -n "$keys" ] || [ -e "$home/.ssh/authorized_keys" ]; then
    printf '%s' "$keys" | timeout -k 5 30 runuser -u "$name" -- sh -c '
      umask 077
      file=$1/.ssh/authorized_keys
      if [ -e "$file" ] && [ ! -f "$file" ]; then
        echo "$file is no plain file" >&2
        exit 1
      fi
      if [ -z "$2" ] && ! grep -qs "^# stagecraft: begin\$" "$file"; then
        exit 0
      fi
      mkdir -p "$1/.ssh" || exit 1
      if [ -e "$file" ]; then
        # Without an end all lines of others below the begin would go.
        begins=$(grep -c "^# stagecraft: begin\$" "$file")
        ends=$(grep -c "^# stagecraft: end\$" "$file")
        if [ "$begins" != "$ends" ]; then
          echo "$file has $begins lines \"# stagecraft: begin\" and $ends \"# stagecraft: end\"" >&2
          exit 1
        fi
        sed "/^# stagecraft: begin\$/,/^# stagecraft: end\$/d" "$file" >"$file.stagecraft-new" || exit 1
        if [ -n "$(tail -c 1 "$file.stagecraft-new")" ]; then
          echo >>"$file.stagecraft-new" || exit 1
        fi
      else
        : >"$file.stagecraft-new" || exit 1
      fi
      { echo "# stagecraft: begin"; cat; echo "# stagecraft: end"; } >>"$file.stagecraft-new" &&
        chmod 600 "$file.stagecraft-new" && mv -f "$file.stagecraft-new" "$file"
    ' sh "$home" "${keys:+some}" || fail "the keys of $name could not be written"
  fi
}
