# A named version stays until somebody changes the configuration.
for package in "$engine" "$cli"; do
  if is_installed "$package"; then
    settled apt-mark "$hold" "$package" || fail "apt-mark $hold $package failed"
  fi
done
