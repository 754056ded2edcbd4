//! `infra up --resize`: hosts get the declared size on purpose only, and the prompt tells what
//! it means.

use crate::support::contract::Contract;
use crate::support::{Lab, quick, until};
use serde_json::Value;

const UP: [&str; 4] = ["infra", "up", "--yes", "--no-bootstrap"];

fn size_of(lab: &Lab, name: &str) -> String {
    let droplets = lab.droplets().into_iter();
    let mut found = droplets.filter(|droplet| droplet.name == name);
    let droplet = found.next().expect("the droplet");
    assert!(!droplet.powered_off, "{name} runs");
    droplet.size
}

async fn larger() -> Lab {
    let lab = Lab::api_only(quick()).await;
    lab.run(&UP).await.expect_code(0);
    lab.edit("size: s-4vcpu-8gb", "size: s-8vcpu-16gb");
    lab
}

#[tokio::test(flavor = "multi_thread")]
async fn host_of_another_size_is_refused_with_the_cure_and_resized_on_demand() {
    let lab = larger().await;
    let refused = lab.run(&UP).await;
    let stderr = &refused.expect_code(7).stderr;
    assert!(stderr.contains("resize them by --resize"), "{stderr}");
    assert_eq!(size_of(&lab, "staging-db-1"), "s-4vcpu-8gb");

    let plan = lab.run(&["infra", "plan", "--resize", "-o", "json"]).await;
    let plan: Value = serde_json::from_str(&plan.expect_code(0).stdout).expect("JSON");
    assert_eq!(plan["plan"]["resize"][0]["to"], "s-8vcpu-16gb");
    assert_eq!(plan["plan"]["resize"][0]["grow_disk"], false);
    let resize = [&UP[..], &["--resize", "-o", "json"]].concat();
    let resized = lab.run(&resize).await;
    let lines = Contract::of(&lab).await.lines(resized.expect_code(0));
    let result = lines.last().expect("a result");
    assert_eq!(result["resized"][0]["name"], "db-1");
    assert_eq!(size_of(&lab, "staging-db-1"), "s-8vcpu-16gb");
    lab.run(&UP).await.expect_code(0);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resize_is_asked_for_and_bound_by_the_limits() {
    let lab = larger().await;
    let asked = ["infra", "up", "--no-bootstrap", "--resize"];
    let nobody = lab.run(&asked).await;
    assert!(nobody.expect_code(7).stderr.contains("to resize hosts"));
    lab.edit("project:", "limits: { max_monthly: 100 }\nproject:");
    let limited = lab.run(&[&UP[..], &["--resize"]].concat()).await;
    assert!(limited.expect_code(7).stderr.contains("limits.max_monthly"));
    let alone = lab.run(&[&UP[..], &["--grow-disk"]].concat()).await;
    assert!(alone.expect_code(1).stderr.contains("--resize"));
    assert_eq!(size_of(&lab, "staging-db-1"), "s-4vcpu-8gb");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn saved_plan_resizes_and_grows_the_disk_as_it_says() {
    let lab = larger().await;
    let save = [
        "infra",
        "plan",
        "--resize",
        "--grow-disk",
        "--out",
        "db.plan",
    ];
    let shown = lab.run(&save).await;
    assert!(shown.expect_code(0).stdout.contains("disk grows for good"));
    let up = ["infra", "up", "--plan", "db.plan", "--no-bootstrap"];
    lab.run(&up).await.expect_code(0);
    assert_eq!(size_of(&lab, "staging-db-1"), "s-8vcpu-16gb");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn host_in_another_region_is_refused_with_replace_as_the_cure() {
    let lab = Lab::api_only(quick()).await;
    lab.run(&UP).await.expect_code(0);
    lab.edit("size: s-4vcpu-8gb", "size: s-4vcpu-8gb, region: fra1");
    let refused = lab.run(&[&UP[..], &["--resize"]].concat()).await;
    let stderr = &refused.expect_code(7).stderr;
    assert!(
        stderr.contains("stagecraft infra replace db-1 --env staging"),
        "{stderr}"
    );
    assert!(!stderr.contains("by --resize"), "{stderr}");
    lab.run(&[&UP[..], &["--allow-differ"]].concat())
        .await
        .expect_code(0);
    lab.shutdown().await;
}

/// Leaves the host off and of its old size: killed while it shuts down.
async fn killed_in_the_shutdown(lab: &Lab) {
    let up = [&UP[..], &["--resize", "-o", "json"]].concat();
    let is_shutdown = |line: &Value| {
        let what = line["what"].as_str().unwrap_or_default();
        line["event"] == "waiting" && what.contains("shut down")
    };
    let killed = lab.kill_at(&up, is_shutdown).await;
    assert!(killed.is_some(), "it was never shut down");
    until("the droplet to be off", async || db(lab).powered_off).await;
    assert_eq!(db(lab).size, "s-4vcpu-8gb");
}

fn db(lab: &Lab) -> stagecraft_sandbox::DropletView {
    let mut all = lab.droplets().into_iter();
    let found = all.find(|droplet| droplet.name == "staging-db-1");
    found.expect("the droplet")
}

#[tokio::test(flavor = "multi_thread")]
async fn host_that_a_killed_resize_left_off_is_powered_on_by_a_refused_up() {
    let lab = larger().await;
    killed_in_the_shutdown(&lab).await;
    // Nobody said yes.
    let asked = lab.run(&["infra", "up", "--no-bootstrap"]).await;
    asked.expect_code(7);
    assert!(db(&lab).powered_off);
    let refused = lab.run(&UP).await;
    let stderr = &refused.expect_code(7).stderr;
    assert!(stderr.contains("not as declared: db-1"), "{stderr}");
    assert_eq!(size_of(&lab, "staging-db-1"), "s-4vcpu-8gb");
    assert!(!db(&lab).tags.contains(&"stagecraft-resizing".to_owned()));
    lab.run(&[&UP[..], &["--resize"]].concat())
        .await
        .expect_code(0);
    assert_eq!(size_of(&lab, "staging-db-1"), "s-8vcpu-16gb");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn host_that_a_killed_resize_left_off_is_powered_on_although_a_limit_is_exceeded() {
    let lab = larger().await;
    killed_in_the_shutdown(&lab).await;
    lab.edit("project:", "limits: { max_monthly: 100 }\nproject:");
    let limited = lab.run(&[&UP[..], &["--resize"]].concat()).await;
    assert!(limited.expect_code(7).stderr.contains("limits.max_monthly"));
    assert_eq!(size_of(&lab, "staging-db-1"), "s-4vcpu-8gb");
    lab.shutdown().await;
}
