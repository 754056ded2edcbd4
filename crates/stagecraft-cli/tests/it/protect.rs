//! `protect`: what is protected is not deleted, by nobody and on no way, until it is unprotected.

use std::time::Duration;

use crate::support::contract::Contract;
use crate::support::{DECLARED, Lab, quick};
use serde_json::Value;
use stagecraft_core::tags::{PROTECT_TAG, expires_tag};
use stagecraft_sandbox::{DropletView, Knobs};
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
        let message = "hosts are protected: db-1 (by its tag)";
        assert_eq!(error["message"], message);
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
    assert!(
        done.expect_code(0)
            .stdout
            .contains("1 still protected by the file")
    );
    assert!(done.stderr.contains("`protect: true` for db-1"), "{done:?}");
    assert!(!is_protected(&lab));
    let again = lab.run(&confirmed).await;
    let text = "bears no tag of protection";
    assert!(again.expect_code(0).stdout.contains(text), "{again:?}");
    assert!(again.stderr.contains("it stays protected"), "{again:?}");

    lab.run(&UP).await.expect_code(0);
    assert!(is_protected(&lab), "the file still says so");
    let quiet = lab.run(&[&confirmed[..], &["-o", "json"]].concat()).await;
    let lines = Contract::of(&lab).await.lines(quiet.expect_code(0));
    let result = lines.last().expect("a result");
    assert_eq!(result["retagged"][0]["name"], "db-1");
    assert_eq!(result["protected_by_file"][0], "db-1");
    let down = ["infra", "down", "--confirm", "staging"];
    let refused = lab.run(&down).await;
    let text = "hosts are protected: db-1 (by the file)";
    assert!(refused.expect_code(7).stderr.contains(text), "{refused:?}");
    lab.edit(", protect: true", "");
    lab.run(&down).await.expect_code(0);
    assert!(lab.names().is_empty());
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn line_that_no_up_has_applied_yet_protects_from_every_delete() {
    let lab = Lab::api_only(quick()).await;
    lab.run(&UP).await.expect_code(0);
    for droplet in lab.droplets() {
        let over = vec![expires_tag(1_700_000_000)];
        let set = lab
            .control()
            .set_tags(droplet.id, &[droplet.tags, over].concat());
        set.expect("the droplet is there");
    }
    lab.edit(DB, "db-1: { role: db, size: s-4vcpu-8gb, protect: true }");
    lab.edit("count: 2", "count: 2, protect: true");
    let hosts = lab.run(&["infra", "hosts"]).await.stdout;
    assert_eq!(hosts.matches(" file ").count(), 3, "{hosts}");
    let before = lab.control().requests().len();
    let commands: [(&[&str], &str); 4] = [
        (
            &["down"],
            "app-1 (by the file), app-2 (by the file), db-1 (by the file)",
        ),
        (&["down", "--host", "db-1"], "db-1 (by the file)"),
        (
            &["replace", "app-2", "--no-bootstrap"],
            "app-2 (by the file)",
        ),
        (&["reap", "--role", "db"], "db-1 (by the file)"),
    ];
    for (command, hosts) in commands {
        let confirm: &[&str] = &["--confirm", "staging", "-o", "json"];
        let refused = lab.run(&[&["infra"], command, confirm].concat()).await;
        let lines = Contract::of(&lab).await.lines(refused.expect_code(7));
        let error = &lines.last().expect("a result")["error"];
        assert_eq!(error["message"], format!("hosts are protected: {hosts}"));
        let hint = error["hint"].as_str().expect("a hint");
        assert!(hint.contains("remove `protect: true` of"), "{hint}");
        assert!(!hint.contains("unprotect"), "no tag to remove: {hint}");
    }
    let requests = lab.control().requests().split_off(before);
    let deletes = requests.iter().filter(|own| own.method == "DELETE");
    let deletes: Vec<_> = deletes
        .filter(|own| !own.target.contains("/firewalls"))
        .collect();
    assert!(deletes.is_empty(), "{deletes:?}");
    assert_eq!(lab.names(), DECLARED);

    let plan = lab.run(&["infra", "plan", "--destroy", "-o", "json"]).await;
    let plan: Value = serde_json::from_str(&plan.stdout).expect("a document");
    assert_eq!(plan["plan"]["protected"][2]["protected_by"][0], "file");
    assert_eq!(plan["plan"]["protected"][2]["is_protected"], true);

    let unprotect = ["infra", "unprotect", "db-1", "--confirm", "staging"];
    let unprotected = lab.run(&unprotect).await;
    let text = "bears no tag of protection";
    assert!(
        unprotected.expect_code(0).stdout.contains(text),
        "{unprotected:?}"
    );
    assert!(
        unprotected.stderr.contains("protect: true` for db-1"),
        "{unprotected:?}"
    );
    let one = ["infra", "down", "--host", "db-1", "--confirm", "staging"];
    lab.run(&one).await.expect_code(7);

    // Once applied, both have to be lifted.
    lab.run(&UP).await.expect_code(0);
    let refused = lab.run(&one).await;
    let stderr = &refused.expect_code(7).stderr;
    assert!(
        stderr.contains("db-1 (by the file and its tag)"),
        "{stderr}"
    );
    let cure = "remove `protect: true` of db-1 from the file, and remove the tag: stagecraft infra unprotect db-1 --env staging";
    assert!(stderr.contains(cure), "{stderr}");
    lab.edit(", protect: true", "");
    let refused = lab.run(&one).await;
    let text = "db-1 (by its tag)";
    assert!(refused.expect_code(7).stderr.contains(text), "{refused:?}");
    lab.run(&unprotect).await.expect_code(0);
    lab.run(&one).await.expect_code(0);
    assert_eq!(lab.names(), ["staging-app-1", "staging-app-2"]);
    lab.shutdown().await;
}

