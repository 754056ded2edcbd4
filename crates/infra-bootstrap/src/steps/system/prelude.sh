# What all changes of the system share.
export LC_ALL=C.UTF-8

fail() {
  echo "failed: $*" >&2
  exit 1
}

# put FILE MODE: makes FILE of the standard input, whole or not at all.
put() {
  cat >"$1.stagecraft-new" && chmod "$2" "$1.stagecraft-new" && mv -f "$1.stagecraft-new" "$1" ||
    fail "$1 could not be written"
}
