//! After an interruption the result says what exists now, with ids and cost, and no lease stays.

use std::time::Duration;

use crate::support::contract::Contract;
use crate::support::running::Running;
use crate::support::{DECLARED, Lab, quick};
use serde_json::Value;
use stagecraft_sandbox::Knobs;
use tokio::process::Command;

const UP: [&str; 6] = ["infra", "up", "--yes", "--no-bootstrap", "-o", "json"];

/// Droplets that take longer to boot than any test.
async fn slow() -> Lab {
    let knobs = Knobs {
        boot_time: Duration::from_mins(10),
        ..quick()
    };
    let lab = Lab::api_only(knobs).await;
    lab.edit("deadline: 20s", "deadline: 10m");
    lab
}

fn is_waiting(line: &Value) -> bool {
    let what = line["what"].as_str().unwrap_or_default();
    line["event"] == "waiting" && what.contains("to become active")
}

async fn assert_no_lease(lab: &Lab) {
    let firewalls = lab.api_get("/v2/firewalls").await;
    assert_eq!(
        firewalls["firewalls"].as_array().map(Vec::len),
        Some(0),
        "{firewalls}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_up_reports_every_host_that_exists_with_id_and_cost() {
    let lab = slow().await;
    let contract = Contract::of(&lab).await;
    let finished = lab.interrupt_at(&UP, is_waiting).await;
    let result = finished.expect_code(130).result();
    contract.lines(&finished);
    assert_eq!(result["outcome"], "interrupted");
    let exists = &result["exists"];
    let mut ids: Vec<String> = lab
        .droplets()
        .iter()
        .map(|own| own.id.to_string())
        .collect();
    let mut told: Vec<String> = exists["created"]
        .as_array()
        .expect("ids")
        .iter()
        .map(|id| id.as_str().expect("an id").to_owned())
        .collect();
    ids.sort();
    told.sort();
    assert_eq!(told, ids, "{result}");
    assert_eq!(exists["hosts"].as_array().map(Vec::len), Some(3));
    assert_eq!(
        (&exists["is_whole"], &exists["monthly"]),
        (&true.into(), &96_000_000.into())
    );
    let failed = finished.lines();
    assert!(
        failed.iter().all(|line| line["event"] != "host_failed"),
        "{finished:?}"
    );
    assert_no_lease(&lab).await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn doubled_sigterm_of_timeout_counts_once_and_leaves_no_lease() {
    let lab = slow().await;
    let program = env!("CARGO_BIN_EXE_stagecraft");
    let model = lab.command(&[]);
    let variables = model.as_std().get_envs();
    // It sends SIGTERM to the program and to the program's group, and ends with 124.
    let mut command = Command::new("timeout");
    command
        .args(["8", program, "infra", "up", "--yes", "--no-bootstrap"])
        .current_dir(lab.directory.path())
        .env_clear()
        .envs(variables.filter_map(|(name, value)| Some((name, value?))))
        .kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_mins(1), command.output()).await;
    let output = output.expect("an end").expect("timeout");
    let shown = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(124), "{shown}");
    assert_eq!(lab.names(), DECLARED, "it was interrupted at its work");
    assert_no_lease(&lab).await;

    assert!(
        shown.contains("Now in staging: 3 hosts, $96.00 a month, $0.14285 an hour."),
        "{shown}"
    );
    for droplet in lab.droplets() {
        let name = droplet.name.trim_start_matches("staging-").to_owned();
        let row = shown
            .lines()
            .find(|line| line.trim_start().starts_with(&format!("{name} ")));
        // The last one: the rows of the plan come before.
        let rows: Vec<&str> = shown
            .lines()
            .filter(|line| line.contains(&format!("id {}", droplet.id)))
            .collect();
        assert!(row.is_some() && rows.len() == 1, "{shown}");
        assert!(
            rows[0].contains("created, not active yet") && rows[0].contains("/month"),
            "{shown}"
        );
    }
    assert!(
        shown.contains("3 created, 0 existed. Interrupted"),
        "{shown}"
    );
    assert!(
        !shown.contains("failed"),
        "an interruption is no failure: {shown}"
    );
    assert!(
        shown.contains("infra down --env staging --made-by"),
        "{shown}"
    );
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_twice_within_moments_counts_once() {
    let lab = slow().await;
    let mut run = Running::start(&lab, &UP);
    run.until(is_waiting).await;
    run.signal("-TERM").await;
    run.signal("-TERM").await;
    let result = run.finish().await.expect_code(130).result();
    assert_eq!(result["exists"]["hosts"].as_array().map(Vec::len), Some(3));
    assert_no_lease(&lab).await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_down_reports_what_is_left_and_costs() {
    let knobs = Knobs {
        delete_time: Duration::from_mins(10),
        ..quick()
    };
    let lab = Lab::api_only(knobs).await;
    lab.edit("deadline: 20s", "deadline: 10m");
    lab.run(&UP).await.expect_code(0);
    let down = ["infra", "down", "--confirm", "staging", "-o", "json"];
    let finished = lab
        .interrupt_at(&down, |line| {
            let what = line["what"].as_str().unwrap_or_default();
            line["event"] == "waiting" && what.contains("to be gone")
        })
        .await;
    let result = finished.expect_code(130).result();
    assert_eq!(
        result["exists"]["hosts"].as_array().map(Vec::len),
        Some(3),
        "{result}"
    );
    assert_eq!(result["exists"]["monthly"], 96_000_000);
    assert_no_lease(&lab).await;
    lab.shutdown().await;
}
