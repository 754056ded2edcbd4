//! `infra adopt`: hosts that were made by other means become ours, by name and on confirmation.

use crate::support::contract::Contract;
use crate::support::{Lab, quick};
use serde_json::Value;
use stagecraft_sandbox::ForeignDroplet;

const ADOPT: [&str; 6] = ["infra", "adopt", "--confirm", "staging", "-o", "json"];

fn foreign(lab: &Lab, name: &str, tags: &[&str]) -> u64 {
    let mut droplet = ForeignDroplet::new(name, tags);
    "s-2vcpu-4gb".clone_into(&mut droplet.size);
    lab.control().create_droplet(droplet).expect("a droplet")
}

fn tags_of(lab: &Lab, id: u64) -> Vec<String> {
    let droplets = lab.droplets().into_iter();
    let mut found = droplets.filter(|droplet| droplet.id == id);
    found.next().expect("the droplet").tags
}

async fn adopt(lab: &Lab, hosts: &[&str], code: i32) -> Value {
    let adopted = lab.run(&[&ADOPT[..], hosts].concat()).await;
    let lines = Contract::of(lab).await.lines(adopted.expect_code(code));
    lines.last().expect("a result").clone()
}

/// Writes, but for those of the lease.
fn writes(lab: &Lab) -> usize {
    let requests = lab.control().requests();
    let written = requests
        .iter()
        .filter(|request| request.method != "GET" && !request.target.contains("/firewalls"));
    written.count()
}

#[tokio::test(flavor = "multi_thread")]
async fn adopted_host_bears_the_fleets_tags_and_is_worked_on_from_then_on() {
    let lab = Lab::api_only(quick()).await;
    let id = foreign(&lab, "staging-app-1", &["web"]);
    let dry = ["infra", "adopt", "app-1", "--dry-run"];
    let shown = lab.run(&dry).await.expect_code(0).stdout.clone();
    assert!(shown.contains("+stagecraft-role-app"), "{shown}");
    assert_eq!(tags_of(&lab, id), ["web"], "a dry run adopts nothing");
    let asked = lab.run(&["infra", "adopt", "app-1"]).await;
    assert!(asked.expect_code(7).stderr.contains("--confirm staging"));

    let result = adopt(&lab, &["app-1"], 0).await;
    assert_eq!(result["retagged"][0]["name"], "app-1");
    let mut tags = tags_of(&lab, id);
    tags.sort();
    let expected = [
        "stagecraft",
        "stagecraft-env-staging",
        "stagecraft-project-shop",
        "stagecraft-role-app",
        "web",
    ];
    assert_eq!(tags, expected);

    let again = adopt(&lab, &["app-1"], 0).await;
    assert_eq!(again["retagged"].as_array().expect("a list").len(), 0);
    let told = lab
        .run(&["infra", "adopt", "app-1", "--confirm", "staging"])
        .await;
    assert!(told.expect_code(0).stdout.contains("is yours already"));
    let plan = lab.run(&["infra", "plan", "-o", "json"]).await;
    let plan: Value = serde_json::from_str(&plan.expect_code(0).stdout).expect("JSON");
    assert_eq!(plan["plan"]["unchanged"][0]["id"], id.to_string());
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn host_that_cannot_be_adopted_is_told_with_the_reason() {
    let lab = Lab::api_only(quick()).await;
    foreign(&lab, "staging-app-1", &["stagecraft-project-blog"]);
    foreign(&lab, "staging-db-1", &[]);
    foreign(&lab, "staging-db-1", &[]);
    foreign(&lab, "staging-old", &[]);
    let cases = [
        ("app-1", "belongs to project `blog`"),
        ("app-2", "there is no host `staging-app-2` in the cloud"),
        ("db-1", "2 hosts are named `staging-db-1`"),
        ("old", "the file does not declare it"),
    ];
    for (host, reason) in cases {
        let result = adopt(&lab, &[host], 7).await;
        let message = result["error"]["message"].as_str().expect("a message");
        assert!(message.contains(reason), "{message}");
    }
    let typo = adopt(&lab, &["app-3"], 1).await;
    let message = typo["error"]["message"].as_str().expect("a message");
    assert!(message.ends_with("known: app-1, app-2, db-1"), "{message}");
    lab.run(&["infra", "adopt"]).await.expect_code(1);
    assert_eq!(writes(&lab), 0);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_that_can_be_adopted_are_and_the_rest_is_told() {
    let lab = Lab::api_only(quick()).await;
    foreign(&lab, "staging-app-1", &[]);
    let result = adopt(&lab, &["app-1", "app-2"], 10).await;
    assert_eq!(result["outcome"], "partial");
    assert_eq!(result["retagged"][0]["name"], "app-1");
    assert_eq!(result["refused"][0]["host"], "app-2");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn adopted_hosts_count_for_the_limits_and_in_the_cost() {
    let lab = Lab::api_only(quick()).await;
    let id = foreign(&lab, "staging-app-1", &["web"]);
    let dry = ["infra", "adopt", "app-1", "--dry-run"];
    let shown = lab.run(&dry).await.expect_code(0).stdout.clone();
    assert!(shown.contains("$24.00 a month (+$24.00)"), "{shown}");
    for (limit, told) in [
        ("max_hosts: 0", "staging would have 1 hosts, and has 0 now"),
        ("max_monthly: 23.99", "staging would cost $24.00 a month"),
    ] {
        lab.edit("project:", &format!("limits: {{ {limit} }}\nproject:"));
        let refused = adopt(&lab, &["app-1"], 7).await;
        let message = refused["error"]["message"].as_str().expect("a message");
        assert!(message.contains(told), "{message}");
        lab.edit(&format!("limits: {{ {limit} }}\n"), "");
    }
    assert_eq!(tags_of(&lab, id), ["web"]);
    lab.edit(
        "project:",
        "limits: { max_hosts: 1, max_monthly: 24 }\nproject:",
    );
    adopt(&lab, &["app-1"], 0).await;
    lab.shutdown().await;
}
