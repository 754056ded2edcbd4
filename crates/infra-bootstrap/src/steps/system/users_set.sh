# Set before: login and key, the account that this run is logged in as and the key by which it is.
# Whatever these have stays; `*` stands for an unknown login, for which everything stays. The accounts of the file, in `declared`.

# lines KIND NAME: the rest of the record's lines `KIND NAME ...`.
lines() {
  [ ! -e "$record" ] || sed -n "s/^$1 $2 //p" "$record"
}

# may_keep NAME: whether NAME must not lose anything.
may_keep() {
  [ "$login" = '*' ] || [ "$1" = "$login" ]
}

# drop_sudo NAME
drop_sudo() {
  rm -f "/etc/sudoers.d/stagecraft-$1" || fail "the rights of $1 could not be taken"
  forget "sudo $1"
}

# drop_group NAME GROUP
drop_group() {
  if getent group "$2" | cut -d : -f 4 | tr , '\n' | grep -qxF -e "$1"; then
    gpasswd --delete "$1" "$2" || fail "$1 could not be taken out of $2"
  fi
  forget "group $1 $2"
}

# write_keys NAME HOME: makes the standard input our part of the keys; nothing takes it away.
write_keys() {
  keys=$(cat)
  [ -n "$keys" ] || [ -e "$2/.ssh/authorized_keys" ] || return 0
  # As the user, and not for ever: below a home that is not root's, root must not follow links,
  # and what is opened there may have no end.
  printf '%s' "${keys:+$keys
}" | timeout -k 5 30 runuser -u "$1" -- sh -c '
    umask 077
    file=$1/.ssh/authorized_keys
    rm -f "$file.stagecraft-new"
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
  ' sh "$2" "${keys:+some}" || fail "the keys of $1 could not be written"
}

# kept_key NAME HOME: the line of our part of NAME's keys by which this run is logged in.
kept_key() {
  may_keep "$1" && [ -n "$key" ] || return 0
  timeout -k 1 5 runuser -u "$1" -- sh -c '[ -f "$1" ] && cat "$1"' sh "$2/.ssh/authorized_keys" |
    sed -n '/^# stagecraft: begin$/,/^# stagecraft: end$/p' | grep -F -e " $key"
}

# user NAME SHELL GROUPS SUDO KEYS: empty means as it is, but for what was given and for the keys.
# Never deletes a user.
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
  former=$(lines locked "$name")
  if [ -z "$entry" ]; then
    remember "account $name"
    useradd --create-home --shell "${shell:-/bin/bash}" "$name" || fail "$name could not be added"
    entry=$(getent passwd "$name")
  elif [ -n "$former" ]; then
    remember "account $name"
    usermod --expiredate '' --shell "${shell:-$former}" "$name" || fail "$name could not be let in again"
    # Without a password there is nothing to unlock.
    usermod --unlock "$name" 2>/dev/null || :
  elif [ -n "$shell" ] && [ "${entry##*:}" != "$shell" ]; then
    usermod --shell "$shell" "$name" || fail "the shell of $name could not be changed"
  fi
  [ -z "$former" ] || forget "locked $name $former"
  for group in $groups; do
    if ! getent group "$group" | cut -d : -f 4 | tr , '\n' | grep -qxF -e "$name"; then
      remember "group $name $group"
      usermod --append --groups "$group" "$name" || fail "$name could not join $group"
    fi
  done
  if [ "$sudo" = yes ]; then
    remember "sudo $name"
    printf '%s ALL=(ALL:ALL) NOPASSWD:ALL\n' "$name" | put "/etc/sudoers.d/stagecraft-$name" 440 ||
      exit 1
  fi
  if ! may_keep "$name"; then
    if [ "$sudo" = no ] || { [ -z "$sudo" ] && given "sudo $name"; }; then
      drop_sudo "$name"
    fi
    for group in $(lines group "$name"); do
      case " $groups " in
        *" $group "*) ;;
        *) drop_group "$name" "$group" ;;
      esac
    done
  fi
  home=$(echo "$entry" | cut -d : -f 6)
  kept=$(kept_key "$name" "$home")
  case "$keys" in
    *" $key"*) ;;
    *) keys=$keys${kept:+$kept
} ;;
  esac
  [ -z "$keys" ] || remember "keys $name"
  printf '%s' "$keys" | write_keys "$name" "$home" || exit 1
  [ -n "$keys" ] || forget "keys $name"
}

# lock NAME: nobody logs in as NAME any more, by whatever key or password. The home stays.
lock() {
  # The shell as it was, for the day on which the account is let in again.
  if [ -z "$(lines locked "$1")" ]; then
    remember "locked $1 $(getent passwd "$1" | cut -d : -f 7)"
  fi
  nologin=$(command -v nologin) || nologin=/usr/sbin/nologin
  usermod --lock --expiredate 1 --shell "$nologin" "$1" || fail "$1 could not be locked"
  if command -v loginctl >/dev/null; then
    loginctl terminate-user "$1" 2>/dev/null || :
  fi
  if command -v pkill >/dev/null; then
    pkill -KILL -u "$1" '^sshd' || :
  fi
  forget "account $1"
}

# revoke NAME HOW: takes back what NAME was given. The account is locked if it was ours, or if HOW
# is `lock`. The way in is closed first.
revoke() {
  may_keep "$1" && return
  entry=$(getent passwd "$1")
  if [ -n "$entry" ]; then
    if [ "$(echo "$entry" | cut -d : -f 3)" -lt 1000 ]; then
      fail "$1 is an account of the system"
    fi
    if [ "$2" = lock ] || given "account $1"; then
      lock "$1"
    fi
  fi
  drop_sudo "$1"
  if [ -n "$entry" ]; then
    : | write_keys "$1" "$(echo "$entry" | cut -d : -f 6)" || exit 1
  else
    forget "account $1"
    for former in $(lines locked "$1"); do
      forget "locked $1 $former"
    done
  fi
  forget "keys $1"
  for group in $(lines group "$1"); do
    drop_group "$1" "$group"
  done
}

# revoke_others: all of the record that the file does not name. An account that is locked already
# and has nothing else is done with.
revoke_others() {
  [ -e "$record" ] || return 0
  for name in $(sed -n 's/^\(account\|keys\|sudo\|group\) \([a-z_][a-z0-9_-]*\).*/\2/p' "$record" | sort -u); do
    case " $declared " in
      *" $name "*) ;;
      *) revoke "$name" '' ;;
    esac
  done
}

# revoke_root_keys NAME: takes the keys from root that the host was created with under other names
# than NAME, which the file names now.
revoke_root_keys() {
  file=$(getent passwd root | cut -d : -f 6)/.ssh/authorized_keys
  sed -n 's/^rootkey //p' "$record" | while read -r kind body name; do
    [ -n "$body" ] && [ "$body" != "$key" ] && [ "$name" != "$1" ] && [ "$login" != '*' ] || continue
    if grep -qsF -e " $body" "$file"; then
      cp -p "$file" "$file.stagecraft-new" || fail "$file could not be copied"
      grep -vF -e " $body" "$file" >"$file.stagecraft-new"
      [ $? -le 1 ] && mv -f "$file.stagecraft-new" "$file" || fail "$file could not be written"
    fi
    forget "rootkey $kind $body $name"
  done || exit 1
}
