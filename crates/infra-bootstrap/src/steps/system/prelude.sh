# What all changes of the system share.
export LC_ALL=C.UTF-8

fail() {
  echo "failed: $*" >&2
  exit 1
}

# put FILE MODE: makes FILE of the standard input, whole or not at all.
put() {
  cat >"$1.stagecraft-new" && chmod "$2" "$1.stagecraft-new" && mv -f "$1.stagecraft-new" "$1" && return
  reason=$(full "${1%/*}")
  rm -f "$1.stagecraft-new"
  fail "${reason:+$reason: }$1 could not be written"
}

# The record of what Stagecraft gave on this host, one line each. A line is written before what it
# names is given, and removed after that was taken back: a kill in between loses nothing.
record=/var/lib/stagecraft/given

# given LINE: whether the record has it.
given() {
  grep -qsxF -e "$1" "$record"
}

# remember LINE
remember() {
  given "$1" && return
  (umask 077 && mkdir -p "${record%/*}") || fail "${record%/*} could not be created"
  {
    if [ -e "$record" ]; then
      cat "$record"
    else
      echo '# What Stagecraft gave on this host, and takes back when its file no longer says so.'
    fi
    printf '%s\n' "$1"
  } | put "$record" 600 || exit 1
  sync "$record" 2>/dev/null || :
}

# forget LINE
forget() {
  given "$1" || return 0
  grep -vxF -e "$1" "$record" | put "$record" 600 || exit 1
}
