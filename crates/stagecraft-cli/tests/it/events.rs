//! What programs read, through the real binary: each operation's sequence of lines, the one
//! document of each other command, and nothing else on standard output.

use crate::support::contract::Contract;
use crate::support::{Lab, quick};
use insta::assert_snapshot;
use serde_json::Value;
use stagecraft_sandbox::Fault;
use tokio::io::{AsyncBufReadExt as _, BufReader};

const UP: [&str; 5] = ["infra", "up", "--yes", "-o", "json"];
const ONLY_CREATE: [&str; 6] = ["infra", "up", "--yes", "--no-bootstrap", "-o", "json"];
const DOWN: [&str; 6] = ["infra", "down", "--confirm", "staging", "-o", "json"];
const DRY_UP: [&str; 5] = ["infra", "up", "--dry-run", "-o", "json"];
const DRY_DOWN: [&str; 5] = ["infra", "down", "--dry-run", "-o", "json"];

/// Two hosts of two roles.
fn two_hosts(lab: &Lab) {
    lab.edit("app: { role: app, count: 2 }", "app-1: { role: app }");
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_life_of_two_hosts_has_its_sequences() {
    let lab = Lab::with_hosts(quick()).await;
    two_hosts(&lab);
    let contract = Contract::of(&lab).await;
    let runs = [
        ("up_dry_run_on_an_empty_cloud", &DRY_UP[..]),
        ("up", &UP),
        ("up_again", &UP),
        ("up_dry_run", &DRY_UP),
        ("down_dry_run", &DRY_DOWN),
        ("down", &DOWN),
        ("down_again", &DOWN),
    ];
    for (name, command) in runs {
        let finished = lab.run(command).await;
        finished.expect_code(0);
        assert_snapshot!(name, contract.sequence(&finished));
    }
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn up_without_bootstrap_has_its_sequence() {
    let lab = Lab::api_only(quick()).await;
    two_hosts(&lab);
    let contract = Contract::of(&lab).await;
    let up = lab.run(&ONLY_CREATE).await;
    assert_snapshot!("up_no_bootstrap", contract.sequence(up.expect_code(0)));
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_creates_end_in_failed_hosts_and_one_result() {
    let lab = Lab::api_only(quick()).await;
    two_hosts(&lab);
    let contract = Contract::of(&lab).await;
    let refuse = || Fault::status("POST", "/v2/droplets", 422);
    lab.control().add_fault(refuse().times(99));
    let none = lab.run(&ONLY_CREATE).await;
    assert_snapshot!(
        "up_all_creates_refused",
        contract.sequence(none.expect_code(2))
    );
    lab.control().clear_faults();
    lab.control().add_fault(refuse().with_body("staging-db-1"));
    let one = lab.run(&ONLY_CREATE).await;
    assert_snapshot!(
        "up_one_create_refused",
        contract.sequence(one.expect_code(10))
    );
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_before_and_after_the_plan_are_results() {
    let lab = Lab::api_only(quick()).await;
    two_hosts(&lab);
    let contract = Contract::of(&lab).await;

    let unconfirmed = lab.run(&["infra", "up", "-o", "json"]).await;
    let lines = contract.lines(unconfirmed.expect_code(7));
    assert_eq!(lines[0]["event"], "lease_taken");
    assert_eq!(lines[1]["event"], "planned");
    assert_eq!(unconfirmed.result()["error"]["kind"], "guard");

    let usage = lab.run(&["infra", "up", "--yess", "-o", "json"]).await;
    assert_snapshot!("usage_error", contract.sequence(usage.expect_code(1)));
    let no_command = lab.run(&["infra", "-o", "json"]).await;
    assert_snapshot!("no_command", contract.sequence(no_command.expect_code(1)));

    lab.edit("role: app", "rol: app");
    for command in [&UP[..], &["config", "validate", "-o", "json"], &DOWN] {
        let failed = lab.run(command).await;
        assert_snapshot!(
            "configuration_error",
            contract.sequence(failed.expect_code(1))
        );
    }
    assert!(lab.names().is_empty());
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_while_it_plans_is_told_as_interrupted() {
    let lab = Lab::api_only(quick()).await;
    let contract = Contract::of(&lab).await;
    let fault = Fault::status("GET", "/v2/account", 500);
    lab.control().add_fault(fault.times(99));
    let at = |line: &Value| line["event"] == "retrying";
    let stopped = lab.interrupt_at(&UP, at).await;
    contract.lines(stopped.expect_code(130));
    assert_eq!(stopped.result()["outcome"], "interrupted");
    assert_eq!(stopped.result()["error"]["kind"], "cancelled");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_document_is_as_the_schema_has_it() {
    let lab = Lab::api_only(quick()).await;
    let contract = Contract::of(&lab).await;
    lab.run(&ONLY_CREATE).await.expect_code(0);
    for (command, reference) in contract.documents() {
        let mut arguments: Vec<&str> = command.split(' ').collect();
        arguments.extend(["--output", "json"]);
        match command.as_str() {
            "sandbox" => {
                arguments.extend(["--hosts", "none"]);
                contract.check(&reference, &[first_line(&lab, &arguments).await]);
                continue;
            }
            "config show --why" => arguments.insert(3, "project.name"),
            "init" => arguments.extend(["--config", "another.yml"]),
            _ => {}
        }
        let finished = lab.run(&arguments).await;
        let document = serde_json::from_str(&finished.expect_code(0).stdout)
            .unwrap_or_else(|error| panic!("{command}: {error}"));
        contract.check(&reference, &[document]);
        finished.assert_no_json_on_stderr();
        assert!(finished.stderr.is_empty(), "{command}: {}", finished.stderr);
    }
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dry_run_of_init_is_a_document_too_and_writes_nothing() {
    let lab = Lab::api_only(quick()).await;
    let contract = Contract::of(&lab).await;
    let dry = ["init", "--dry-run", "--config", "new.yml", "-o", "json"];
    let dry = lab.run(&dry).await;
    let document: Value = serde_json::from_str(&dry.expect_code(0).stdout).unwrap();
    assert!(document["text"].as_str().unwrap().contains("cloud:"));
    assert_eq!(document["written"], Value::Null);
    contract.check(&contract.documents()["init"], &[document]);
    assert!(!lab.directory.path().join("new.yml").exists());
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn for_people_results_and_progress_go_apart() {
    let lab = Lab::api_only(quick()).await;
    two_hosts(&lab);
    let up = lab.run(&["infra", "up", "--yes", "--no-bootstrap"]).await;
    up.expect_code(0);
    for progress in ["create app-1", "accepted, id", "active at"] {
        assert!(up.stderr.contains(progress), "{}", up.stderr);
        assert!(!up.stdout.contains(progress), "{}", up.stdout);
    }
    for result in ["Plan ", "2 hosts to create", "2 created"] {
        assert!(up.stdout.contains(result), "{}", up.stdout);
        assert!(!up.stderr.contains(result), "{}", up.stderr);
    }
    up.assert_no_json_on_stderr();

    lab.edit("role: app", "rol: app");
    for command in [
        &["infra", "up"][..],
        &["config", "validate"],
        &["infra", "pu"],
    ] {
        let failed = lab.run(command).await;
        assert_eq!(failed.expect_code(1).stdout, "");
        assert!(failed.stderr.contains("error"), "{}", failed.stderr);
    }
    lab.shutdown().await;
}

/// The first line of a command that goes on after it.
async fn first_line(lab: &Lab, arguments: &[&str]) -> Value {
    let mut child = lab.command(arguments).spawn().expect("the binary");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let line = lines.next_line().await.expect("a line").expect("a line");
    child.kill().await.expect("to end it");
    serde_json::from_str(&line).expect("JSON")
}
