export LC_ALL=C
(
  unset ID UBUNTU_CODENAME VERSION_CODENAME
  . /etc/os-release
  printf 'os_id=%s\nos_codename=%s\n' "${ID-}" "${UBUNTU_CODENAME:-${VERSION_CODENAME-}}"
)
limited() {
  if command -v timeout >/dev/null 2>&1; then timeout 10 "$@"; else "$@"; fi
}
pref() {
  printf '%s\n' "$prefs" | sed -n 's/^[[:space:]]*"'"$1"'": *"\{0,1\}\([^",]*\)"\{0,1\},\{0,1\}$/\1/p' | sed -n 1p
}
if command -v tailscale >/dev/null 2>&1; then
  echo 'installed=yes'
  printf 'version=%s\n' "$(limited tailscale version | sed -n 1p)"
  prefs=$(limited tailscale debug prefs)
  printf 'control_url=%s\n' "$(pref ControlURL)"
  printf 'accept_dns=%s\n' "$(pref CorpDNS)"
  printf 'hostname=%s\n' "$(pref Hostname)"
  status=$(limited tailscale status --json --peers=false)
  printf 'status_code=%s\n' "$?"
  printf 'status:\n%s\n' "$status"
else
  echo 'installed=no'
fi
exit 0
