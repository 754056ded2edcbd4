set -u
export LC_ALL=C
if [ -n "$key_file" ]; then
  trap 'rm -f -- "$key_file"' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
fi
limited() {
  if command -v timeout >/dev/null 2>&1; then timeout -k 5 90 "$@"; else "$@"; fi
}
set -- up --reset "--hostname=$node_name" "--accept-dns=$accept_dns" --timeout=60s
if [ -n "$key_file" ]; then set -- "$@" "--auth-key=file:$key_file"; fi
if [ -n "$tags" ]; then set -- "$@" "--advertise-tags=$tags"; fi
if [ -n "$login_server" ]; then set -- "$@" "--login-server=$login_server"; fi
limited tailscale "$@" </dev/null
exit "$?"
