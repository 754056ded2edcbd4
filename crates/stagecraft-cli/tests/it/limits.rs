//! Guards of the user's own: the expected account, and what an environment may have at most.

use crate::support::contract::Contract;
use crate::support::{DECLARED, Lab, quick};
use serde_json::Value;

const UP: [&str; 6] = ["infra", "up", "--yes", "--no-bootstrap", "-o", "json"];

/// The configuration with these limits; `app` costs $24 a month, `db` $48.
async fn limited(limits: &str) -> Lab {
    let lab = Lab::api_only(quick()).await;
    lab.edit(
        "project: { name: shop }",
        &format!("project: {{ name: shop }}\nlimits: {limits}"),
    );
    lab
}

async fn refused(lab: &Lab, arguments: &[&str]) -> Value {
    let refused = lab.run(arguments).await;
    let lines = Contract::of(lab).await.lines(refused.expect_code(7));
    let error = lines.last().expect("a result")["error"].clone();
    assert_eq!(error["kind"], "guard", "{error}");
    error
}

/// Writes, but for those of the lease.
fn writes(lab: &Lab) -> usize {
    let requests = lab.control().requests();
    let is_write = |target: &str| !target.contains("/firewalls");
    requests
        .iter()
        .filter(|request| request.method != "GET" && is_write(&request.target))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_beyond_max_hosts_is_shown_and_refused_before_any_write() {
    let lab = limited("{ max_hosts: 2 }").await;
    let message = "limits.max_hosts is 2; staging would have 3 hosts, and has 0 now";
    let plan = lab.run(&["infra", "plan", "-o", "json"]).await;
    let document: Value = serde_json::from_str(&plan.expect_code(7).stdout).unwrap();
    assert_eq!(document["findings"][0]["message"], message);
    assert_eq!(document["findings"][0]["is_guard"], true);
    assert_eq!(document["refused"], true);
    assert_eq!(refused(&lab, &UP).await["message"], message);
    assert_eq!(writes(&lab), 0);

    let two = [&UP[..], &["--role", "app"]].concat();
    lab.run(&two).await.expect_code(0);
    let third = [&UP[..], &["--host", "db-1"]].concat();
    let message = "limits.max_hosts is 2; staging would have 3 hosts, and has 2 now";
    assert_eq!(refused(&lab, &third).await["message"], message);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_beyond_max_monthly_is_refused_and_one_that_costs_as_much_is_not() {
    let lab = limited("{ max_monthly: 95.99 }").await;
    let message =
        "limits.max_monthly is $95.99; staging would cost $96.00 a month, and costs $0.00 now";
    assert_eq!(refused(&lab, &UP).await["message"], message);
    assert_eq!(writes(&lab), 0);
    lab.edit("95.99", "96");
    lab.run(&UP).await.expect_code(0);
    assert_eq!(lab.names(), DECLARED);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_are_counted_in_costs_and_limits_at_their_public_price() {
    // `db` costs $48, and 30 % of that for daily backups.
    let lab = limited("{ max_monthly: 110.39 }").await;
    lab.edit("size: s-4vcpu-8gb", "size: s-4vcpu-8gb, backups: true");
    let plan = lab.run(&["infra", "plan"]).await;
    let text = &plan.expect_code(7).stdout;
    let cost = "Cost: $110.40 a month (+$110.40, $14.40 of it for backups)";
    assert!(text.contains(cost), "{text}");
    let told =
        "limits.max_monthly is $110.39; staging would cost $110.40 a month, and costs $0.00 now";
    assert_eq!(refused(&lab, &UP).await["message"], told);
    assert_eq!(writes(&lab), 0);

    lab.edit("110.39", "110.40");
    lab.run(&UP).await.expect_code(0);
    let plan = lab.run(&["infra", "plan", "-o", "json"]).await;
    let document: Value = serde_json::from_str(&plan.expect_code(0).stdout).unwrap();
    let db = &document["plan"]["unchanged"][2];
    assert_eq!(db["name"], "db-1");
    assert_eq!(db["monthly"], 62_400_000);
    assert_eq!(db["backups_monthly"], 14_400_000);
    assert_eq!(document["plan"]["cost"]["monthly_after"], 110_400_000);

    // What exists counts with its backups when something is added beside it.
    lab.edit("count: 2", "count: 3");
    let told =
        "limits.max_monthly is $110.40; staging would cost $134.40 a month, and costs $110.40 now";
    assert_eq!(refused(&lab, &UP).await["message"], told);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn environment_that_is_over_its_limits_is_left_alone_and_may_shrink() {
    let lab = limited("{ max_hosts: 3, max_monthly: 96 }").await;
    lab.run(&UP).await.expect_code(0);
    lab.edit(
        "{ max_hosts: 3, max_monthly: 96 }",
        "{ max_hosts: 1, max_monthly: 1 }",
    );
    lab.run(&UP).await.expect_code(0);
    lab.edit("count: 2", "count: 1");
    lab.run(&UP).await.expect_code(0);
    let prune = ["infra", "prune", "--confirm", "staging"];
    lab.run(&prune).await.expect_code(0);
    assert_eq!(lab.names(), ["staging-app-1", "staging-db-1"]);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_account_is_refused_by_everything_that_plans_or_writes() {
    let lab = Lab::api_only(quick()).await;
    let plan = lab.run(&["infra", "plan", "-o", "json"]).await;
    let document: Value = serde_json::from_str(&plan.expect_code(0).stdout).unwrap();
    let account = &document["plan"]["account"];
    let (id, name) = (account["id"].as_str(), account["name"].as_str());
    lab.edit(
        "  provider: digitalocean\n",
        "  provider: digitalocean\n  expect_account: other@example.com\n",
    );
    lab.control().clear_requests();
    let confirm = ["--confirm", "staging"];
    let commands: [&[&str]; 9] = [
        &["plan"],
        &["plan", "--destroy"],
        &["up", "--yes"],
        &["down", confirm[0], confirm[1]],
        &["prune", confirm[0], confirm[1]],
        &["reap", confirm[0], confirm[1]],
        &["replace", "app-1", confirm[0], confirm[1]],
        &["adopt", "app-1", confirm[0], confirm[1]],
        &["unlock", confirm[0], confirm[1]],
    ];
    for command in commands {
        let arguments = [&["infra", "-o", "json"], command].concat();
        let error = refused(&lab, &arguments).await;
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("other@example.com"), "{message}");
        assert!(message.contains(name.unwrap()), "{message}");
    }
    let requests = lab.control().requests();
    let written = requests.iter().filter(|request| request.method != "GET");
    assert_eq!(written.count(), 0, "not even a lease");

    for right in [name.unwrap().to_uppercase().as_str(), id.unwrap()] {
        lab.edit("other@example.com", right);
        lab.run(&["infra", "plan"]).await.expect_code(0);
        lab.edit(right, "other@example.com");
    }
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_names_account_and_endpoint() {
    let lab = Lab::api_only(quick()).await;
    let plan = lab.run(&["infra", "plan"]).await;
    let head = plan
        .expect_code(0)
        .stdout
        .lines()
        .nth(1)
        .unwrap()
        .to_owned();
    let json = lab.run(&["infra", "plan", "-o", "json"]).await;
    let document: Value = serde_json::from_str(&json.stdout).unwrap();
    let account = &document["plan"]["account"];
    assert!(head.contains(account["name"].as_str().unwrap()), "{head}");
    assert!(
        head.ends_with(&lab.variables["DIGITALOCEAN_API_URL"]),
        "{head}"
    );
    if let Some(team) = account["team"].as_str() {
        assert!(head.contains(&format!("(team {team})")), "{head}");
    }
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn file_that_declares_more_hosts_than_max_hosts_is_not_valid() {
    let lab = limited("{ max_hosts: 2 }").await;
    let validate = ["config", "validate"];
    let wrong = lab.run(&validate).await;
    let stderr = &wrong.expect_code(1).stderr;
    let message = "limits: max_hosts is 2, but staging declares 3 hosts";
    assert!(stderr.contains(message), "{stderr}");
    assert!(stderr.contains("stagecraft.yml:2:"), "{stderr}");
    lab.edit("max_hosts: 2", "max_hosts: 3");
    lab.run(&validate).await.expect_code(0);
    lab.shutdown().await;
}
