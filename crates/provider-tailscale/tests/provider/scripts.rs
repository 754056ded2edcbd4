//! The scripts in a real shell.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use provider_tailscale::core::{
    ErrorKind, NetworkProvider, ProbeScript, Remote as _, RemoteCommand, Result, Run, join_probes,
    split_probes,
};
use provider_tailscale::{Ensured, Tailscale};

use crate::local::{LocalHost, prefs};
use crate::support::{JOINED, KEY, NEEDS_LOGIN, builder, node, provider, run, shown};

pub(crate) async fn join(provider: &Tailscale, host: &LocalHost) -> Result<Ensured> {
    let (run, events) = run();
    let result = provider.ensure_joined(&run, host, &node()).await;
    assert!(host.key_files().is_empty(), "the key file stays");
    let sent = host.sent();
    assert!(
        sent.iter().all(|text| !text.contains(KEY)),
        "the key was sent in a script"
    );
    let calls = host.read("state/tailscale.calls");
    assert!(!calls.contains(KEY), "the key is in a command line");
    assert!(!events.text().contains(KEY), "the key is in an event");
    if let Err(error) = &result {
        assert!(!shown(error).contains(KEY), "the key is in {error:?}");
        assert!(
            error.to_string().starts_with("tailscale provider: "),
            "{error}"
        );
    }
    result
}

pub(crate) fn ids(ensured: &Ensured) -> Vec<&str> {
    ensured.changes.iter().map(|change| change.id).collect()
}

#[tokio::test(flavor = "current_thread")]
async fn fresh_host_is_installed_and_joined_and_then_left_alone() {
    let host = LocalHost::new();
    let tailnet = builder()
        .default_tag("tag:a-first")
        .login_server("https://controlplane.tailscale.com")
        .build()
        .unwrap();
    host.write(
        "state/up.keyed.status",
        &JOINED.replace("\"tag:gw\"", "\"tag:gw\", \"tag:a-first\""),
    );
    let ensured = join(&tailnet, &host).await.unwrap();
    assert_eq!(ids(&ensured), ["install", "join"]);
    assert_eq!(ensured.joined.fqdn, "web-1.tail.internal");
    assert_eq!(ensured.joined.node_id, "1");
    assert_eq!(ensured.joined.addresses.len(), 2);

    assert_eq!(host.read("state/key"), KEY);
    assert_eq!(host.read("state/modes"), "600\n700\n");
    let up = host.take_calls("tailscale");
    let key_file = host.path("root/run/stagecraft/ts-authkey-web-1-");
    let (head, tail) = up[0].split_once(&key_file.display().to_string()).unwrap();
    assert_eq!(
        head,
        "up --reset --hostname=web-1 --accept-dns=false --timeout=60s --auth-key=file:"
    );
    assert_eq!(
        tail[16..],
        *" --advertise-tags=tag:a-first,tag:gw --login-server=https://controlplane.tailscale.com"
    );
    assert_eq!(up.len(), 1);
    let urls = host.take_calls("curl").join("\n");
    assert!(urls.contains("https://pkgs.tailscale.com/stable/debian/bookworm.noarmor.gpg"));
    assert!(
        urls.contains("https://pkgs.tailscale.com/stable/debian/bookworm.tailscale-keyring.list")
    );
    let keyring = "root/usr/share/keyrings/tailscale-archive-keyring.gpg";
    assert_eq!(host.read(keyring), "content\n");
    assert_eq!(
        host.read("root/etc/apt/sources.list.d/tailscale.list"),
        "content\n"
    );
    let apt = host.take_calls("apt");
    assert!(
        apt.iter()
            .all(|call| call.contains("DPkg::Lock::Timeout=300"))
    );
    assert!(
        apt.last()
            .unwrap()
            .ends_with("install -y tailscale tailscale-archive-keyring")
    );

    let again = join(&tailnet, &host).await.unwrap();
    assert!(again.changes.is_empty());
    assert_eq!(again.joined, ensured.joined);
    for program in ["tailscale", "apt", "curl"] {
        assert!(host.take_calls(program).is_empty(), "{program}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn member_needs_no_key() {
    let host = LocalHost::with_client(JOINED);
    let joined = provider()
        .change(&Run::default(), &host, &node(), &[])
        .await
        .unwrap();
    assert_eq!(joined.fqdn, "web-1.tail.internal");
}

#[tokio::test(flavor = "current_thread")]
async fn missing_key_is_told_before_the_host_is_touched() {
    let host = LocalHost::new();
    let error = provider()
        .ensure_joined(&Run::default(), &host, &node())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SecretMissing);
    assert_eq!(error.operation(), Some("join"));
    assert_eq!(
        error.to_string(),
        "tailscale provider: auth key missing from environment variable TS_AUTHKEY"
    );
    assert!(host.take_calls("apt").is_empty());
}

#[tokio::test(flavor = "current_thread")]
async fn refused_key_is_an_error_and_its_file_goes() {
    let host = LocalHost::with_client(NEEDS_LOGIN);
    host.write("state/up.keyed.status", NEEDS_LOGIN);
    host.write(
        "state/up.keyed.stderr",
        &format!("key {KEY}\nbackend error: invalid key: API key does not exist\n"),
    );
    let error = join(&provider(), &host).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.operation()),
        (ErrorKind::Unauthorized, Some("join"))
    );
    assert!(shown(&error).contains("key ***"), "{}", shown(&error));
    assert_eq!(host.read("state/key"), KEY);
}

