# Docker's own script: https://github.com/docker/docker-install
spare_running_engine
ensure_curl
download https://get.docker.com "$work/script" || fail 'https://get.docker.com could not be downloaded'
# It calls apt without any of these.
cat >"$work/apt.conf" <<END || exit 1
DPkg::Lock::Timeout "$(lock_left)";
Acquire::Retries "3";
APT::Update::Error-Mode "any";
END
settled env APT_CONFIG="$work/apt.conf" VERSION="$version" sh "$work/script" || fail "Docker's script failed"
