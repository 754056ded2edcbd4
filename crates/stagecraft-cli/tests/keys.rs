//! Every key that the configuration accepts has an effect: the schema is walked, and each key
//! must have a row here that shows what it changes.

mod support;

use std::collections::BTreeSet;

use stagecraft_core::config::schema_keys;
use support::{CONFIG, Lab, quick};

/// A key, how the configuration is edited, what is run, and what is told then and only then.
struct Row {
    key: &'static str,
    edit: (&'static str, &'static str),
    arguments: &'static [&'static str],
    told: &'static str,
}

const PLAN: &[&str] = &["infra", "plan", "-o", "json"];
const DRY_RUN: &[&str] = &["infra", "up", "--dry-run", "-o", "json"];
const UP: &[&str] = &["infra", "up", "--yes", "-o", "json"];

const fn row(
    key: &'static str,
    edit: (&'static str, &'static str),
    arguments: &'static [&'static str],
    told: &'static str,
) -> Row {
    Row {
        key,
        edit,
        arguments,
        told,
    }
}

const DB: &str = "db-1: { role: db, size: s-4vcpu-8gb }";
const DOCKER: &str = "docker: { version: latest, install_method: apt }";
const READINESS: &str = "readiness: { interval: 100ms, deadline: 5s }";
const TAGS: &str = "default_tags: [\"tag:stagecraft\"]";

