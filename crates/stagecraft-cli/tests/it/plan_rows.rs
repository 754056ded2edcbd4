//! What a plan shows people: each host once, with all that is done to it.

use crate::support::{Lab, quick};
use stagecraft_core::tags::PROTECT_TAG;

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
    let row = "protected by the file and its tag; the plan is refused";
    assert!(shown.contains(row), "{shown}");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resize_to_a_size_without_a_price_does_not_look_free() {
    let lab = Lab::api_only(quick()).await;
    lab.run(&UP).await.expect_code(0);
    lab.edit("s-4vcpu-8gb", "s-no-such-size");
    let plan = lab.run(&[&PLAN[..], &["--resize"]].concat()).await;
    // It cannot be carried out either.
    let shown = &plan.expect_code(2).stdout;
    let own = rows(shown, "db-1");
    assert!(own[0].contains("then of unknown price"), "{shown}");
    let sum = "Cost without the unknown price of s-no-such-size: $48.00 a month, ";
    assert!(shown.contains(sum), "{shown}");
    assert!(!shown.contains("(-$"), "{shown}");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_image_is_shown_as_not_compared_with_the_way_to_get_it() {
    let lab = Lab::api_only(quick()).await;
    lab.run(&UP).await.expect_code(0);
    let none = lab.run(&PLAN).await.stdout;
    assert!(!none.contains("image:"), "{none}");
    lab.edit(
        "size: s-4vcpu-8gb",
        "size: s-4vcpu-8gb, image: debian-13-x64",
    );
    let detailed = [&PLAN[..], &["--detailed-exitcode"]].concat();
    let plan = lab.run(&detailed).await;
    // It is no difference: nothing is to be done about it.
    let text = &plan.expect_code(0).stdout;
    let row = "image: made from ubuntu-22-04-x64, declared debian-13-x64 (not compared; `stagecraft infra replace db-1 --env staging` makes it from that)";
    assert!(text.contains(row), "{text}");
    assert!(text.contains("No changes in the cloud. 3 hosts."), "{text}");
    let plan = lab.run(&[&PLAN[..], &["-o", "json"]].concat()).await;
    let document: serde_json::Value = serde_json::from_str(&plan.stdout).expect("a document");
    let other = &document["plan"]["other_image"][0];
    assert_eq!(other["name"], "db-1");
    assert_eq!(other["declared"], "debian-13-x64");
    assert_eq!(other["actual"], "ubuntu-22-04-x64");
    lab.run(&UP).await.expect_code(0);
    let replace = [
        "infra",
        "replace",
        "db-1",
        "--confirm",
        "staging",
        "--no-bootstrap",
    ];
    lab.run(&replace).await.expect_code(0);
    let text = lab.run(&PLAN).await.stdout;
    assert!(!text.contains("image:"), "{text}");
    lab.shutdown().await;
}
