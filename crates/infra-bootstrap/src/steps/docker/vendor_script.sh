# Docker's own script: https://github.com/docker/docker-install
. /etc/os-release || fail '/etc/os-release cannot be read'
spare_running_engine
forget_holds $packages
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
# It declares the repository itself.
find_declared
set_aside
had=$(unwanted $rivals)
limit_start
settled env APT_CONFIG="$work/apt.conf" VERSION="$version" DOWNLOAD_URL="${mirror%/linux}" \
  sh "$work/script" || fail "Docker's script failed"