/// In this order; those that make a host come last.
const ROWS: &[Row] = &[
    row(
        "env_file",
        ("project:", "env_file: nowhere.env\nproject:"),
        PLAN,
        "nowhere.env: cannot read it",
    ),
    row(
        "project.name",
        ("name: shop", "name: zoo"),
        PLAN,
        "stagecraft-project-zoo",
    ),
    row(
        "cloud.provider",
        ("provider: digitalocean", "provider: elsewhere"),
        PLAN,
        "unknown cloud provider `elsewhere`",
    ),
    row(
        "cloud.expect_account",
        (
            "  provider: digitalocean\n",
            "  provider: digitalocean\n  expect_account: somebody-else\n",
        ),
        PLAN,
        "is not the expected one, somebody-else",
    ),
    row(
        "cloud.providers.digitalocean.default_region",
        ("default_region: nyc3", "default_region: ams3"),
        PLAN,
        "\"ams3\"",
    ),
    row(
        "cloud.providers.digitalocean.default_size",
        ("default_size: s-2vcpu-4gb", "default_size: s-1vcpu-1gb"),
        PLAN,
        "\"s-1vcpu-1gb\"",
    ),
    row(
        "cloud.providers.digitalocean.hosts.*.*.count",
        ("count: 2", "count: 3"),
        PLAN,
        "staging-app-3",
    ),
    row(
        "cloud.providers.digitalocean.hosts.*.*.image",
        (DB, "db-2: { role: db, image: debian-13-x64 }"),
        PLAN,
        "debian-13-x64",
    ),
    row(
        "cloud.providers.digitalocean.hosts.*.*.region",
        (DB, "db-1: { role: db, region: fra1 }"),
        PLAN,
        "\"fra1\"",
    ),
    row(
        "cloud.providers.digitalocean.hosts.*.*.role",
        (DB, "db-2: { role: cache }"),
        PLAN,
        "stagecraft-role-cache",
    ),
    row(
        "cloud.providers.digitalocean.hosts.*.*.size",
        (DB, "db-1: { role: db, size: s-8vcpu-16gb }"),
        PLAN,
        "\"s-8vcpu-16gb\"",
    ),
    row(
        "cloud.providers.digitalocean.rate.requests",
        ("poll:", "rate: { requests: 3, window: 700ms }\n      poll:"),
        PLAN,
        "at most 2 requests in ",
    ),
    row(
        "cloud.providers.digitalocean.rate.window",
        ("poll:", "rate: { requests: 3, window: 770ms }\n      poll:"),
        PLAN,
        "requests in 770ms",
    ),
    row(
        "cloud.providers.digitalocean.hosts.*.*.backups",
        (DB, "db-2: { role: db, backups: true }"),
        PLAN,
        "\"backups\": true",
    ),
    row(
        "cloud.providers.digitalocean.hosts.*.*.ipv6",
        (DB, "db-2: { role: db, ipv6: true }"),
        PLAN,
        "\"ipv6\": true",
    ),
    row(
        "cloud.providers.digitalocean.hosts.*.*.monitoring",
        (DB, "db-2: { role: db, monitoring: true }"),
        PLAN,
        "\"monitoring\": true",
    ),
    row(
        "cloud.providers.digitalocean.hosts.*.*.project",
        (DB, "db-2: { role: db, project: Nowhere }"),
        PLAN,
        "project `Nowhere` does not exist in the account",
    ),
    row(
        "cloud.providers.digitalocean.hosts.*.*.protect",
        (DB, "db-1: { role: db, size: s-4vcpu-8gb, protect: true }"),
        PLAN,
        "stagecraft-protect",
    ),
    row(
        "cloud.providers.digitalocean.hosts.*.*.tags",
        (
            DB,
            "db-1: { role: db, size: s-4vcpu-8gb, tags: [seen-here] }",
        ),
        PLAN,
        "seen-here",
    ),
    row(
        "cloud.providers.digitalocean.hosts.*.*.ttl",
        (DB, "db-1: { role: db, size: s-4vcpu-8gb, ttl: 7777s }"),
        PLAN,
        "7777",
    ),
    row(
        "cloud.providers.digitalocean.hosts.*.*.user_data",
        (DB, "db-2: { role: db, user_data: '#!/bin/sh' }"),
        PLAN,
        "3af71adb278ad4af33c144b78fa1ae708da03b773d98324ae991a7daedb53ca2",
    ),
    row(
        "cloud.providers.digitalocean.hosts.*.*.user_data_file",
        (DB, "db-2: { role: db, user_data_file: nowhere.yml }"),
        PLAN,
        "cannot read the user data of host 'db-2'",
    ),
    row(
        "cloud.providers.digitalocean.hosts.*.*.vpc",
        (DB, "db-2: { role: db, vpc: nowhere }"),
        PLAN,
        "VPC `nowhere` does not exist",
    ),
    row(
        "cloud.providers.digitalocean.regions",
        ("poll:", "regions: [ams3]\n      poll:"),
        PLAN,
        "not among the allowed regions",
    ),
    row(
        "cloud.providers.digitalocean.sizes",
        ("poll:", "sizes: [s-1vcpu-1gb]\n      poll:"),
        PLAN,
        "not among the allowed sizes",
    ),
    row(
        "cloud.providers.digitalocean.ssh_key_name",
        ("my-ssh-key", "no-such-key"),
        PLAN,
        "SSH key 'no-such-key' not found",
    ),
    row(
        "cloud.providers.digitalocean.token_env",
        ("token_env: DO_TOKEN", "token_env: NO_TOKEN"),
        PLAN,
        "API token missing from environment variable NO_TOKEN",
    ),
    row(
        "cloud.providers.digitalocean.token_file",
        ("token_env: DO_TOKEN", "token_file: nowhere"),
        PLAN,
        "API token missing from file nowhere",
    ),
    row(
        "cloud.providers.digitalocean.token_cmd",
        ("token_env: DO_TOKEN", "token_cmd: [no-such-program]"),
        PLAN,
        "API token missing from command `no-such-program`",
    ),
    row(
        "network.provider",
        (
            "network:\n  provider: tailscale",
            "network:\n  provider: elsewhere",
        ),
        PLAN,
        "unknown network provider `elsewhere`",
    ),
    row(
        "infra.bootstrap.network.provider",
        (
            "network: { provider: tailscale }",
            "network: { provider: elsewhere }",
        ),
        PLAN,
        "`elsewhere` is not the configured network provider",
    ),
    row(
        "network.providers.tailscale.accept_dns",
        (TAGS, "accept_dns: true"),
        DRY_RUN,
        "edit the tailscale settings",
    ),
    row(
        "network.providers.tailscale.default_tags",
        (TAGS, "default_tags: [\"tag:other\"]"),
        DRY_RUN,
        "tag:other",
    ),
    row(
        "network.providers.tailscale.role_tags.*",
        (TAGS, "role_tags: { db: [\"tag:db\"] }"),
        DRY_RUN,
        "tag:db",
    ),
    row(
        "network.providers.tailscale.install.min_version",
        (TAGS, "install: { min_version: \"9876.0\" }"),
        DRY_RUN,
        "9876.0",
    ),
    row(
        "network.providers.tailscale.login_server",
        (TAGS, "login_server: https://hs.example.com"),
        DRY_RUN,
        "hs.example.com",
    ),
    row(
        "network.providers.tailscale.tailnet_domain",
        ("sandbox.ts.net", "other.ts.net"),
        DRY_RUN,
        "other.ts.net",
    ),
    row(
        "infra.bootstrap.docker.enabled",
        (DOCKER, "docker: { enabled: false }"),
        DRY_RUN,
        "\"skipped\"",
    ),
    row(
        "infra.bootstrap.docker.version",
        (DOCKER, "docker: { version: \"7788\" }"),
        DRY_RUN,
        "7788",
    ),
    row(
        "infra.bootstrap.readiness.deadline",
        (
            READINESS,
            "readiness: { deadline: 1s }\n    ssh: { port: 9 }",
        ),
        DRY_RUN,
        "waited 1s for an SSH session",
    ),
    row(
        "infra.bootstrap.ssh.port",
        (
            READINESS,
            "readiness: { deadline: 500ms }\n    ssh: { port: 9 }",
        ),
        DRY_RUN,
        "connection refused",
    ),
    row(
        "infra.bootstrap.ssh.user",
        (
            READINESS,
            "readiness: { deadline: 500ms }\n    ssh: { user: nobody }",
        ),
        DRY_RUN,
        "nobody",
    ),
    row(
        "infra.bootstrap.ssh.jump",
        (
            READINESS,
            "readiness: { deadline: 500ms }\n    ssh: { jump: '127.0.0.1:9' }",
        ),
        DRY_RUN,
        "127.0.0.1:9",
    ),
    row(
        "infra.bootstrap.ssh.known_hosts_file",
        (
            READINESS,
            "ssh: { jump: '127.0.0.1:9', known_hosts_file: . }",
        ),
        DRY_RUN,
        "cannot read the known host keys",
    ),
    row(
        "infra.bootstrap.ssh.config_file",
        (READINESS, "ssh: { config_file: nowhere.conf }"),
        DRY_RUN,
        "nowhere.conf does not exist",
    ),
    row(
        "infra.bootstrap.ssh.passphrase_env",
        (
            READINESS,
            "ssh: { private_key_path: locked, passphrase_env: NO_PASS }",
        ),
        DRY_RUN,
        "passphrase missing from environment variable NO_PASS",
    ),
    row(
        "infra.bootstrap.ssh.passphrase_file",
        (
            READINESS,
            "ssh: { private_key_path: locked, passphrase_file: nowhere }",
        ),
        DRY_RUN,
        "passphrase missing from file nowhere",
    ),
    row(
        "infra.bootstrap.ssh.passphrase_cmd",
        (
            READINESS,
            "ssh: { private_key_path: locked, passphrase_cmd: [no-such-program] }",
        ),
        DRY_RUN,
        "passphrase missing from command `no-such-program`",
    ),
    row(
        "infra.bootstrap.ssh.sudo_password_env",
        (
            READINESS,
            "ssh: { user: nobody, sudo_password_env: NO_PASS }",
        ),
        DRY_RUN,
        "password for sudo missing from environment variable NO_PASS",
    ),
    row(
        "infra.bootstrap.ssh.sudo_password_file",
        (
            READINESS,
            "ssh: { user: nobody, sudo_password_file: nowhere }",
        ),
        DRY_RUN,
        "password for sudo missing from file nowhere",
    ),
    row(
        "infra.bootstrap.ssh.sudo_password_cmd",
        (
            READINESS,
            "ssh: { user: nobody, sudo_password_cmd: [no-such-program] }",
        ),
        DRY_RUN,
        "password for sudo missing from command `no-such-program`",
    ),
    row(
        "infra.bootstrap.swap",
        (
            READINESS,
            "readiness: { interval: 100ms, deadline: 5s }\n    swap: 64M",
        ),
        DRY_RUN,
        "64 MiB of swap",
    ),
    row(
        "infra.bootstrap.sysctl.*",
        (
            READINESS,
            "readiness: { interval: 100ms, deadline: 5s }\n    sysctl: { vm.swappiness: 7 }",
        ),
        DRY_RUN,
        "set vm.swappiness to 7",
    ),
    row(
        "infra.bootstrap.system.enabled",
        (
            READINESS,
            "readiness: { interval: 100ms, deadline: 5s }\n    system: { enabled: false }",
        ),
        DRY_RUN,
        "system is not enabled",
    ),
    row(
        "infra.bootstrap.system.max_clock_skew",
        (
            READINESS,
            "readiness: { interval: 100ms, deadline: 5s }\n    system: { max_clock_skew: 1ms }",
        ),
        DRY_RUN,
        "the clock is ",
    ),
    row(
        "infra.bootstrap.system.min_free_disk",
        (
            READINESS,
            "readiness: { interval: 100ms, deadline: 5s }\n    system: { min_free_disk: 9999999T }",
        ),
        DRY_RUN,
        "are free on the disk of /",
    ),
    row(
        "infra.bootstrap.system.min_free_inodes",
        (
            READINESS,
            "readiness: { interval: 100ms, deadline: 5s }\n    system: { min_free_inodes: 999999999999 }",
        ),
        DRY_RUN,
        "more files",
    ),
    row(
        "infra.bootstrap.system.require_time_service",
        (
            READINESS,
            "readiness: { interval: 100ms, deadline: 5s }\n    system: { require_time_service: true }",
        ),
        DRY_RUN,
        "no service keeps the clock right",
    ),
    row(
        "infra.bootstrap.timezone",
        (
            READINESS,
            "readiness: { interval: 100ms, deadline: 5s }\n    timezone: Europe/Berlin",
        ),
        DRY_RUN,
        "set the time zone to Europe/Berlin",
    ),
    row(
        "infra.bootstrap.unattended_upgrades",
        (
            READINESS,
            "readiness: { interval: 100ms, deadline: 5s }\n    unattended_upgrades: true",
        ),
        DRY_RUN,
        "switch unattended upgrades on",
    ),
    row(
        "infra.bootstrap.users.*.authorized_keys",
        (
            READINESS,
            "readiness: { interval: 100ms, deadline: 5s }\n    users: { ada: { authorized_keys: [ \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1cqyzY3mnbqVkXcGWpGG3oWp3X8Ck6E2k6ZcUpVx7Z\" ] } }",
        ),
        DRY_RUN,
        "add the user ada with 1 keys",
    ),
    row(
        "infra.bootstrap.users.*.groups",
        (
            READINESS,
            "readiness: { interval: 100ms, deadline: 5s }\n    users: { ada: { groups: [docker] } }",
        ),
        DRY_RUN,
        "the groups docker",
    ),
    row(
        "infra.bootstrap.users.*.shell",
        (
            READINESS,
            "readiness: { interval: 100ms, deadline: 5s }\n    users: { ada: { shell: /bin/zsh } }",
        ),
        DRY_RUN,
        "the shell /bin/zsh",
    ),
    row(
        "infra.bootstrap.users.*.sudo",
        (
            READINESS,
            "readiness: { interval: 100ms, deadline: 5s }\n    users: { ada: { sudo: true } }",
        ),
        DRY_RUN,
        "0 keys, sudo",
    ),
    row(
        "infra.bootstrap.ssh.private_key_path",
        (READINESS, "ssh: { private_key_path: nowhere }"),
        UP,
        "nowhere does not exist",
    ),
    row(
        "limits.max_hosts",
        ("project:", "limits: { max_hosts: 1 }\nproject:"),
        UP,
        "limits.max_hosts is 1",
    ),
    row(
        "limits.max_monthly",
        ("project:", "limits: { max_monthly: 1.5 }\nproject:"),
        UP,
        "limits.max_monthly is $1.50",
    ),
    row(
        "network.providers.tailscale.auth_key_env",
        ("auth_key_env: TS_AUTHKEY", "auth_key_env: NO_KEY"),
        UP,
        "auth key missing from environment variable NO_KEY",
    ),
    row(
        "network.providers.tailscale.auth_key_file",
        ("auth_key_env: TS_AUTHKEY", "auth_key_file: nowhere"),
        UP,
        "auth key missing from file nowhere",
    ),
    row(
        "network.providers.tailscale.auth_key_cmd",
        (
            "auth_key_env: TS_AUTHKEY",
            "auth_key_cmd: [no-such-program]",
        ),
        UP,
        "auth key missing from command `no-such-program`",
    ),
    row(
        "infra.bootstrap.docker.install_method",
        (DOCKER, "docker: { install_method: skip }"),
        UP,
        "install_method",
    ),
    row(
        "infra.bootstrap.docker.mirror",
        (
            DOCKER,
            "docker: { mirror: \"https://mirror.invalid/linux\" }",
        ),
        UP,
        "from https://mirror.invalid/linux/ubuntu/gpg",
    ),
    row(
        "infra.bootstrap.docker.key",
        (DOCKER, "docker: { key: \"https://keys.invalid/docker\" }"),
        UP,
        "from https://keys.invalid/docker",
    ),
    row(
        "infra.bootstrap.docker.script",
        (
            DOCKER,
            "docker: { install_method: script, script: \"https://script.invalid\" }",
        ),
        UP,
        "https://script.invalid could not be downloaded",
    ),
    row(
        "infra.bootstrap.docker.packages.engine",
        (DOCKER, "docker: { packages: { engine: no-engine } }"),
        UP,
        "Unable to locate package no-engine",
    ),
    row(
        "infra.bootstrap.docker.packages.cli",
        (DOCKER, "docker: { packages: { cli: no-cli } }"),
        UP,
        "Unable to locate package no-cli",
    ),
    row(
        "infra.bootstrap.docker.packages.containerd",
        (DOCKER, "docker: { packages: { containerd: no-runtime } }"),
        UP,
        "Unable to locate package no-runtime",
    ),
    row(
        "infra.bootstrap.docker.packages.buildx",
        (DOCKER, "docker: { packages: { buildx: no-buildx } }"),
        UP,
        "Unable to locate package no-buildx",
    ),
    row(
        "infra.bootstrap.docker.packages.compose",
        (DOCKER, "docker: { packages: { compose: no-compose } }"),
        UP,
        "Unable to locate package no-compose",
    ),
    row(
        "network.providers.tailscale.install.method",
        (TAGS, "install: { method: skip }"),
        UP,
        "network_install_failed",
    ),
    row(
        "cloud.providers.digitalocean.poll.deadline",
        ("deadline: 20s", "deadline: 23s"),
        UP,
        "\"deadline_ms\":23000",
    ),
];

