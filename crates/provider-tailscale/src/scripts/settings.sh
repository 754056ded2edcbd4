export LC_ALL=C
tailscale set "--hostname=$node_name" "--accept-dns=$accept_dns" </dev/null
