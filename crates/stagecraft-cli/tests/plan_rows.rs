//! What a plan shows people: each host once, with all that is done to it.

mod support;

use support::{Lab, quick};

const UP: [&str; 4] = ["infra", "up", "--yes", "--no-bootstrap"];
const PLAN: [&str; 2] = ["infra", "plan"];
const DB: &str = "db-1: { role: db, size: s-4vcpu-8gb }";

async fn text(lab: &Lab, arguments: &[&str]) -> String {
    lab.run(arguments).await.expect_code(0).stdout.clone()
}

/// The rows of a plan that name a host.
fn rows<'a>(text: &'a str, host: &str) -> Vec<&'a str> {
    let rows = text.lines().filter(|row| row.starts_with("  "));
    rows.filter(|row| row.split_whitespace().any(|word| word == host))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn new_host_is_shown_with_the_options_that_are_set() {
    let lab = Lab::api_only(quick()).await;
    let options = "ttl: 36h, backups: true, ipv6: true, tags: [web]";
    lab.edit(DB, &format!("db-1: {{ role: db, {options} }}"));
    let shown = text(&lab, &PLAN).await;
    let mut lines = shown.lines().skip_while(|line| !line.contains("+  db-1"));
    assert!(lines.next().is_some(), "{shown}");
    let note = "      ttl: 36h; backups; ipv6; tags: web";
    assert_eq!(lines.next(), Some(note), "{shown}");
    let app = shown.lines().skip_while(|line| !line.contains("+  app-1"));
    let next = app.skip(1).find(|line| !line.is_empty());
    assert!(next.is_some_and(|row| row.contains("+  app-2")), "{shown}");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn host_has_one_row_and_the_sum_tells_hosts_that_differ() {
    let lab = Lab::api_only(quick()).await;
    lab.run(&UP).await.expect_code(0);
    lab.edit(DB, "db-1: { role: db, size: s-4vcpu-8gb, tags: [web] }");
    lab.edit(
        "role: app, count: 2",
        "role: app, size: s-4vcpu-8gb, count: 3",
    );
    let shown = text(&lab, &PLAN).await;
    let own = rows(&shown, "db-1");
    assert_eq!(own.len(), 1, "{shown}");
    assert!(
        own[0].contains("~  db-1") && own[0].contains("+web"),
        "{shown}"
    );
    let sum = "1 host to create, 1 to tag, 2 not as declared. Cost";
    assert!(shown.contains(sum), "{shown}");
    lab.shutdown().await;
}
