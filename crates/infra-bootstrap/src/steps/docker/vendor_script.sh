# Docker's own script: https://github.com/docker/docker-install
spare_running_engine
forget_holds
download "$script" "$work/script" || fail "$script could not be downloaded"
# It calls apt without any of these.
cat >"$work/apt.conf" <<END || exit 1
DPkg::Lock::Timeout "$(lock_left)";
Acquire::Retries "3";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
APT::Update::Error-Mode "any";
Dpkg::Options { "--force-confdef"; "--force-confold"; };
END
# Docker's packages have files of these and do not tell apt so. It would take the engine away and
# then fail of them.
shared=$(unwanted docker-cli docker-buildx docker-compose-v2)
if [ -n "$shared" ]; then
  apt remove $shared || fail "these packages could not be removed:$shared"
fi
limit_start
settled env APT_CONFIG="$work/apt.conf" VERSION="$version" DOWNLOAD_URL="${mirror%/linux}" \
  sh "$work/script" || fail "Docker's script failed"
