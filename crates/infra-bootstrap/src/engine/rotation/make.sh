# Makes the host's own key beside the one in its place, or takes the one that an earlier run
# left there, and prints its public half. The private half never leaves the host.
set -eu
umask 077
file=/etc/ssh/ssh_host_ed25519_key
next=$file.stagecraft-next

# Prints the public half of a private key, if that is whole.
public() {
  half=$(ssh-keygen -y -P '' -f "$1" 2>/dev/null) || return 1
  # The comment of the private key may be printed too.
  set -f
  set -- $half
  [ -n "${2:-}" ] && echo "$1 $2 stagecraft-own"
}

if [ ! -e "$next" ] && [ -r "$file.pub" ]; then
  # cloud-init writes no end of line.
  read -r line <"$file.pub" || :
  case "$line" in
  *" stagecraft-own")
    # It is in its place already, and was not taken up yet: if the private half is too, and this
    # is not all that is left of another key.
    if half=$(public "$file") && [ "$half" = "$line" ]; then
      echo "$half"
      exit
    fi
    ;;
  esac
fi
if ! half=$(public "$next"); then
  rm -f "$next" "$next.pub" "$next.new" "$next.new.pub"
  ssh-keygen -q -t ed25519 -N '' -C stagecraft-own -f "$next.new"
  rm -f "$next.new.pub"
  mv -f "$next.new" "$next"
  half=$(public "$next")
fi
echo "$half" >"$next.pub"
chmod 644 "$next.pub"
# A key that is pinned must outlive a loss of power.
sync
echo "$half"
