//! `infra prune`: hosts of ours that the file does not declare, and nothing else.

use crate::support::contract::Contract;
use crate::support::{DECLARED, Lab, quick};
use serde_json::Value;
use stagecraft_sandbox::{Fault, ForeignDroplet};

const PRUNE: [&str; 4] = ["infra", "prune", "--confirm", "staging"];
const UP: [&str; 4] = ["infra", "up", "--yes", "--no-bootstrap"];

#[tokio::test(flavor = "multi_thread")]
async fn prune_deletes_what_is_ours_and_not_declared() {
    let lab = Lab::api_only(quick()).await;
    lab.run(&UP).await.expect_code(0);
    let foreign: [(&str, &[&str]); 2] = [
        ("web", &[]),
        (
            "staging-web",
            &[
                "stagecraft",
                "stagecraft-env-staging",
                "stagecraft-project-blog",
            ],
        ),
    ];
    for (name, tags) in foreign {
        let droplet = ForeignDroplet::new(name, tags);
        lab.control().create_droplet(droplet).unwrap();
    }
    let nothing = lab.run(&PRUNE).await;
    let text = "Nothing to delete. The file declares every host.";
    assert!(nothing.expect_code(0).stdout.contains(text), "{nothing:?}");

    lab.edit("count: 2", "count: 1");
    let dry = lab.run(&["infra", "prune", "--dry-run"]).await;
    assert!(dry.expect_code(0).stdout.contains("1 host to delete"));
    assert_eq!(lab.names().len(), 5);
    let pruned = lab.run(&[&PRUNE[..], &["-o", "json"]].concat()).await;
    let lines = Contract::of(&lab).await.lines(pruned.expect_code(0));
    let result = lines.last().unwrap();
    assert_eq!(result["deleted"][0]["name"], "app-2");
    assert_eq!(result["leftovers"].as_array().unwrap().len(), 0);
    let left = ["staging-app-1", "staging-db-1", "staging-web", "web"];
    assert_eq!(lab.names(), left);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_half_of_an_environment_is_refused_without_a_second_flag() {
    let lab = Lab::api_only(quick()).await;
    lab.run(&UP).await.expect_code(0);
    lab.edit("          app: { role: app, count: 2 }\n", "");
    let plan = lab.run(&["infra", "plan", "--prune"]).await;
    let shown = &plan.expect_code(7).stdout;
    assert!(shown.contains("2 of the 3 hosts of staging"), "{shown}");
    assert!(shown.contains("--more-than-half"), "{shown}");
    let refused = lab.run(&[&PRUNE[..], &["-o", "json"]].concat()).await;
    let error = &refused.expect_code(7).result()["error"];
    assert_eq!(error["kind"], "guard");
    let message = "2 of the 3 hosts of staging would be deleted, which is more than half";
    assert_eq!(error["message"], message);
    assert_eq!(lab.names(), DECLARED);

    // One after the other is as many of the whole, not of what was selected.
    let one = [&PRUNE[..], &["--host", "app-2"]].concat();
    lab.run(&one).await.expect_code(0);
    let half = lab.run(&PRUNE).await;
    assert!(half.expect_code(0).stdout.contains("1 host gone"));
    assert_eq!(lab.names(), ["staging-db-1"]);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn second_flag_allows_more_than_half() {
    let lab = Lab::api_only(quick()).await;
    lab.run(&UP).await.expect_code(0);
    lab.edit("          app: { role: app, count: 2 }\n", "");
    let all = [&PRUNE[..], &["--more-than-half"]].concat();
    lab.run(&all).await.expect_code(0);
    assert_eq!(lab.names(), ["staging-db-1"]);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prune_needs_the_projects_name_and_that_of_the_environment() {
    let lab = Lab::api_only(quick()).await;
    lab.run(&UP).await.expect_code(0);
    lab.edit("count: 2", "count: 1");
    let other = lab.run(&["infra", "prune", "--confirm", "prod"]).await;
    assert!(other.expect_code(7).stderr.contains("is not the name"));
    let empty = lab.run(&["infra", "prune", "--confirm", ""]).await;
    let text = "the name of the environment `staging` was not typed";
    assert!(empty.expect_code(7).stderr.contains(text), "{empty:?}");
    let asked = lab.run(&["infra", "prune"]).await;
    assert!(asked.expect_code(7).stderr.contains("--confirm staging"));
    for command in [&["infra", "prune"][..], &["infra", "plan", "--prune"]] {
        let left = lab.run(&[command, &["--env", "gone"]].concat()).await;
        let cure = "stagecraft infra down --env gone";
        assert!(left.expect_code(1).stderr.contains(cure), "{left:?}");
    }
    lab.edit("project: { name: shop }\n", "");
    let nameless = lab.run(&PRUNE).await;
    assert!(nameless.expect_code(1).stderr.contains("project.name"));
    assert_eq!(lab.names(), DECLARED);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn undeclared_hosts_are_counted_with_their_cost_and_what_deletes_them() {
    let lab = Lab::api_only(quick()).await;
    lab.run(&UP).await.expect_code(0);
    let none = lab.run(&["infra", "hosts"]).await.stdout;
    assert!(!none.contains("not declared"), "{none}");
    lab.edit(
        "app: { role: app, count: 2 }",
        "app: { role: app, count: 1 }",
    );
    lab.edit("          db-1: { role: db, size: s-4vcpu-8gb }\n", "");
    let text = "2 hosts are not declared and cost $72.00 a month; `stagecraft infra prune --env staging` deletes them.";
    for command in [&["infra", "plan"][..], &UP, &["infra", "hosts"]] {
        let shown = lab.run(command).await;
        assert!(shown.expect_code(0).stdout.contains(text), "{shown:?}");
    }
    let hosts = lab.run(&["infra", "hosts", "-o", "json"]).await;
    let document: Value = serde_json::from_str(&hosts.stdout).expect("a document");
    assert_eq!(document["undeclared"], serde_json::json!(["app-2", "db-1"]));
    assert_eq!(document["undeclared_monthly"], 72_000_000);
    let plan = lab.run(&["infra", "plan", "-o", "json"]).await;
    let document: Value = serde_json::from_str(&plan.stdout).expect("a document");
    assert_eq!(document["plan"]["cost"]["undeclared_monthly"], 72_000_000);

    // Without the sizes there is no price, and the hosts are listed all the same.
    let sizes = Fault::status("GET", "/v2/sizes", 403);
    lab.control().add_fault(sizes);
    let hosts = lab.run(&["infra", "hosts"]).await;
    let text = "2 hosts are not declared; `stagecraft infra prune";
    assert!(hosts.expect_code(0).stdout.contains(text), "{hosts:?}");
    lab.shutdown().await;
}
