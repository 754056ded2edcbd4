# Builds a repository that looks like Docker's own from Debian's packages: the vendor's layout and
# package names, signed by a key generated for it. Runs in a container of a lab image as root; the
# repository goes to /out/linux.
set -eu
umask 022
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
archive=$(sed -n 's/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\) trixie main.*/\2/p' /etc/apt/sources.list | head -n 1)
echo "deb $archive bookworm main" >/etc/apt/sources.list.d/bookworm.list
apt-get update -qq
apt-get install -qq --yes --no-install-recommends apt-utils gnupg >/dev/null

work=$(mktemp -d)
# apt downloads as a separate user.
chmod 755 "$work"
cd "$work"
architecture=$(dpkg --print-architecture)
base=/out/linux/debian
mkdir -p "$base"

# relations NAME: the relations that the vendor's package declares, no more. It declares none to
# packages that have the same files, so hosts meet that too. That of the client with `docker-cli` is
# newer than most pinned versions.
# https://github.com/docker/docker-ce-packaging/blob/master/deb/common/control
# https://github.com/docker/containerd-packaging/blob/main/debian/control
relations() {
  case $1 in
  docker-ce | docker-ce-cli) echo 'Conflicts: docker.io' ;;
  containerd.io) printf '%s: containerd, runc\n' Conflicts Provides Replaces ;;
  docker-buildx-plugin) echo 'Replaces: docker-ce-cli' ;;
  docker-compose-plugin) printf '%s: docker-compose\n' Conflicts Replaces ;;
  esac
}

# repack NAME VERSION SUITE DEPENDS FILTER DEB...: builds one of the vendor's packages from Debian's.
# The first DEB provides the scripts; FILTER is a `find` expression of files to remove.
repack() {
  name=$1 number=$2 pool=$3 depends=$4 filter=$5
  shift 5
  root=$work/root
  rm -rf "$root"
  mkdir "$root"
  for deb; do
    dpkg-deb -x "$deb" "$root"
  done
  dpkg-deb -e "$1" "$root/DEBIAN"
  if [ -n "$filter" ]; then
    # Several words, but no file names.
    set -f
    find "$root" -path "$root/DEBIAN" -prune -o $filter -exec rm -f {} +
    set +f
  fi
  rm -f "$root/DEBIAN/md5sums"
  case $name in
  docker-ce | containerd.io) ;;
  *) rm -f "$root/DEBIAN/"*inst "$root/DEBIAN/"*rm "$root/DEBIAN/conffiles" ;;
  esac
  own=$(sed -n 's/^Depends: //p' "$root/DEBIAN/control" | tr ',' '\n' |
    sed 's/^ *//' | grep -v -E '^(containerd|runc|docker|golang)' | paste -s -d , -)
  {
    echo "Package: $name"
    echo "Version: $number"
    echo "Architecture: $architecture"
    echo "Maintainer: Stagecraft's lab <lab@example.com>"
    echo "Section: admin"
    echo "Priority: optional"
    all=$(printf '%s,%s' "$depends" "$own" | sed 's/^,//; s/,$//; s/,,*/, /g')
    [ -z "$all" ] || echo "Depends: $all"
    relations "$name"
    echo "Description: $name, made from Debian's packages for a lab"
  } >"$root/DEBIAN/control"
  # Files that the package no longer has must not be among its configuration files.
  if [ -e "$root/DEBIAN/conffiles" ]; then
    while read -r file; do
      [ -e "$root$file" ] && echo "$file"
    done <"$root/DEBIAN/conffiles" >"$work/conffiles" || :
    mv "$work/conffiles" "$root/DEBIAN/conffiles"
  fi
  mkdir -p "$base/pool/$pool"
  dpkg-deb --root-owner-group -Zgzip -z1 -b "$root" "$base/pool/$pool/${name}_$architecture.deb" >/dev/null
}

# fetch SUITE PACKAGE: prints the path of Debian's package.
fetch() {
  mkdir -p "$work/$1/$2"
  chown _apt "$work/$1/$2"
  (cd "$work/$1/$2" && apt-get download -qq "$2/$1" >/dev/null)
  echo "$work/$1/$2/"*.deb
}

upstream() {
  dpkg-deb -f "$1" Version | sed 's/^[0-9]*://; s/[-+~].*//'
}

for suite in bookworm trixie; do
  case $suite in
  bookworm) release=12 ;;
  trixie) release=13 ;;
  esac
  engine=$(fetch $suite docker.io)
  containerd=$(fetch $suite containerd)
  runc=$(fetch $suite runc)
  # Debian 12 has no Compose 2 and no buildx.
  compose=$(fetch trixie docker-compose)
  buildx=$(fetch trixie docker-buildx)
  end="1~debian.$release~$suite"
  version="5:$(upstream "$engine")-$end"
  repack containerd.io "$(upstream "$containerd")-$end" $suite '' '' "$containerd" "$runc"
  repack docker-ce "$version" $suite 'containerd.io,docker-ce-cli' \
    '-path */usr/bin/docker' "$engine"
  if [ $suite = bookworm ]; then
    client=$engine
    filter='-not -type d -not -path */usr/bin/docker'
  else
    client=$(fetch $suite docker-cli)
    filter=
  fi
  repack docker-ce-cli "$version" $suite '' "$filter" "$client"
  repack docker-buildx-plugin "$(upstream "$buildx")-$end" $suite '' '' "$buildx"
  repack docker-compose-plugin "$(upstream "$compose")-$end" $suite '' '' "$compose"
done

GNUPGHOME=$work/keys
export GNUPGHOME
mkdir -m 700 "$GNUPGHOME"
gpg --batch --quiet --passphrase '' --quick-gen-key 'Lab <lab@example.com>' rsa3072 sign never
gpg --batch --export --armor >"$base/gpg"
cd "$base"
for suite in bookworm trixie; do
  lists=dists/$suite/stable/binary-$architecture
  mkdir -p "$lists"
  apt-ftparchive packages "pool/$suite" >"$lists/Packages"
  gzip -k -f "$lists/Packages"
  apt-ftparchive -o APT::FTPArchive::Release::Origin=Lab \
    -o APT::FTPArchive::Release::Suite=$suite -o APT::FTPArchive::Release::Codename=$suite \
    -o APT::FTPArchive::Release::Components=stable \
    -o "APT::FTPArchive::Release::Architectures=$architecture" \
    release "dists/$suite" >"$work/Release"
  gpg --batch --quiet --yes --clearsign -o "dists/$suite/InRelease" "$work/Release"
  cp "$work/Release" "dists/$suite/Release"
done