/// Runs a command and changes something as soon as its plan is shown.
async fn run_changing(
    lab: &Lab,
    arguments: &[&str],
    change: impl FnOnce(DropletView),
) -> (Option<i32>, String) {
    let mut child = lab.command(arguments).spawn().expect("the binary");
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut text = String::new();
    while !text.contains("Cost") {
        let read = stdout.read_line(&mut text).await.expect("a line");
        assert_ne!(read, 0, "the plan was never shown: {text}");
    }
    let droplets = lab.droplets().into_iter();
    let mut own = droplets.filter(|droplet| droplet.name == "staging-db-1");
    change(own.next().expect("the droplet"));
    stdout.read_to_string(&mut text).await.expect("the rest");
    (child.wait().await.expect("an end").code(), text)
}

/// Runs a command that protects `db-1` by hand as soon as its plan is shown.
async fn run_protecting(lab: &Lab, arguments: &[&str]) -> (Option<i32>, String) {
    let protect = |own: DropletView| {
        let tags = [own.tags, vec![PROTECT_TAG.to_owned()]].concat();
        let set = lab.control().set_tags(own.id, &tags);
        set.expect("the droplet is there");
    };
    run_changing(lab, arguments, protect).await
}

#[tokio::test(flavor = "multi_thread")]
async fn host_that_got_another_name_after_the_plan_is_not_deleted() {
    let lab = Lab::api_only(Knobs {
        // Time to rename it between the plan and the delete.
        latency: Duration::from_millis(200),
        ..quick()
    })
    .await;
    lab.run(&UP).await.expect_code(0);
    let down = ["infra", "down", "--host", "db-1", "--confirm", "staging"];
    let rename = |own: DropletView| {
        let renamed = lab.control().rename_droplet(own.id, "staging-db-7");
        renamed.expect("the droplet is there");
    };
    let (code, text) = run_changing(&lab, &down, rename).await;
    assert_eq!(code, Some(7), "{text}");
    assert!(text.contains("it is named `db-7` since the plan"), "{text}");
    let left = ["staging-app-1", "staging-app-2", "staging-db-7"];
    assert_eq!(lab.names(), left);
    lab.shutdown().await;
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
