//! `infra replace`: one host anew, and never none where there was one.

use crate::support::contract::Contract;
use crate::support::{DECLARED, Finished, Lab, quick};
use serde_json::Value;
use stagecraft_core::tags::PROTECT_TAG;
use stagecraft_sandbox::{ForeignDroplet, Knobs};

const UP: [&str; 4] = ["infra", "up", "--yes", "--no-bootstrap"];
const REPLACE: [&str; 8] = [
    "infra",
    "replace",
    "db-1",
    "--confirm",
    "staging",
    "--no-bootstrap",
    "-o",
    "json",
];
const OURS: [&str; 4] = [
    "stagecraft",
    "stagecraft-env-staging",
    "stagecraft-project-shop",
    "stagecraft-role-db",
];

fn id_of(lab: &Lab, name: &str) -> u64 {
    let droplets = lab.droplets().into_iter();
    let mut found = droplets.filter(|droplet| droplet.name == name);
    let droplet = found.next().expect("a droplet");
    assert!(found.next().is_none(), "only one {name}");
    droplet.id
}

async fn refused(lab: &Lab, code: i32) -> Value {
    let before = lab.control().droplets().len();
    let refused: Finished = lab.run(&REPLACE).await;
    let error = refused.expect_code(code).result()["error"].clone();
    assert_eq!(lab.control().droplets().len(), before, "nothing was made");
    assert_eq!(lab.names(), DECLARED, "nothing was deleted");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn replace_deletes_makes_and_bootstraps_just_that_host() {
    let lab = Lab::with_hosts(quick()).await;
    lab.run(&["infra", "up", "--yes"]).await.expect_code(0);
    let (old, kept) = (id_of(&lab, "staging-db-1"), id_of(&lab, "staging-app-1"));
    let dry = lab.run(&["infra", "replace", "db-1", "--dry-run"]).await;
    let text = "1 host to create, 1 to delete. Cost of these hosts: $48.00 a month ($0.00)";
    assert!(dry.expect_code(0).stdout.contains(text), "{dry:?}");
    assert_eq!(
        id_of(&lab, "staging-db-1"),
        old,
        "a dry run replaces nothing"
    );

    let arguments = [
        "infra",
        "replace",
        "db-1",
        "--confirm",
        "staging",
        "-o",
        "json",
    ];
    let replaced = lab.run(&arguments).await;
    let lines = Contract::of(&lab).await.lines(replaced.expect_code(0));
    let result = lines.last().expect("a result");
    assert_eq!(result["deleted"][0]["id"], old.to_string());
    let new = id_of(&lab, "staging-db-1");
    assert_ne!(new, old);
    assert_eq!(result["created"][0]["id"], new.to_string());
    let hosts = result["hosts"].as_array().expect("hosts");
    assert_eq!(hosts.len(), 1, "only it is bootstrapped: {hosts:?}");
    assert_eq!(hosts[0]["steps"][0]["status"], "changed");
    let forgotten = &result["network"][0];
    assert_eq!(forgotten["host"], "db-1", "the network was told");
    let reason = forgotten["reason"].as_str().expect("a reason");
    assert_eq!(
        reason,
        "nothing to remove: the new host is staging-db-1.sandbox.ts.net"
    );
    assert_eq!(id_of(&lab, "staging-app-1"), kept);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn host_that_could_not_be_made_again_is_not_deleted() {
    let lab = Lab::api_only(quick()).await;
    lab.run(&UP).await.expect_code(0);
    lab.edit("size: s-4vcpu-8gb", "size: s-no-such-size");
    let error = refused(&lab, 2).await;
    let message = error["message"].as_str().expect("a message");
    assert!(
        message.contains("`s-no-such-size` does not exist"),
        "{message}"
    );

    lab.edit("size: s-no-such-size", "size: s-8vcpu-16gb");
    lab.edit("project:", "limits: { max_monthly: 100 }\nproject:");
    let error = refused(&lab, 7).await;
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains("limits.max_monthly"), "{message}");
    lab.edit("max_monthly: 100", "max_hosts: 3");
    lab.run(&REPLACE).await.expect_code(0);
    let id = id_of(&lab, "staging-db-1");
    let droplets = lab.droplets();
    let new = droplets.iter().find(|droplet| droplet.id == id);
    assert_eq!(new.expect("it").size, "s-8vcpu-16gb");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn full_account_has_room_for_the_new_host_of_an_old_one() {
    let knobs = Knobs {
        droplet_limit: 3,
        ..quick()
    };
    let lab = Lab::api_only(knobs).await;
    lab.run(&UP).await.expect_code(0);
    lab.run(&REPLACE).await.expect_code(0);
    assert_eq!(lab.names(), DECLARED);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn protected_host_double_and_undeclared_name_are_refused() {
    let lab = Lab::api_only(quick()).await;
    lab.run(&UP).await.expect_code(0);
    let id = id_of(&lab, "staging-db-1");
    let droplets = lab.control().droplets();
    let own = droplets.into_iter().find(|droplet| droplet.id == id);
    let own = own.expect("it").tags;
    let mut tags = own.clone();
    tags.push(PROTECT_TAG.to_owned());
    lab.control().set_tags(id, &tags).expect("a droplet");
    let error = refused(&lab, 7).await;
    assert_eq!(error["message"], "hosts are protected: db-1 (by its tag)");
    let hint = error["hint"].as_str().expect("a hint");
    assert!(
        hint.contains("stagecraft infra unprotect db-1 --env staging"),
        "{hint}"
    );
    lab.control().set_tags(id, &own).expect("a droplet");

    let undeclared = ["infra", "replace", "db-2", "--confirm", "staging"];
    let undeclared = lab.run(&undeclared).await;
    let stderr = &undeclared.expect_code(1).stderr;
    assert!(stderr.contains("known: app-1, app-2, db-1"), "{stderr}");
    let other = lab
        .run(&["infra", "replace", "db-1", "--confirm", "db-1"])
        .await;
    assert!(other.expect_code(7).stderr.contains("is not the name"));

    let double = ForeignDroplet::new("staging-db-1", &OURS);
    lab.control().create_droplet(double).expect("a droplet");
    let doubled = lab.run(&REPLACE).await;
    let error = doubled.expect_code(7).result()["error"].clone();
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains("same name"), "{message}");
    assert_eq!(lab.names().len(), 4);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replacement_that_was_killed_is_finished_by_the_same_command_or_by_up() {
    for again in [&REPLACE[..], &UP[..]] {
        let lab = Lab::api_only(quick()).await;
        lab.run(&UP).await.expect_code(0);
        let old = id_of(&lab, "staging-db-1");
        let at = |line: &Value| line["event"] == "host_gone";
        let killed = lab.kill_at(&REPLACE, at).await;
        assert!(killed.is_some(), "it was killed between the halves");
        lab.run(again).await.expect_code(0);
        assert_eq!(lab.names(), DECLARED);
        assert_ne!(id_of(&lab, "staging-db-1"), old);
        lab.shutdown().await;
    }
}
