# Docker's own script: https://github.com/docker/docker-install
ensure_curl
download https://get.docker.com "$log.script" || fail 'https://get.docker.com could not be downloaded'
settled env VERSION="$version" sh "$log.script" || fail "Docker's script failed"