#[tokio::test(flavor = "current_thread")]
async fn servers_reason_is_found_in_the_health_reports() {
    let host = LocalHost::with_client(NEEDS_LOGIN);
    let health = "You are logged out. The last login error was: register request: http 401: unauthorized: invalid or expired auth key";
    host.write(
        "state/up.keyed.status",
        &NEEDS_LOGIN.replace("Tailscale is stopped.", health),
    );
    host.write("state/up.keyed.stderr", "timeout waiting for Tailscale service to enter a Running state; check health with \"tailscale status\"\n");
    let error = join(&provider(), &host).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error}");
    assert!(shown(&error).contains("http 401"));
}

#[tokio::test(flavor = "current_thread")]
async fn node_that_connected_after_the_time_out_is_a_member() {
    let host = LocalHost::with_client(NEEDS_LOGIN);
    host.write(
        "state/up.keyed.stderr",
        "timeout waiting for Tailscale service\n",
    );
    assert_eq!(ids(&join(&provider(), &host).await.unwrap()), ["join"]);
}

#[tokio::test(flavor = "current_thread")]
async fn approval_wrong_tailnet_and_lost_tags_fail_after_the_login() {
    for (status, kind, operation, text) in [
        (
            JOINED.replace("\"Running\"", "\"NeedsMachineAuth\""),
            ErrorKind::Rejected,
            "join",
            "waits for approval",
        ),
        (
            JOINED.replace("tail.internal", "other.ts.net"),
            ErrorKind::Rejected,
            "verify",
            "belongs to tailnet other.ts.net",
        ),
        (
            JOINED.replace("\"tag:gw\"", ""),
            ErrorKind::Rejected,
            "verify",
            "lacks tag:gw",
        ),
    ] {
        let host = LocalHost::with_client(NEEDS_LOGIN);
        host.write("state/up.keyed.status", &status);
        let error = join(&provider(), &host).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.operation()),
            (kind, Some(operation)),
            "{error}"
        );
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(host.take_calls("tailscale").len(), 1);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn stopped_node_is_started_bare_and_without_a_key() {
    let host = LocalHost::with_client(&JOINED.replace("\"Running\"", "\"Stopped\""));
    host.write("state/up.keyless.status", JOINED);
    assert_eq!(ids(&join(&provider(), &host).await.unwrap()), ["start"]);
    assert_eq!(host.take_calls("tailscale"), ["up"]);
    assert_eq!(host.read("state/key"), "");
}

