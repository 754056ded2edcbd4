# Shows that an engine which was installed or started here makes and runs a container, with nothing
# from outside: its image is empty, and its programs are the host's own. Nothing of it stays.
checked=stagecraft-check
# There from before the change until the container has ended: if the run is cut off between, the
# next one makes up for it.
unverified=/var/lib/stagecraft/docker-unverified

owe_check() {
  { mkdir -p "${unverified%/*}" && : >"$unverified"; } 2>/dev/null || :
}

sweep() {
  client 30 rm --force --volumes "$checked"
  client 30 rmi --force "$checked"
} >/dev/null 2>&1

# container: imports that image, and runs a container of it.
container() {
  head -c 10240 /dev/zero | client 60 import - "$checked" >"$work/image" || return
  image=$(cat "$work/image")
  set --
  for folder in /usr /bin /lib /lib64; do
    [ ! -d "$folder" ] || set -- "$@" --volume "$folder:$folder:ro"
  done
  # By its id it is never pulled; where logs go may come later than the engine.
  client 60 run --rm --name "$checked" --network none --log-driver none "$@" "$image" /bin/sh -c 'exit 0'
}

check_container() {
  [ -e "$unverified" ] || return 0
  finally=sweep
  sweep
  if ! logged container; then
    # Who may make which containers is for the host's owner to say.
    if grep -q 'authorization denied by plugin' "$log"; then
      echo "unchecked=$(sed -n 's/.*\(authorization denied by plugin.*\)/\1/p' "$log" | sed 1q)"
    else
      printf '\nthe cause:\n'
      cat "$log"
      timeout 10 journalctl -u docker -n 12 --no-pager
      room=
      if grep -q "$FULL" "$log"; then
        df -hP / /var/lib/docker 2>/dev/null | cut -c 1-120 | uniq
        room=$(filled /var/lib/docker /run/ /)
      fi
      reason=$(sed -n 's/.*Error response from daemon: //p' "$log" | sed 1q)
      echo "failed: ${room:+$room: }${reason:-the client failed}" >&2
      exit 72
    fi
  fi
  rm -f "$unverified"
  rmdir "${unverified%/*}" 2>/dev/null || :
}
