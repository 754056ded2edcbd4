//! `--host` and `--role`: only what is selected is looked at, created, worked on and deleted.

use crate::support::contract::Contract;
use crate::support::{DECLARED, Lab, quick};
use serde_json::Value;

const UP: [&str; 5] = ["infra", "up", "--yes", "-o", "json"];

async fn run(lab: &Lab, arguments: &[&str], more: &[&str]) -> crate::support::Finished {
    lab.run(&[arguments, more].concat()).await
}

/// The names in one list of the plan that `infra plan` prints.
async fn planned(lab: &Lab, list: &str, arguments: &[&str]) -> Vec<String> {
    let plan = run(lab, &["infra", "plan", "-o", "json"], arguments).await;
    let document: Value = serde_json::from_str(&plan.expect_code(0).stdout).expect("JSON");
    names(&document["plan"][list], "name")
}

fn names(list: &Value, key: &str) -> Vec<String> {
    let entries = list.as_array().expect("a list").iter();
    entries
        .map(|entry| entry[key].as_str().expect("a name").to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_and_roles_narrow_plans_and_both_must_match() {
    let lab = Lab::api_only(quick()).await;
    let cases: [(&[&str], &[&str]); 5] = [
        (&["--host", "app-1,db-1"], &["app-1", "db-1"]),
        (&["--host", "app-1", "--host", "db-1"], &["app-1", "db-1"]),
        (&["--role", "app"], &["app-1", "app-2"]),
        (&["--role", "app", "--host", "app-2,db-1"], &["app-2"]),
        (&["--role", "app,db"], &["app-1", "app-2", "db-1"]),
    ];
    for (arguments, expected) in cases {
        assert_eq!(planned(&lab, "create", arguments).await, expected);
    }
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn name_that_selects_nothing_is_an_error_with_the_known_and_nearest_names() {
    let lab = Lab::api_only(quick()).await;
    let cases: [(&[&str], &str, Option<&str>); 4] = [
        (
            &["plan", "--host", "ap-1"],
            "there is no host `ap-1` in staging, known: app-1, app-2, db-1",
            Some("did you mean `app-1`?"),
        ),
        (
            &["up", "--yes", "--role", "cache"],
            "there is no role `cache` in staging, known: app, db",
            None,
        ),
        (
            &["down", "--confirm", "staging", "--host", "db-2"],
            "there is no host `db-2` in staging, known: app-1, app-2, db-1",
            Some("did you mean `db-1`?"),
        ),
        (
            &["plan", "--role", "app", "--host", "db-1"],
            "no host has both a selected name and a selected role",
            Some("give --host or --role, or names of hosts of that role"),
        ),
    ];
    for (arguments, message, hint) in cases {
        let refused = run(&lab, &["infra", "-o", "json"], arguments).await;
        let error = &refused.expect_code(1).result()["error"];
        assert_eq!(error["kind"], "config");
        assert_eq!(error["message"], message);
        assert_eq!(error["hint"].as_str(), hint);
    }
    assert!(lab.names().is_empty());
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn up_creates_and_bootstraps_only_the_selected_hosts() {
    let lab = Lab::with_hosts(quick()).await;
    let one = run(&lab, &UP, &["--host", "app-1"]).await;
    let result = one.expect_code(0).result();
    assert_eq!(names(&result["hosts"], "host"), ["app-1"]);
    assert_eq!(lab.names(), ["staging-app-1"]);

    lab.run(&[&UP[..], &["--no-bootstrap"]].concat())
        .await
        .expect_code(0);
    assert_eq!(lab.names(), DECLARED);
    let role = run(&lab, &UP, &["--role", "db"]).await;
    let result = role.expect_code(0).result();
    assert_eq!(names(&result["hosts"], "host"), ["db-1"]);
    let docker = "command -v docker || echo none";
    let untouched = lab.control().run("staging-app-2", docker).await.unwrap();
    assert_eq!(untouched.trim(), "none", "it was not selected");

    let dry = run(
        &lab,
        &["infra", "up", "--dry-run", "-o", "json"],
        &["--host", "app-2"],
    )
    .await;
    let result = dry.expect_code(0).result();
    assert_eq!(names(&result["hosts"], "host"), ["app-2"]);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn down_deletes_only_the_selected_hosts_and_knows_undeclared_ones_by_name() {
    let lab = Lab::api_only(quick()).await;
    let down = ["infra", "down", "--confirm", "staging", "-o", "json"];
    run(&lab, &UP, &["--no-bootstrap"]).await.expect_code(0);
    lab.edit("count: 2", "count: 1");
    let gone = run(&lab, &down, &["--host", "app-2"]).await;
    Contract::of(&lab).await.lines(&gone);
    let result = gone.expect_code(0).result();
    assert_eq!(names(&result["deleted"], "name"), ["app-2"]);
    assert_eq!(lab.names(), ["staging-app-1", "staging-db-1"]);

    let again = run(&lab, &down[..4], &["--host", "db-1"]).await;
    assert!(again.expect_code(0).stdout.contains("1 host gone"));
    let again = run(&lab, &down[..4], &["--host", "db-1"]).await;
    let text = "None of the selected hosts exists";
    assert!(again.expect_code(0).stdout.contains(text), "{again:?}");
    assert_eq!(lab.names(), ["staging-app-1"]);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_shows_and_saves_what_down_and_prune_would_delete() {
    let lab = Lab::api_only(quick()).await;
    run(&lab, &UP, &["--no-bootstrap"]).await.expect_code(0);
    let all = planned(&lab, "delete", &["--destroy"]).await;
    assert_eq!(all, ["app-1", "app-2", "db-1"]);
    let one = planned(&lab, "delete", &["--destroy", "--host", "db-1"]).await;
    assert_eq!(one, ["db-1"]);
    assert!(planned(&lab, "delete", &["--prune"]).await.is_empty());
    lab.edit("count: 2", "count: 1");
    assert_eq!(planned(&lab, "delete", &["--prune"]).await, ["app-2"]);

    let saved = ["infra", "plan", "--prune", "--out", "prune.plan"];
    let pending = run(&lab, &saved, &["--detailed-exitcode"]).await;
    let told = &pending.expect_code(20).stderr;
    assert!(
        told.contains("for review") && !told.contains("next:"),
        "{told}"
    );
    let refused = lab.run(&["infra", "up", "--plan", "prune.plan"]).await;
    assert!(refused.expect_code(7).stderr.contains("deletes hosts"));
    for both in [["--destroy", "--prune"], ["--destroy", "--resize"]] {
        run(&lab, &["infra", "plan"], &both).await.expect_code(1);
    }
    let saved = ["infra", "up", "--plan", "x", "--host", "db-1"];
    lab.run(&saved).await.expect_code(1);
    assert_eq!(lab.names(), DECLARED, "nothing was deleted");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn saved_plan_carries_its_selection() {
    let lab = Lab::api_only(quick()).await;
    let plan = ["infra", "plan", "--host", "db-1", "--out", "db.plan"];
    lab.run(&plan).await.expect_code(0);
    let up = ["infra", "up", "--plan", "db.plan", "--no-bootstrap"];
    lab.run(&up).await.expect_code(0);
    assert_eq!(lab.names(), ["staging-db-1"]);
    lab.shutdown().await;
}
