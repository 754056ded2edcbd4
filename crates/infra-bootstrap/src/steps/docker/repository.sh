# Docker's own apt repository: https://docs.docker.com/engine/install/ubuntu/
keyring=/etc/apt/keyrings/docker.asc
sources=/etc/apt/sources.list.d/docker.sources

# declare_repository: makes it one of the host's, with its key, and reads its lists.
declare_repository() {
  codename=${UBUNTU_CODENAME:-${VERSION_CODENAME:-}}
  [ -n "$codename" ] || fail '/etc/os-release names no codename'
  find_declared
  url=$mirror/$ID
  key=${key:-$url/gpg}
  install -m 0755 -d "${keyring%/*}" || unwritten "${keyring%/*}"
  download "$key" "$keyring.stagecraft-new" ||
    fail "the key of the packages could not be downloaded from $key"
  if ! grep -q '^-----BEGIN PGP PUBLIC KEY BLOCK-----' "$keyring.stagecraft-new"; then
    rm -f "$keyring.stagecraft-new"
    fail "what $key gives is no key"
  fi
  chmod a+r "$keyring.stagecraft-new" || exit 1
  for file in "$keyring" "$sources"; do
    if [ -e "$file" ]; then
      cp "$file" "$work/${file##*/}" || exit 1
    fi
  done
  architecture=$(dpkg --print-architecture) || exit 1
  cat >"$sources.stagecraft-new" <<END || unwritten "$sources"
Types: deb
URIs: $url
Suites: $codename
Components: stable
Architectures: $architecture
Signed-By: $keyring
END
  mv "$keyring.stagecraft-new" "$keyring" || unwritten "$keyring"
  set_aside
  mv "$sources.stagecraft-new" "$sources" || unwritten "$sources"
  if ! lists "${url#file://}" "${sources%.sources}"; then
    take_back
    fail 'the package lists could not be read'
  fi
}

# find_declared: what others declare of the repository, which must be something to set aside.
find_declared() {
  declared >"$work/declared"
  while read -r kind file; do
    [ "$kind" != mixed ] ||
      fail "$file declares Docker's repository together with others; take it out there"
  done <"$work/declared"
}

# set_aside: what they declare: both would be read, and apt refuses to work with two keys for one
# repository. The text stays in a file whose name apt passes over.
set_aside() {
  while read -r kind file; do
    case "$kind" in
      whole) mv -f "$file" "$file.disabled" || exit 1 ;;
      lines)
        cp -p "$file" "$file.disabled" && without_docker <"$file.disabled" >"$file" || exit 1
        ;;
    esac
  done <"$work/declared"
}

# without_docker <FILE: the file with the lines of Docker's repository as comments.
without_docker() {
  while IFS= read -r line || [ -n "$line" ]; do
    docker=
    echo "$line" >"$work/line"
    entries <"$work/line"
    printf '%s%s\n' "${docker:+# }" "$line"
  done
}

# take_back: a repository that cannot be read would stop every later use of apt on this host.
take_back() {
  for file in "$keyring" "$sources"; do
    rm -f "$file"
    if [ -e "$work/${file##*/}" ]; then
      cp "$work/${file##*/}" "$file"
    fi
  done
  while read -r kind file; do
    mv -f "$file.disabled" "$file"
  done <"$work/declared"
}