#[tokio::test(flavor = "current_thread")]
async fn stopped_node_whose_login_has_expired_joins_with_the_key() {
    let host = LocalHost::with_client(&JOINED.replace("\"Running\"", "\"Stopped\""));
    host.write("state/up.keyless.status", NEEDS_LOGIN);
    host.write("state/up.keyless.stderr", "To authenticate, visit: ...\n");
    assert_eq!(
        ids(&join(&provider(), &host).await.unwrap()),
        ["start", "join"]
    );
}

#[tokio::test(flavor = "current_thread")]
async fn missing_tag_is_asked_for_with_all_settings_and_no_key() {
    let host = LocalHost::with_client(&JOINED.replace("\"tag:gw\"", ""));
    host.write("state/up.keyless.status", JOINED);
    assert_eq!(ids(&join(&provider(), &host).await.unwrap()), ["retag"]);
    assert_eq!(
        host.take_calls("tailscale"),
        ["up --reset --hostname=web-1 --accept-dns=false --timeout=60s --advertise-tags=tag:gw"]
    );
}

#[tokio::test(flavor = "current_thread")]
async fn refused_tag_leaves_a_healthy_login_alone() {
    let untagged = JOINED.replace("\"tag:gw\"", "");
    let host = LocalHost::with_client(&untagged);
    host.write(
        "state/up.keyless.stderr",
        "backend error: requested tags [tag:gw] are invalid or not permitted\n",
    );
    let error = join(&provider(), &host).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    assert_eq!(
        error.to_string(),
        "tailscale provider: tags were refused: requested tags [tag:gw] are invalid or not permitted"
    );
    assert_eq!(host.read("state/key"), "");
}

#[tokio::test(flavor = "current_thread")]
async fn tag_that_cost_the_login_is_followed_by_a_join() {
    let host = LocalHost::with_client(&JOINED.replace("\"tag:gw\"", ""));
    host.write("state/up.keyless.status", NEEDS_LOGIN);
    host.write(
        "state/up.keyless.stderr",
        "timeout waiting for Tailscale service\n",
    );
    assert_eq!(
        ids(&join(&provider(), &host).await.unwrap()),
        ["retag", "join"]
    );
}

#[tokio::test(flavor = "current_thread")]
async fn settings_are_edited_without_a_login() {
    let host = LocalHost::with_client(JOINED);
    let tailnet = builder().accept_dns(true).build().unwrap();
    host.write("state/set.prefs", &prefs("web-1", true));
    assert_eq!(ids(&join(&tailnet, &host).await.unwrap()), ["settings"]);
    assert_eq!(
        host.take_calls("tailscale"),
        ["set --hostname=web-1 --accept-dns=true"]
    );
    host.write("state/prefs", &prefs("web-1", false));
    host.write("state/set.prefs", &prefs("web-1", false));
    let error = join(&tailnet, &host).await.unwrap_err();
    assert!(error.to_string().contains("does not show it"), "{error}");
}

#[tokio::test(flavor = "current_thread")]
async fn silent_daemon_is_started_and_its_login_kept() {
    let host = LocalHost::with_client(JOINED);
    std::fs::remove_file(host.path("state/daemon")).unwrap();
    assert_eq!(ids(&join(&provider(), &host).await.unwrap()), ["daemon"]);
    assert_eq!(host.take_calls("systemctl"), ["enable --now tailscaled"]);
    std::fs::remove_file(host.path("state/daemon")).unwrap();
    host.write("state/systemctl.broken", "");
    let error = join(&provider(), &host).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.operation()),
        (ErrorKind::Unavailable, Some("install"))
    );
}

#[tokio::test(flavor = "current_thread")]
async fn node_that_stays_offline_is_reported_and_not_logged_in_again() {
    let offline = JOINED
        .replace("\"Online\": true", "\"Online\": false")
        .replace(
            "\"Health\": [",
            "\"Health\": [ \"not connected to home relay\",",
        );
    let host = LocalHost::with_client(&offline);
    let error = join(&provider(), &host).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.operation()),
        (ErrorKind::Timeout, Some("verify"))
    );
    assert_eq!(
        error.to_string(),
        "tailscale provider: node web-1 is not connected after 40ms (state Running, but not connected to the control server)"
    );
    let health: Vec<&str> = error
        .context()
        .iter()
        .map(|(_, text)| text.as_str())
        .collect();
    assert_eq!(health, ["not connected to home relay"]);
    assert!(host.take_calls("tailscale").is_empty());
}

