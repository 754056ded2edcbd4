//! What a plan shows people: each host once, with all that is done to it.

mod support;

use stagecraft_core::tags::PROTECT_TAG;
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

#[tokio::test(flavor = "multi_thread")]
async fn replace_of_a_protected_host_does_not_speak_of_no_changes() {
    let lab = Lab::api_only(quick()).await;
    let ending = "db-1: { role: db, ttl: 36h }";
    lab.edit(DB, ending);
    lab.run(&UP).await.expect_code(0);
    lab.edit(ending, "db-1: { role: db, protect: true }");
    lab.run(&UP).await.expect_code(0);
    let droplets = lab.droplets();
    let is_protected = |tags: &[String]| tags.iter().any(|tag| tag == PROTECT_TAG);
    assert!(droplets.iter().any(|own| is_protected(&own.tags)));
    let replace = [
        "infra",
        "replace",
        "db-1",
        "--confirm",
        "staging",
        "--no-bootstrap",
    ];
    let refused = lab.run(&replace).await;
    let shown = &refused.expect_code(7).stdout;
    assert!(!shown.contains("No changes"), "{shown}");
    assert!(shown.contains("1 host protected."), "{shown}");
    assert!(shown.contains("(protected, ends 2"), "{shown}");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resize_to_a_size_without_a_price_does_not_look_free() {
    let lab = Lab::api_only(quick()).await;
    lab.run(&UP).await.expect_code(0);
    lab.edit("s-4vcpu-8gb", "s-no-such-size");
    let shown = text(&lab, &[&PLAN[..], &["--resize"]].concat()).await;
    let own = rows(&shown, "db-1");
    assert!(own[0].contains("then of unknown price"), "{shown}");
    let sum = "Cost without the unknown price of s-no-such-size: $48.00 a month, ";
    assert!(shown.contains(sum), "{shown}");
    assert!(!shown.contains("(-$"), "{shown}");
    lab.shutdown().await;
}
