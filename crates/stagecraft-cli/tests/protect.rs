//! `protect`: what is protected is not deleted, by nobody and on no way, until it is unprotected.

mod support;

use std::time::Duration;

use stagecraft_core::tags::PROTECT_TAG;
use stagecraft_sandbox::Knobs;
use support::contract::Contract;
use support::{DECLARED, Lab, quick};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

const UP: [&str; 4] = ["infra", "up", "--yes", "--no-bootstrap"];
const DB: &str = "db-1: { role: db, size: s-4vcpu-8gb }";

async fn protected() -> Lab {
    let lab = Lab::api_only(quick()).await;
    lab.edit(DB, "db-1: { role: db, size: s-4vcpu-8gb, protect: true }");
    lab.run(&UP).await.expect_code(0);
    lab
}

fn is_protected(lab: &Lab) -> bool {
    let droplets = lab.droplets().into_iter();
    let mut own = droplets.filter(|droplet| droplet.name == "staging-db-1");
    let tags = own.next().expect("the droplet").tags;
    tags.iter().any(|tag| tag == PROTECT_TAG)
}

#[tokio::test(flavor = "multi_thread")]
async fn protection_outlives_the_line_in_the_file_and_refuses_every_delete() {
    let lab = protected().await;
    lab.edit(
        "          db-1: { role: db, size: s-4vcpu-8gb, protect: true }\n",
        "",
    );
    let commands: [&[&str]; 3] = [&["down"], &["down", "--host", "db-1"], &["prune"]];
    for command in commands {
        let confirm: &[&str] = &["--confirm", "staging", "-o", "json"];
        let refused = lab.run(&[&["infra"], command, confirm].concat()).await;
        let lines = Contract::of(&lab).await.lines(refused.expect_code(7));
        let error = &lines.last().expect("a result")["error"];
        assert_eq!(error["message"], "hosts are protected: db-1");
        let hint = error["hint"].as_str().expect("a hint");
        let cure = "stagecraft infra unprotect db-1 --env staging";
        assert!(hint.contains(cure), "{hint}");
    }
    assert_eq!(lab.names(), DECLARED, "nothing was deleted");
    let others = ["infra", "down", "--role", "app", "--confirm", "staging"];
    lab.run(&others).await.expect_code(0);
    assert_eq!(lab.names(), ["staging-db-1"]);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unprotected_host_can_be_deleted_and_the_file_is_warned_of() {
    let lab = protected().await;
    lab.edit("count: 2", "count: 3");
    let missing = lab
        .run(&["infra", "unprotect", "app-3", "--confirm", "staging"])
        .await;
    let text = "no host can be unprotected: app-3: there is no host of that name in staging";
    assert!(missing.expect_code(7).stderr.contains(text), "{missing:?}");
    lab.edit("count: 3", "count: 2");
    let hosts = lab.run(&["infra", "hosts"]).await.stdout;
    let head = hosts.lines().next().expect("a head").to_owned();
    assert!(head.ends_with("PROTECTED"), "{head}");

    let unprotect = ["infra", "unprotect", "db-1"];
    let dry = lab.run(&[&unprotect[..], &["--dry-run"]].concat()).await;
    assert!(dry.expect_code(0).stdout.contains("-stagecraft-protect"));
    lab.run(&unprotect).await.expect_code(7);
    assert!(is_protected(&lab));

    let confirmed = [&unprotect[..], &["--confirm", "staging"]].concat();
    let done = lab.run(&confirmed).await;
    assert!(done.expect_code(0).stdout.contains("1 host unprotected"));
    assert!(done.stderr.contains("protect: true for db-1"), "{done:?}");
    assert!(!is_protected(&lab));
    let again = lab.run(&confirmed).await;
    assert!(again.expect_code(0).stdout.contains("is not protected"));

    lab.run(&UP).await.expect_code(0);
    assert!(is_protected(&lab), "the file still says so");
    let quiet = lab.run(&[&confirmed[..], &["-o", "json"]].concat()).await;
    let lines = Contract::of(&lab).await.lines(quiet.expect_code(0));
    let result = lines.last().expect("a result");
    assert_eq!(result["retagged"][0]["name"], "db-1");
    assert_eq!(result["protected_by_file"][0], "db-1");
    let down = ["infra", "down", "--confirm", "staging"];
    lab.run(&down).await.expect_code(0);
    assert!(lab.names().is_empty());
    lab.shutdown().await;
}

/// Runs a command that protects `db-1` by hand as soon as its plan is shown.
async fn run_protecting(lab: &Lab, arguments: &[&str]) -> (Option<i32>, String) {
    let mut child = lab.command(arguments).spawn().expect("the binary");
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut text = String::new();
    while !text.contains("Cost") {
        let read = stdout.read_line(&mut text).await.expect("a line");
        assert_ne!(read, 0, "the plan was never shown: {text}");
    }
    let droplets = lab.droplets().into_iter();
    let mut own = droplets.filter(|droplet| droplet.name == "staging-db-1");
    let mut own = own.next().expect("the droplet");
    own.tags.push(PROTECT_TAG.to_owned());
    let set = lab.control().set_tags(own.id, &own.tags);
    set.expect("the droplet is there");
    stdout.read_to_string(&mut text).await.expect("the rest");
    (child.wait().await.expect("an end").code(), text)
}

#[tokio::test(flavor = "multi_thread")]
async fn protection_that_came_after_the_plan_ends_as_a_guard() {
    let lab = Lab::api_only(Knobs {
        // Time to protect it between the plan and the delete.
        latency: Duration::from_millis(200),
        ..quick()
    })
    .await;
    lab.run(&UP).await.expect_code(0);
    let replace = [
        "infra",
        "replace",
        "db-1",
        "--confirm",
        "staging",
        "--no-bootstrap",
    ];
    let (code, text) = run_protecting(&lab, &replace).await;
    assert_eq!(code, Some(7), "{text}");
    assert!(text.contains("protected since the plan"), "{text}");
    let end = "The old host stays, and no new one was made.\n";
    assert!(text.ends_with(end), "{text}");
    assert_eq!(lab.names(), DECLARED);

    let unprotect = ["infra", "unprotect", "db-1", "--confirm", "staging"];
    lab.run(&unprotect).await.expect_code(0);
    let one = ["infra", "down", "--host", "db-1", "--confirm", "staging"];
    let (code, text) = run_protecting(&lab, &one).await;
    assert_eq!(code, Some(7), "{text}");
    assert!(!text.contains("again"), "it would not help: {text}");
    assert_eq!(lab.names(), DECLARED);

    lab.run(&unprotect).await.expect_code(0);
    let all = ["infra", "down", "--confirm", "staging"];
    let (code, text) = run_protecting(&lab, &all).await;
    assert_eq!(code, Some(10), "{text}");
    assert!(!text.contains("again"), "it would not help: {text}");
    assert_eq!(lab.names(), ["staging-db-1"]);
    lab.shutdown().await;
}
