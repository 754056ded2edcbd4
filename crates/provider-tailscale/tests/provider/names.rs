//! The names of nodes in the tailnet, and of key files on hosts.

use std::time::Duration;

use provider_tailscale::core::ErrorKind;

use crate::local::{LocalHost, prefs};
use crate::scripts::{ids, join};
use crate::support::{JOINED, NEEDS_LOGIN, node, provider, run};

#[tokio::test(flavor = "current_thread")]
async fn name_that_is_taken_is_refused_in_the_second_run_too() {
    let host = LocalHost::with_client(NEEDS_LOGIN);
    let taken = JOINED.replace("\"DNSName\": \"web-1.tail", "\"DNSName\": \"web-1-1.tail");
    host.write("state/up.keyed.status", &taken);
    for calls in [1, 0] {
        let error = join(&provider(), &host).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.operation()),
            (ErrorKind::Rejected, Some("verify"))
        );
        assert!(
            error.to_string().contains("`web-1-1.tail.internal`"),
            "{error}"
        );
        assert_eq!(host.take_calls("tailscale").len(), calls);
    }
    // The old device removed and this one renamed, a third run finds nothing to do.
    host.write("state/status", JOINED);
    assert!(ids(&join(&provider(), &host).await.unwrap()).is_empty());
}

#[tokio::test(flavor = "current_thread")]
async fn name_that_was_asked_for_a_moment_ago_is_waited_for() {
    let old = JOINED.replace("\"DNSName\": \"web-1.tail", "\"DNSName\": \"old.tail");
    let host = LocalHost::with_client(&old);
    host.write("state/prefs", &prefs("old", false));
    host.write("state/set.prefs", &prefs("web-1", false));
    // The server's answer comes with the second look after the change.
    host.write("state/later.status", JOINED);
    host.write("state/later.after", "3\n");
    assert_eq!(ids(&join(&provider(), &host).await.unwrap()), ["settings"]);
    // It never comes: the name is taken.
    let host = LocalHost::with_client(&old);
    host.write("state/prefs", &prefs("old", false));
    host.write("state/set.prefs", &prefs("web-1", false));
    let error = join(&provider(), &host).await.unwrap_err();
    assert!(error.to_string().contains("`old.tail.internal`"), "{error}");
}

#[tokio::test(flavor = "current_thread")]
async fn only_stale_keys_of_others_are_removed() {
    let host = LocalHost::with_client(NEEDS_LOGIN);
    let folder = host.path("root/run/stagecraft");
    std::fs::create_dir(&folder).unwrap();
    let stale = std::time::SystemTime::now() - Duration::from_mins(15);
    for (name, is_stale) in [
        ("ts-authkey-web-1-0", true),
        (".ts-authkey-web-1-0.Ab", true),
        ("other", true),
        ("ts-authkey-web-1-1", false),
        (".ts-authkey-web-1-1.Ab", false),
    ] {
        let file = std::fs::File::create(folder.join(name)).unwrap();
        if is_stale {
            file.set_modified(stale).unwrap();
        }
    }
    let (run, _events) = run();
    provider()
        .ensure_joined(&run, &host, &node())
        .await
        .unwrap();
    let mut left = host.key_files();
    left.sort();
    let expected = [".ts-authkey-web-1-1.Ab", "other", "ts-authkey-web-1-1"];
    assert_eq!(left, expected.map(|name| folder.join(name)));
}

#[tokio::test(flavor = "current_thread")]
async fn key_that_a_killed_run_has_left_on_a_member_is_removed_by_the_next() {
    let host = LocalHost::with_client(JOINED);
    let folder = host.path("root/run/stagecraft");
    std::fs::create_dir(&folder).unwrap();
    let file = std::fs::File::create(folder.join(".ts-authkey-web-1-0.stagecraft-Ab12cd")).unwrap();
    assert!(ids(&ensured(&host).await).is_empty());
    let stale = std::time::SystemTime::now() - Duration::from_mins(15);
    file.set_modified(stale).unwrap();
    // A link is not what we have left, wherever it leads.
    std::os::unix::fs::symlink(host.path("state/status"), folder.join("ts-authkey-0")).unwrap();
    assert_eq!(ids(&ensured(&host).await), ["clean"]);
    assert_eq!(host.key_files(), [folder.join("ts-authkey-0")]);
    assert!(ids(&ensured(&host).await).is_empty());
    assert!(host.take_calls("tailscale").is_empty());
}

async fn ensured(host: &LocalHost) -> provider_tailscale::Ensured {
    let (run, _events) = run();
    provider().ensure_joined(&run, host, &node()).await.unwrap()
}

#[tokio::test(flavor = "current_thread")]
async fn every_session_has_a_key_file_of_its_own() {
    let mut files = Vec::new();
    for _ in 0..2 {
        let host = LocalHost::with_client(NEEDS_LOGIN);
        join(&provider(), &host).await.unwrap();
        let up = host.take_calls("tailscale").remove(0);
        let file = up.split_once("ts-authkey-").unwrap().1;
        files.push(file.split(' ').next().unwrap().to_owned());
    }
    assert_ne!(files[0], files[1]);
}
