//! Hosts that exist are changed only after somebody has seen what would change, and agreed.

use crate::support::terminal::Terminal;
use crate::support::{DECLARED, Finished, Lab, quick};
use serde_json::Value;
use stagecraft_sandbox::SshFault;

const ONLY_CREATE: [&str; 4] = ["infra", "up", "--yes", "--no-bootstrap"];
const UP: [&str; 2] = ["infra", "up"];
const BOOTSTRAP: [&str; 2] = ["infra", "bootstrap"];
const FILE: &str = "staging.plan";
const UP_SAVED: [&str; 4] = ["infra", "up", "--plan", FILE];

/// Hosts that exist, and on which nothing was done yet.
async fn bare() -> Lab {
    let lab = Lab::with_hosts(quick()).await;
    lab.run(&ONLY_CREATE).await.expect_code(0);
    lab
}

async fn has_docker(lab: &Lab, host: &str) -> bool {
    let look = "command -v docker >/dev/null && echo yes || echo no";
    let found = lab.control().run(host, look).await;
    found.expect("a host").trim() == "yes"
}

async fn assert_untouched(lab: &Lab) {
    for host in DECLARED {
        assert!(!has_docker(lab, host).await, "{host} was changed");
    }
}

/// How often each host was connected to.
fn connections(finished: &Finished) -> Vec<String> {
    let lines = finished.lines();
    let connected = lines
        .iter()
        .filter(|line| line["event"] == "host_connected");
    let mut hosts: Vec<String> = connected
        .map(|line| line["host"].as_str().expect("a name").to_owned())
        .collect();
    hosts.sort();
    hosts
}

