systemctl enable --now tailscaled </dev/null
