# Docker's own apt repository: https://docs.docker.com/engine/install/ubuntu/
. /etc/os-release || fail '/etc/os-release cannot be read'
codename=${UBUNTU_CODENAME:-${VERSION_CODENAME:-}}
[ -n "$codename" ] || fail '/etc/os-release names no codename'
spare_running_engine

url=$mirror/$ID
key=${key:-$url/gpg}
install -m 0755 -d /etc/apt/keyrings || exit 1
download "$key" /etc/apt/keyrings/docker.asc.new ||
  fail "the key of the packages could not be downloaded from $key"
if ! grep -q '^-----BEGIN PGP PUBLIC KEY BLOCK-----' /etc/apt/keyrings/docker.asc.new; then
  rm -f /etc/apt/keyrings/docker.asc.new
  fail "what $key gives is no key"
fi
chmod a+r /etc/apt/keyrings/docker.asc.new || exit 1
if [ -e /etc/apt/keyrings/docker.asc ]; then
  cp /etc/apt/keyrings/docker.asc "$work/docker.asc" || exit 1
fi
mv /etc/apt/keyrings/docker.asc.new /etc/apt/keyrings/docker.asc || exit 1

# The one-line form that older installations and Docker's script use: both would be read, and apt
# refuses two keys for one repository.
sources=/etc/apt/sources.list.d/docker
if [ -e "$sources.list" ] && grep -q "download\.docker\.com\|$mirror" "$sources.list"; then
  mv "$sources.list" "$work/docker.list" || exit 1
fi
if [ -e "$sources.sources" ]; then
  cp "$sources.sources" "$work/docker.sources" || exit 1
fi
# A repository that cannot be read would stop every later use of apt on this host.
take_back() {
  rm -f "$sources.sources" /etc/apt/keyrings/docker.asc
  if [ -e "$work/docker.asc" ]; then
    cp "$work/docker.asc" /etc/apt/keyrings/docker.asc
  fi
  for file in docker.list docker.sources; do
    if [ -e "$work/$file" ]; then
      cp "$work/$file" "/etc/apt/sources.list.d/$file"
    fi
  done
}
architecture=$(dpkg --print-architecture) || exit 1
cat >"$sources.sources.new" <<END || exit 1
Types: deb
URIs: $url
Suites: $codename
Components: stable
Architectures: $architecture
Signed-By: /etc/apt/keyrings/docker.asc
END
mv "$sources.sources.new" "$sources.sources" || exit 1

if ! lists "${url#file://}" "$sources"; then
  take_back
  fail "the package lists could not be read"
fi

# choose PACKAGE: the newest of its versions that is the wanted one, and nothing if there is none.
choose() {
  for candidate in $(offered "$1"); do
    case "${candidate#*:}" in
      "$version" | "$version"[!0-9]*)
        echo "$candidate"
        return
        ;;
    esac
  done
}
offered() {
  apt-cache madison "$1" | sed -n 's/^[^|]*| *\([^ |]*\) *|.*/\1/p'
}
wanted=
for package in $packages; do
  pin=
  if [ -n "$version" ]; then
    case "$package" in
      "$engine" | "$cli")
        pin=$(choose "$package")
        if [ -z "$pin" ]; then
          echo "$url offers for $package:" $(offered "$package" | sed 30q)
          fail "there is no version $version of $package"
        fi
        ;;
    esac
  fi
  wanted="$wanted $package${pin:+=$pin}"
done
forget_holds
# The lists are unquoted on purpose: one word for each package.
if ! apt -s install $wanted; then
  [ ! -e "$work/unread" ] || take_back
  not_installed "these packages cannot be installed:$wanted"
fi

# Only now, so that a host never loses an engine for which there is no other.
conflicts=$(unwanted $rivals)
if [ -n "$conflicts" ]; then
  spare_running_engine
  # Whatever else works with it would lose its containers.
  if is_installed containerd && ! is_installed docker.io && systemctl is-active --quiet containerd; then
    fail 'containerd runs here without docker, and would be replaced; remove it by hand if nothing needs it'
  fi
  apt remove $conflicts || fail "these packages could not be removed:$conflicts"
fi
limit_start
apt install $wanted || not_installed "these packages could not be installed:$wanted"
