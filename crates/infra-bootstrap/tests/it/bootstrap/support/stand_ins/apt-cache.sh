# Docker's versions, once its repository was read.
[ "$1" = madison ] && [ -e ROOT/state/listed ] || exit 0
for version in 29.1.3 27.5.10 27.5.1; do
  printf ' %s | %s | %s\n' "$2" "5:$version-1~ubuntu.24.04~noble" 'https://download.docker.com/linux/ubuntu noble/stable amd64 Packages'
done
