//! The passphrase of an encrypted key, typed on a terminal: one that `script` makes.

use std::process::Stdio;

use crate::support::terminal::Terminal;
use crate::support::{Lab, quick};
use tokio::process::Command;

const PASSPHRASE: &str = "open sesame";

const BOOTSTRAP: [&str; 5] = ["infra", "bootstrap", "--yes", "--host", "db-1"];
const UP: [&str; 5] = ["infra", "up", "--yes", "--host", "db-1"];
const ONLY_CREATE: [&str; 6] = ["infra", "up", "--yes", "--no-bootstrap", "--host", "db-1"];

/// A host, and a key that logs in to it once it is opened.
async fn locked() -> Lab {
    let lab = Lab::with_hosts(quick()).await;
    lab.run(&ONLY_CREATE).await.expect_code(0);
    encrypt(&lab).await;
    lab
}

/// Encrypts the operator's key.
async fn encrypt(lab: &Lab) {
    let encrypt = Command::new("ssh-keygen")
        .args(["-q", "-p", "-P", "", "-N", PASSPHRASE, "-f"])
        .arg(lab.directory.path().join("operator-key"))
        .stdout(Stdio::null())
        .status()
        .await;
    assert!(encrypt.expect("ssh-keygen").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn passphrase_is_asked_for_on_a_terminal_again_if_wrong_and_never_shown() {
    let lab = locked().await;
    let mut terminal = Terminal::run(&lab, &BOOTSTRAP, "exit $code");
    terminal.wait_for("operator-key:").await;
    terminal.types("not this one\n").await;
    terminal.wait_for("operator-key, again:").await;
    terminal.types(&format!("{PASSPHRASE}\n")).await;
    let (code, shown) = terminal.end().await;
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("install the latest docker"), "{shown}");
    for typed in [PASSPHRASE, "not this one"] {
        assert!(!shown.contains(typed), "{shown}");
    }
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_at_the_question_leaves_a_terminal_that_shows_what_is_typed() {
    let lab = locked().await;
    let mut terminal = Terminal::run(&lab, &BOOTSTRAP, "stty -a; exit $code");
    terminal.wait_for("operator-key:").await;
    terminal.types("\u{3}").await;
    let (code, shown) = terminal.end().await;
    assert_eq!(code, Some(130), "{shown}");
    assert!(shown.contains(" echo "), "{shown}");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_nobody_is_asked_and_the_error_says_what_to_do() {
    let lab = locked().await;
    let failed = lab.run(&["infra", "bootstrap", "--host", "db-1"]).await;
    let told = format!("{}{}", failed.stdout, failed.stderr);
    assert_ne!(failed.code, Some(0), "{told}");
    assert!(told.contains("operator-key is encrypted"), "{told}");
    assert!(!told.contains("Passphrase of"), "{told}");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn key_of_new_hosts_is_opened_before_the_first_is_created() {
    let lab = Lab::with_hosts(quick()).await;
    encrypt(&lab).await;
    let mut terminal = Terminal::run(&lab, &UP, "exit $code");
    terminal.wait_for("operator-key:").await;
    assert!(lab.names().is_empty(), "{}", terminal.shown);
    terminal.types(&format!("{PASSPHRASE}\n")).await;
    let (code, shown) = terminal.end().await;
    assert_eq!(code, Some(0), "{shown}");
    assert_eq!(shown.matches("Passphrase of").count(), 1, "{shown}");
    assert_eq!(lab.names(), ["staging-db-1"]);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn key_that_cannot_be_opened_ends_up_before_anything_is_created() {
    let mut lab = Lab::with_hosts(quick()).await;
    encrypt(&lab).await;
    let failed = lab.run(&UP).await;
    let told = &failed.expect_code(1).stderr;
    assert!(told.contains("operator-key is encrypted"), "{told}");
    assert!(told.contains("; no host was created"), "{told}");
    assert!(!told.contains("Passphrase of"), "{told}");
    assert!(lab.names().is_empty());

    lab.edit(
        "    readiness:",
        "    ssh: { passphrase_env: KEY_PASSPHRASE }\n    readiness:",
    );
    lab.variables
        .insert("KEY_PASSPHRASE".to_owned(), "close sesame".to_owned());
    let failed = lab.run(&UP).await;
    let told = &failed.expect_code(1).stderr;
    assert!(told.contains("operator-key is wrong"), "{told}");
    assert!(lab.names().is_empty());

    // Nobody logs in, so nothing has to be opened.
    lab.run(&ONLY_CREATE).await.expect_code(0);
    assert_eq!(lab.names(), ["staging-db-1"]);
    lab.shutdown().await;
}
