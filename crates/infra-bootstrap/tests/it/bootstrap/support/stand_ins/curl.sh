# Serves the key of Docker's repository and Docker's script.
echo "curl $*" >>ROOT/state/calls
if [ -s ROOT/state/offline ]; then
  cat ROOT/state/offline >&2
  exit 7
elif [ -e ROOT/state/offline ]; then
  echo 'curl: (6) Could not resolve host: download.docker.com' >&2
  exit 6
fi
if [ -e ROOT/state/unwritable ]; then
  cat ROOT/state/unwritable >&2
  exit 23
fi
url=
file=
while [ $# -gt 0 ]; do
  case "$1" in
    -o) file=$2; shift ;;
    http*://*) url=$1 ;;
  esac
  shift
done
# As AppArmor 5 has it: below /tmp and the home only.
case "$file" in
  ROOT/tmp/*) ;;
  *)
    echo 'curl: (23) client returned ERROR on write, 37 passed, 0 returned' >&2
    exit 23
    ;;
esac
case "$url" in
  */portal/gpg) echo '<html>please log in</html>' >"$file" ;;
  */gpg) echo '-----BEGIN PGP PUBLIC KEY BLOCK-----' >"$file" ;;
  https://get.docker.com)
    cat >"$file" <<'END'
echo "get.docker.com VERSION=$VERSION DOWNLOAD_URL=$DOWNLOAD_URL" >>ROOT/state/calls
apt-get update || exit 1
sed 's/^Timeout/starts docker with Timeout/' ROOT/run/systemd/system/docker.service.d/* >>ROOT/state/calls
for other in docker-cli docker-buildx docker-compose-v2; do
  [ ! -e ROOT/state/packages/$other ] || exit 100
done
rm -f ROOT/state/packages/docker.io
for name in docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin; do
  echo "${VERSION:-29.1.3}" >ROOT/state/packages/$name
done
echo "${VERSION:-29.1.3}" >ROOT/state/docker-version
cat ROOT/bin/docker.installed >ROOT/bin/docker
chmod 755 ROOT/bin/docker
END
    ;;
  *) exit 22 ;;
esac