/// Keys that set a pause, which no text tells, with the test that shows it.
const PAUSES: &[(&str, &str)] = &[
    (
        "cloud.providers.digitalocean.lease.expiry",
        "interval_and_expiry_of_the_file_have_an_effect",
    ),
    (
        "cloud.providers.digitalocean.lease.interval",
        "interval_and_expiry_of_the_file_have_an_effect",
    ),
    (
        "cloud.providers.digitalocean.poll.interval",
        "poll_interval_is_the_pause_between_two_lists",
    ),
    (
        "cloud.providers.digitalocean.poll.list_lag",
        "suspended_run_that_wakes_up_creates_nothing_and_ends_as_locked",
    ),
    (
        "infra.bootstrap.readiness.interval",
        "readiness_interval_is_the_pause_between_two_looks_at_a_host",
    ),
];

#[test]
fn every_key_of_the_schema_has_a_row() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_stagecraft"))
        .args(["config", "schema"])
        .env_clear()
        .output()
        .unwrap();
    let schema = serde_json::from_slice(&output.stdout).unwrap();
    let accepted: BTreeSet<String> = schema_keys(&schema)
        .into_iter()
        .map(|key| key.key)
        .collect();
    let rows = ROWS.iter().map(|row| row.key);
    let pauses = PAUSES.iter().map(|(key, test)| {
        let source = concat!(include_str!("keys.rs"), include_str!("lease.rs"));
        assert!(source.contains(&format!("async fn {test}()")), "{test}");
        *key
    });
    let shown: BTreeSet<String> = rows.chain(pauses).map(str::to_owned).collect();
    assert_eq!(
        accepted.difference(&shown).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "these keys are accepted, and nothing shows that they have an effect"
    );
    assert_eq!(
        shown.difference(&accepted).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "these keys have a row, and are not accepted"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_accepted_key_changes_what_happens() {
    let lab = Lab::with_hosts(quick()).await;
    lab.run(UP).await.expect_code(0);
    let locked = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "a passphrase", "-f"])
        .arg(lab.config_path().with_file_name("locked"))
        .status();
    assert!(locked.unwrap().success());
    for arguments in [PLAN, DRY_RUN, UP] {
        let usual = lab.run(arguments).await;
        usual.expect_code(0);
        for row in ROWS.iter().filter(|row| row.arguments == arguments) {
            let told = format!("{}{}", usual.stdout, usual.stderr);
            assert!(!told.contains(row.told), "{}: {told}", row.key);
        }
    }
    for (number, row) in ROWS.iter().enumerate() {
        let (from, to) = row.edit;
        assert!(CONFIG.contains(from), "{}: {from}", row.key);
        let mut text = CONFIG.replacen(from, to, 1);
        if row.arguments == UP {
            // Only new hosts show it.
            let entry = format!("new-{number}: {{ role: db }}\n          db-1:");
            text = text.replacen("db-1:", &entry, 1);
        }
        std::fs::write(lab.config_path(), text).unwrap();
        let changed = lab.run(row.arguments).await;
        let told = format!("{}{}", changed.stdout, changed.stderr);
        assert!(told.contains(row.told), "{}: {told}", row.key);
    }
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poll_interval_is_the_pause_between_two_lists() {
    let mut lists = Vec::new();
    for interval in ["20ms", "2s"] {
        let lab = Lab::api_only(quick()).await;
        lab.edit("interval: 50ms", &format!("interval: {interval}"));
        lab.control().clear_requests();
        let arguments = ["infra", "up", "--yes", "--no-bootstrap"];
        lab.run(&arguments).await.expect_code(0);
        let requests = lab.control().requests();
        lists.push(
            requests
                .iter()
                .filter(|request| request.kind == "GET /v2/droplets")
                .count(),
        );
        lab.shutdown().await;
    }
    assert!(lists[0] >= lists[1] + 3, "{lists:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_interval_is_the_pause_between_two_looks_at_a_host() {
    let lab = Lab::with_hosts(quick()).await;
    let arguments = ["infra", "up", "--yes", "--no-bootstrap"];
    lab.run(&arguments).await.expect_code(0);
    let mut looks = Vec::new();
    let mut from = READINESS.to_owned();
    for interval in ["50ms", "900ms"] {
        let to =
            format!("readiness: {{ interval: {interval}, deadline: 1s }}\n    ssh: {{ port: 9 }}");
        lab.edit(&from, &to);
        from = to;
        let refused = lab.run(DRY_RUN).await;
        let lines = refused.lines();
        let is_look = |line: &&serde_json::Value| {
            line["host"] == "db-1" && matches!(line["event"].as_str(), Some("waiting" | "retrying"))
        };
        looks.push(lines.iter().filter(is_look).count());
    }
    assert!(looks[0] >= looks[1] + 5, "{looks:?}");
    lab.shutdown().await;
}
