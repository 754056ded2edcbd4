# Whether $name answers at $port, for up to $settling seconds unless it refuses.
timeout "$patience" getent ahosts "$name" >/dev/null || exit "$unknown"
until=$(($(date +%s) + settling))
until cause=$(timeout "$attempt" bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$name" "$port" 2>&1); do
  case $cause in
  *refused*) until=0 ;;
  esac
  if [ "$(date +%s)" -ge "$until" ]; then
    echo "${cause:-no answer for $settling s}" >&2
    exit "$silent"
  fi
  sleep "$pause"
done
