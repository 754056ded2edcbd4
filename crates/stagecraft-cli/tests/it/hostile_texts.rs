//! Texts of hosts and services that try to rule the terminal, through the real binary.

use crate::support::{Lab, quick};
use stagecraft_sandbox::{FailTimes, ForeignDroplet};

/// Clears the screen, hides what follows, sets the title, writes to the clipboard, and forges a
/// line that says that all went well.
const HOSTILE: &str = "evil\u{1b}[2J\u{1b}[1;1H\u{1b}[8m\u{1b}]0;title\u{7}\u{1b}]52;c;aGk=\u{1b}\\\u{9b}2J\rok\u{202e}gpj\u{200b}";

/// No colours are wanted where the output is no terminal, so not even those may be there.
fn assert_plain(text: &str) {
    let strange = text
        .chars()
        .find(|character| !stagecraft_core::is_plain(*character) && *character != '\n');
    assert_eq!(strange, None, "{text:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_droplets_are_shown_and_never_obeyed() {
    let lab = Lab::api_only(quick()).await;
    let name = format!("{HOSTILE}\nok app-9");
    let tags = ["stagecraft-env-staging"];
    lab.control()
        .create_droplet(ForeignDroplet::new(&name, &tags))
        .unwrap();
    for arguments in [
        ["infra", "plan", "-o", "text"],
        ["infra", "plan", "-o", "json"],
    ] {
        let finished = lab.run(&arguments).await;
        assert!(finished.stdout.contains("evil"), "{finished:?}");
        assert_plain(&finished.stdout);
        assert_plain(&finished.stderr);
        let forged = |line: &str| line.starts_with("ok app-9");
        assert!(!finished.stdout.lines().any(forged), "{finished:?}");
        if arguments[3] == "json" {
            let document: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
            assert_eq!(document["plan"]["unmanaged"][0]["name"], name);
        }
    }
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn output_of_hosts_is_shown_as_evidence_and_never_obeyed() {
    let lab = Lab::with_hosts(quick()).await;
    let message = format!("E: {HOSTILE} {}", "x".repeat(5000));
    lab.control()
        .fail_program("staging-app-1", "apt-get", FailTimes::Always, &message)
        .await
        .unwrap();
    for format in ["text", "json"] {
        let finished = lab.run(&["infra", "up", "--yes", "-o", format]).await;
        finished.expect_code(10);
        assert!(finished.stdout.contains("E: evil"), "{finished:?}");
        assert_plain(&finished.stdout);
        assert_plain(&finished.stderr);
        let longest = finished.stdout.lines().map(str::len).max();
        assert!(format == "json" || longest < Some(1500), "{finished:?}");
    }
    lab.shutdown().await;
}
