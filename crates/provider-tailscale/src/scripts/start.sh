export LC_ALL=C
# Only the bare command is exempt from naming every setting again.
if command -v timeout >/dev/null 2>&1; then
  timeout -k 5 60 tailscale up </dev/null
else
  tailscale up </dev/null
fi
