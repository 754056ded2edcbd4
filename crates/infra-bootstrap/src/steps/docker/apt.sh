# Docker's own apt repository: https://docs.docker.com/engine/install/ubuntu/
. /etc/os-release || fail '/etc/os-release cannot be read'
codename=${UBUNTU_CODENAME:-${VERSION_CODENAME:-}}
[ -n "$codename" ] || fail '/etc/os-release names no codename'
spare_running_engine
ensure_curl

install -m 0755 -d /etc/apt/keyrings || exit 1
download "https://download.docker.com/linux/$ID/gpg" /etc/apt/keyrings/docker.asc.new ||
  fail "the key of Docker's repository could not be downloaded"
chmod a+r /etc/apt/keyrings/docker.asc.new || exit 1
mv /etc/apt/keyrings/docker.asc.new /etc/apt/keyrings/docker.asc || exit 1

# The one-line form that older installations use: both would be read.
rm -f /etc/apt/sources.list.d/docker.list
architecture=$(dpkg --print-architecture) || exit 1
cat >/etc/apt/sources.list.d/docker.sources.new <<END || exit 1
Types: deb
URIs: https://download.docker.com/linux/$ID
Suites: $codename
Components: stable
Architectures: $architecture
Signed-By: /etc/apt/keyrings/docker.asc
END
mv /etc/apt/sources.list.d/docker.sources.new /etc/apt/sources.list.d/docker.sources || exit 1

apt update || fail 'the package lists could not be read'
wanted=
for package in $packages; do
  case "$package" in
    docker-ce | docker-ce-cli) wanted="$wanted $package${pattern:+=$pattern}" ;;
    *) wanted="$wanted $package" ;;
  esac
done
# No globbing: the pattern is apt's. The lists are unquoted on purpose: one word for each package.
set -f
apt -s install $wanted || fail "these packages cannot be installed:$wanted"

# Only now, so that a host never loses an engine for which there is no other.
conflicts=
for package in docker.io docker-compose docker-compose-v2 docker-doc podman-docker containerd runc; do
  if is_installed "$package"; then
    conflicts="$conflicts $package"
  fi
done
if [ -n "$conflicts" ]; then
  spare_running_engine
  apt remove $conflicts || fail "these packages could not be removed:$conflicts"
fi
apt install $wanted || fail "these packages could not be installed:$wanted"