fn statuses(result: &Value) -> Vec<&str> {
    let hosts = result["hosts"].as_array().expect("hosts").iter();
    let steps = hosts.flat_map(|host| host["steps"].as_array().expect("steps"));
    steps.filter_map(|step| step["status"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_existing_hosts_are_changed_with_yes_only() {
    let lab = bare().await;
    for verb in [UP, BOOTSTRAP] {
        let refused = lab.run(&verb).await;
        refused.expect_code(7);
        let (told, shown) = (&refused.stderr, &refused.stdout);
        assert!(
            told.contains("no terminal on which to confirm to change existing hosts"),
            "{told}"
        );
        assert!(told.contains("add --yes"), "{told}");
        assert!(
            shown.contains("docker: will change: install the latest docker"),
            "{shown}"
        );
        assert!(
            shown.contains("3 hosts will change, 0 as wanted."),
            "{shown}"
        );
        let json = lab.run(&[&verb[..], &["-o", "json"]].concat()).await;
        assert_eq!(json.expect_code(7).result()["error"]["kind"], "guard");
        assert_untouched(&lab).await;
    }
    lab.run(&["infra", "up", "--yes"]).await.expect_code(0);
    assert!(has_docker(&lab, DECLARED[0]).await);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn run_with_nothing_to_do_needs_no_answer_and_connects_once_to_each_host() {
    let lab = bare().await;
    lab.run(&["infra", "up", "--yes"]).await.expect_code(0);
    for verb in [UP, BOOTSTRAP] {
        let json = ["-o", "json"];
        let asking = lab.run(&[&verb[..], &json].concat()).await;
        let result = asking.expect_code(0).result();
        assert!(
            statuses(&result).iter().all(|own| *own == "unchanged"),
            "{result}"
        );
        assert_eq!(connections(&asking), ["app-1", "app-2", "db-1"]);
        let at_once = lab.run(&[&verb[..], &["--yes"], &json].concat()).await;
        assert_eq!(connections(&at_once), connections(&asking));
        let text = lab.run(&verb).await;
        text.expect_code(0);
    }
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_terminal_one_question_shows_what_changes_in_the_cloud_and_on_hosts() {
    let lab = Lab::with_hosts(quick()).await;
    let one = ["infra", "up", "--yes", "--no-bootstrap", "--host", "db-1"];
    lab.run(&one).await.expect_code(0);
    let db = "staging-db-1";

    let mut terminal = Terminal::run(&lab, &UP, "exit $code");
    terminal.wait_for("[y/N]").await;
    assert!(!has_docker(&lab, db).await, "the question comes first");
    terminal.types("n\n").await;
    let (code, shown) = terminal.end().await;
    assert_eq!(code, Some(7), "{shown}");
    assert!(
        shown.contains("Create 2 hosts, change 1 existing host in account"),
        "{shown}"
    );
    assert_eq!(shown.matches("[y/N]").count(), 1, "{shown}");
    assert!(shown.contains("install the latest docker"), "{shown}");
    assert!(shown.contains("nothing was done"), "{shown}");
    assert!(!has_docker(&lab, db).await);
    assert_eq!(lab.names(), [db]);

    let mut terminal = Terminal::run(&lab, &UP, "exit $code");
    terminal.wait_for("[y/N]").await;
    terminal.types("y\n").await;
    let (code, shown) = terminal.end().await;
    assert_eq!(code, Some(0), "{shown}");
    assert!(has_docker(&lab, db).await);
    assert_eq!(lab.names(), DECLARED);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_saved_without_hosts_approves_no_change_on_them() {
    let lab = bare().await;
    lab.run(&["infra", "plan", "--out", FILE])
        .await
        .expect_code(0);
    for more in [&[][..], &["--yes"], &["--dry-run"]] {
        let refused = lab.run(&[&UP_SAVED, more].concat()).await;
        let told = &refused.expect_code(7).stderr;
        assert!(told.contains("saved without --hosts"), "{told}");
        assert!(told.contains("app-1, app-2, db-1"), "{told}");
        assert!(
            told.contains("`db-1`: docker: install the latest docker"),
            "{told}"
        );
        assert_untouched(&lab).await;
    }
    lab.run(&["infra", "up", "--yes"]).await.expect_code(0);
    // Host keys were rotated, which are tags: it is another plan now.
    lab.run(&["infra", "plan", "--out", FILE])
        .await
        .expect_code(0);
    lab.run(&UP_SAVED).await.expect_code(0);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_saved_with_hosts_approves_exactly_the_changes_that_it_shows() {
    let lab = bare().await;
    let save = ["infra", "plan", "--hosts", "--out", FILE];
    let saved = lab.run(&save).await;
    assert!(
        saved.expect_code(0).stdout.contains("3 hosts will change"),
        "{saved:?}"
    );

    // The file declares more than was reviewed.
    let bootstrap = "docker: { version: latest, install_method: apt }";
    lab.edit(
        bootstrap,
        &format!("{bootstrap}\n    timezone: Europe/Berlin"),
    );
    let stale = lab.run(&UP_SAVED).await;
    let told = &stale.expect_code(6).stderr;
    assert!(
        told.contains("other changes are needed now on app-1, app-2, db-1"),
        "{told}"
    );
    assert!(told.contains("`app-1`: timezone: "), "{told}");
    assert!(
        !told.contains("`app-1`: docker"),
        "what was approved is no difference: {told}"
    );
    assert_untouched(&lab).await;

    lab.edit("\n    timezone: Europe/Berlin", "");
    let done = lab.run(&[&UP_SAVED[..], &["-o", "json"]].concat()).await;
    let result = done.expect_code(0).result();
    assert!(statuses(&result).contains(&"changed"), "{result}");
    assert!(has_docker(&lab, DECLARED[2]).await);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn host_that_cannot_be_read_is_a_failure_and_no_question() {
    let lab = bare().await;
    lab.run(&["infra", "up", "--yes"]).await.expect_code(0);
    let machines = lab.hosts.as_ref().unwrap();
    machines
        .set_ssh_fault("staging-db-1", SshFault::Refuse)
        .await;
    let partial = lab.run(&[&UP[..], &["-o", "json"]].concat()).await;
    let result = partial.expect_code(10).result();
    assert_eq!(result["hosts"][2]["failure"]["code"], "ssh_failed");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_says_whether_hosts_were_read_and_counts_their_changes() {
    let lab = bare().await;
    let plan = lab.run(&["infra", "plan"]).await;
    let shown = &plan.expect_code(0).stdout;
    assert!(
        shown.contains("No changes in the cloud. 3 hosts. The 3 existing hosts were not read: --hosts shows what would change on them."),
        "{shown}"
    );
    let plan = lab.run(&["infra", "plan", "--hosts"]).await;
    let shown = &plan.expect_code(0).stdout;
    let summary = "No changes in the cloud. 3 hosts. 3 hosts will change, 0 as wanted.\n";
    assert!(shown.ends_with(summary), "{shown}");
    lab.run(&["infra", "up", "--yes"]).await.expect_code(0);
    let plan = lab.run(&["infra", "plan", "--hosts"]).await;
    let shown = &plan.expect_code(0).stdout;
    assert!(
        shown.ends_with("0 hosts will change, 3 as wanted.\n"),
        "{shown}"
    );
    lab.shutdown().await;
}