#[tokio::test(flavor = "current_thread")]
async fn probe_reads_a_host_and_changes_nothing() {
    let host = LocalHost::with_client(JOINED);
    let before = (host.read("state/status"), host.read("state/prefs"));
    assert!(ids(&join(&provider(), &host).await.unwrap()).is_empty());
    assert_eq!(
        before,
        (host.read("state/status"), host.read("state/prefs"))
    );
    assert!(!host.path("root/run/stagecraft").exists());
    assert_eq!(host.sent(), [provider().probe().0]);
    let calls = host.read("state/tailscale.calls");
    let calls: Vec<&str> = calls.lines().collect();
    assert_eq!(calls, ["status --json --peers=false", "debug prefs"]);
}

#[tokio::test(flavor = "current_thread")]
async fn probe_travels_with_the_scripts_of_others() {
    let host = LocalHost::with_client(JOINED);
    host.write(
        "state/prefs",
        &prefs("web-1", false).replace("controlplane.tailscale.com", "hs.example.com"),
    );
    let probes = BTreeMap::from([
        ("a", ProbeScript("cat; echo a=1")),
        ("network", provider().probe()),
        ("z", ProbeScript("echo z=1")),
    ]);
    let command = RemoteCommand::script(join_probes(&probes, "=b="), Duration::from_secs(30));
    let output = host.exec(&Run::default(), &command).await.unwrap();
    let facts = split_probes(&output.stdout, "=b=", ["a", "network", "z"]).unwrap();
    assert_eq!(facts["z"].value("z"), Some("1"));
    let theirs = builder()
        .login_server("https://hs.example.com")
        .build()
        .unwrap();
    assert!(
        theirs
            .decide(&facts["network"], &node())
            .unwrap()
            .is_empty()
    );
    let error = provider().decide(&facts["network"], &node()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("control server https://hs.example.com"),
        "{error}"
    );
}

#[tokio::test(flavor = "current_thread")]
async fn probe_of_a_daemon_that_does_not_answer_asks_the_client_for_its_version() {
    let host = LocalHost::with_client(JOINED);
    host.write("state/version", "1.9.3");
    std::fs::remove_file(host.path("state/daemon")).unwrap();
    let picky = builder().min_version("1.82").build().unwrap();
    let error = join(&picky, &host).await.unwrap_err();
    assert!(error.to_string().contains("client 1.9.3"), "{error}");
    let calls = host.read("state/tailscale.calls");
    let calls: Vec<&str> = calls.lines().collect();
    assert_eq!(calls, ["status --json --peers=false", "version"]);
}

#[tokio::test(flavor = "current_thread")]
async fn probe_works_on_a_host_without_os_release() {
    let host = LocalHost::new();
    std::fs::remove_file(host.path("root/etc/os-release")).unwrap();
    let error = join(&provider(), &host).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("`unknown system`"), "{error}");
}

#[tokio::test(flavor = "current_thread")]
async fn every_script_that_is_sent_is_sound_shell() {
    let fresh = LocalHost::new();
    join(&provider(), &fresh).await.unwrap();
    let stopped = LocalHost::with_client(&JOINED.replace("\"Running\"", "\"Stopped\""));
    stopped.write("state/up.keyless.status", JOINED);
    stopped.write("state/prefs", &prefs("old", true));
    stopped.write("state/set.prefs", &prefs("web-1", false));
    assert_eq!(
        ids(&join(&provider(), &stopped).await.unwrap()),
        ["start", "settings"]
    );
    let mut sent = fresh.sent();
    sent.extend(stopped.sent());
    sent.sort();
    sent.dedup();
    assert_eq!(sent.len(), 6, "{sent:#?}");
    for script in sent {
        let output = Command::new("sh")
            .args(["-n", "-c", &script])
            .output()
            .unwrap();
        assert!(output.status.success(), "{script}\n{output:?}");
    }
}
