//! A private network with a control server of its own, and the real client on hosts.

use serde_json::Value;

use crate::hosts::{assert_failure, config, engine, host, lab};
use crate::support::Lab;

/// The container of the control server, from `cargo xtask lab up`.
const CONTROL: &str = "stagecraft-lab-control";
const HOSTS: [&str; 2] = ["web-1", "db-1"];

/// Runs a script in the container of the control server.
async fn control(script: &str) -> String {
    let output = engine(&["exec", CONTROL, "sh", "-c", script]).await;
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Runs a command of the control server. Gives what it says as JSON.
async fn headscale(arguments: &str) -> Value {
    let config = "/var/lib/lab/config.yaml";
    let script = format!("/srv/mesh/headscale --config {config} --output json {arguments}");
    let told = control(&script).await;
    serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"))
}

/// The configuration of a fleet of these hosts in that network.
async fn in_network(hosts: &str) -> String {
    let server = control("sed -n 's/^server_url: //p' /var/lib/lab/config.yaml").await;
    let network = format!(
        "\
network:
  provider: tailscale
  providers:
    tailscale:
      auth_key_env: TS_AUTHKEY
      tailnet_domain: lab.example.net
      login_server: {}
      role_tags: {{ web: ['tag:web'] }}
      accept_dns: true
infra:",
        server.trim()
    );
    let steps = "docker: { enabled: false }\nnetwork: { provider: tailscale }";
    config(hosts, steps).replace("infra:", &network)
}

/// Waits for the first boots, and lets hosts take the control server for the vendor's.
async fn trust_the_lab(lab: &Lab, hosts: &[&str]) {
    let certificate = control("cat /var/lib/lab/certificate.pem").await;
    let address = control("hostname -i").await;
    let script = format!(
        "cat >/usr/local/share/ca-certificates/lab.crt <<'END'
{certificate}END
update-ca-certificates >/dev/null
echo '{} pkgs.tailscale.com' >>/etc/hosts",
        address.trim()
    );
    for host in hosts {
        lab.booted(host).await;
        lab.inside(host, &script).await;
    }
}

/// The server's number of a node of this name, if it has one.
async fn nodes(name: &str) -> Vec<u64> {
    let all = headscale("nodes list").await;
    let all = all.as_array().into_iter().flatten();
    let named = all.filter(|node| node["name"] == name || node["given_name"] == name);
    named.filter_map(|node| node["id"].as_u64()).collect()
}

/// Lets the server forget nodes of a former run.
async fn forget(hosts: &[&str]) {
    for host in hosts {
        for id in nodes(&format!("staging-{host}")).await {
            headscale(&format!("nodes delete --force --identifier {id}")).await;
        }
    }
}

/// A new key with which hosts join.
async fn auth_key(lifetime: &str) -> String {
    let users = headscale("users list").await;
    let user = &users[0]["id"];
    let create = format!("preauthkeys create --user {user} --reusable --expiration {lifetime}");
    let made = headscale(&create).await;
    made["key"].as_str().expect("a key").to_owned()
}

/// The outcome of a step on a host.
fn step<'a>(result: &'a Value, name: &str, step: &str) -> &'a Value {
    let mut steps = host(result, name)["steps"]
        .as_array()
        .expect("steps")
        .iter();
    let found = steps.find(|own| own["step"] == step);
    found.unwrap_or_else(|| panic!("no {step} on {name} in {result}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_join_a_real_network_and_reach_each_other_by_name() {
    forget(&HOSTS).await;
    let hosts = "\
web-1: { role: web, image: debian-13-x64 }
db-1: { role: db, image: debian-12-x64 }";
    let mut lab = lab(&in_network(hosts).await).await;
    let key = auth_key("1h").await;
    lab.variables.insert("TS_AUTHKEY".into(), key.clone());
    let create = lab.infra("up", &["--yes", "--no-bootstrap"]).await;
    create.expect_code(0);
    trust_the_lab(&lab, &HOSTS).await;

    let joined = lab.bootstrap().await;
    let result = joined.expect_code(0).result();
    for name in HOSTS {
        let network = step(&result, name, "network");
        assert_eq!(network["status"], "changed", "{result}");
        let join = format!("join lab.example.net as staging-{name}");
        for change in ["install tailscale", &join] {
            assert!(network.to_string().contains(change), "{network}");
        }
        // This machine is not in the network: the other host has tried the name.
        let reachable = step(&result, name, "reachable");
        assert_eq!(reachable["status"], "unchanged", "{result}");
        let known = lab.inside(name, "tailscale status --json").await;
        let known: Value = serde_json::from_str(&known).expect("JSON");
        assert_eq!(known["BackendState"], "Running");
        let left = lab.inside(name, "ls -A /run/stagecraft").await;
        assert!(!left.contains("authkey"), "{left}");
    }
    assert!(!joined.stdout.contains(&key) && !joined.stderr.contains(&key));
    let tags = lab
        .inside("web-1", "tailscale status --json --peers=false")
        .await;
    assert!(tags.contains("\"tag:web\""), "{tags}");
    // A member logs in no more.
    lab.variables
        .insert("TS_AUTHKEY".into(), "a-key-that-is-spent".into());
    lab.heals().await;

    for breaks in ["tailscale down", "systemctl disable --now tailscaled"] {
        lab.inside("web-1", breaks).await;
        let result = lab.bootstrap().await.expect_code(0).result();
        assert_eq!(
            step(&result, "web-1", "network")["status"],
            "changed",
            "{breaks}: {result}"
        );
        assert_eq!(
            step(&result, "db-1", "network")["status"],
            "unchanged",
            "{result}"
        );
        lab.inside("web-1", "tailscale ip -4").await;
    }
    lab.heals().await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn join_that_the_network_refuses_is_told_and_finished_by_the_next_run() {
    const NAME: &str = "app-1";
    forget(&[NAME]).await;
    let declared = "app-1: { role: app, image: debian-13-x64 }";
    let mut lab = lab(&in_network(declared).await).await;
    let create = lab.infra("up", &["--yes", "--no-bootstrap"]).await;
    create.expect_code(0);
    trust_the_lab(&lab, &[NAME]).await;

    let expired = auth_key("1s").await;
    for (key, words) in [
        (
            "0123456789abcdef0123456789abcdef0123456789abcdef",
            "refused as invalid",
        ),
        (&expired, "expired"),
    ] {
        lab.variables.insert("TS_AUTHKEY".into(), key.to_owned());
        let refused = lab.bootstrap().await;
        let result = refused.expect_code(4).result();
        assert_failure(&result, NAME, "network_join_failed", &[words]);
        assert!(!refused.stdout.contains(key) && !refused.stderr.contains(key));
    }
    lab.variables
        .insert("TS_AUTHKEY".into(), auth_key("1h").await);
    lab.heals().await;

    // The machine behind the name is another one now, and the network still knows the first.
    let old = nodes("staging-app-1").await;
    lab.infra("down", &["--confirm", "staging"])
        .await
        .expect_code(0);
    lab.infra("up", &["--yes", "--no-bootstrap"])
        .await
        .expect_code(0);
    trust_the_lab(&lab, &[NAME]).await;
    let result = lab.bootstrap().await.expect_code(4).result();
    let words = [
        "expected was `staging-app-1.lab.example.net`",
        "remove the old device",
    ];
    assert_failure(&result, NAME, "network_verify_failed", &words);

    // As it says.
    for id in old {
        headscale(&format!("nodes delete --force --identifier {id}")).await;
    }
    for id in nodes("staging-app-1").await {
        headscale(&format!("nodes rename --identifier {id} staging-app-1")).await;
    }
    // A client hears of its new name a moment later.
    let renamed =
        "tailscale status --json --peers=false | grep '\"staging-app-1.lab.example.net.\"'";
    lab.until(NAME, renamed).await;
    lab.heals().await;
    lab.shutdown().await;
}
