# Finishes what was begun, at the versions that lie on the disk; only what is missing comes from
# the repository.
if is_whole "$engine" && [ -z "$(version_of "$buildx")" ]; then
  # Missing on purpose, as far as anybody knows.
  packages=$(echo " $packages " | sed "s/ $buildx / /")
fi
limit_start
repair || echo 'not all packages could be configured yet'
for package in $packages; do
  if ! is_whole "$package"; then
    from_repository
    break
  fi
done
