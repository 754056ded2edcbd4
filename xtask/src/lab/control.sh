# Runs the control server of a private network, and serves Tailscale's packages under the
# vendor's host name. Runs in a container of a lab image, with /srv/mesh.
set -eu
own=/var/lib/lab
mkdir -p "$own"
cd "$own"
address=$(hostname -i)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj '/CN=Lab' \
  -addext "subjectAltName=IP:$address,DNS:pkgs.tailscale.com" \
  -keyout key.pem -out certificate.pem 2>/dev/null
cat >config.yaml <<END
server_url: https://$address:8443
listen_addr: 0.0.0.0:8443
metrics_listen_addr: 127.0.0.1:9090
grpc_listen_addr: 127.0.0.1:50443
tls_cert_path: $own/certificate.pem
tls_key_path: $own/key.pem
unix_socket: $own/headscale.sock
noise: { private_key_path: $own/noise.key }
prefixes: { v4: 100.64.0.0/10, v6: "fd7a:115c:a1e0::/48", allocation: sequential }
disable_check_updates: true
database: { type: sqlite, sqlite: { path: $own/db.sqlite } }
policy: { mode: file, path: $own/policy.json }
dns:
  magic_dns: true
  base_domain: lab.example.net
  override_local_dns: false
  nameservers: { global: [] }
derp:
  urls: []
  paths: []
  auto_update_enabled: false
  server:
    enabled: true
    region_id: 999
    region_code: lab
    region_name: Lab
    stun_listen_addr: 0.0.0.0:3478
    private_key_path: $own/derp.key
    automatically_add_embedded_derp_region: true
    ipv4: $address
END
cat >policy.json <<'END'
{
  "tagOwners": { "tag:web": ["lab@"], "tag:db": ["lab@"] },
  "acls": [{ "action": "accept", "src": ["*"], "dst": ["*:*"] }]
}
END
cat >serve.py <<'END'
import functools, http.server, ssl

# Connections that end after each answer end without a word of TLS, which apt refuses.
http.server.SimpleHTTPRequestHandler.protocol_version = "HTTP/1.1"
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory="/srv/mesh/packages")
server = http.server.ThreadingHTTPServer(("", 443), handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("certificate.pem", "key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
END
python3 serve.py &
exec /srv/mesh/headscale --config "$own/config.yaml" serve
