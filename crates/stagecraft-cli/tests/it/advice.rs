//! Advice fits the error: nobody is sent to run again what fails alike every time.

use crate::support::{Lab, quick};
use serde_json::Value;
use stagecraft_core::HostKey;
use stagecraft_sandbox::FailTimes;

const ONLY_CREATE: [&str; 4] = ["infra", "up", "--yes", "--no-bootstrap"];
const ONE: [&str; 5] = ["infra", "bootstrap", "--yes", "--host", "db-1"];
const AGAIN: &str = "Run the command again to finish the rest.";
const CHANGE: &str = "To run the command again does not help before that is changed.";

async fn bare() -> Lab {
    let lab = Lab::with_hosts(quick()).await;
    lab.run(&ONLY_CREATE).await.expect_code(0);
    lab
}

/// The text of a failed run on one host, and the advice of the failure for programs.
async fn told(lab: &Lab, code: &str) -> (String, String) {
    let text = lab.run(&ONE).await;
    let text = text.expect_code(3).stdout.clone();
    let result = lab.run(&[&ONE[..], &["-o", "json"]].concat()).await;
    let result = result.expect_code(3).result();
    let host = &result["hosts"][0];
    let steps = host["steps"].as_array().expect("steps").iter();
    let failed: Vec<&Value> = steps.filter(|step| step["status"] == "failed").collect();
    let failure = failed.first().copied().unwrap_or(&host["failure"]);
    assert_eq!(failure["code"], code, "{result}");
    let advice = failure["advice"].as_str().expect("advice").to_owned();
    (text, advice)
}

fn assert_change_first((text, advice): &(String, String)) {
    assert_eq!(advice, "change_first", "{text}");
    assert!(text.contains(CHANGE) && !text.contains(AGAIN), "{text}");
    let next = "After that: stagecraft infra bootstrap --env staging --host db-1\n";
    assert!(text.ends_with(next), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn time_zone_that_does_not_exist_is_to_be_changed_first() {
    let lab = bare().await;
    let docker = "docker: { version: latest, install_method: apt }";
    lab.edit(docker, &format!("{docker}\n    timezone: Mars/Base"));
    let told_of_zone = told(&lab, "system_change_failed").await;
    assert!(
        told_of_zone.0.contains("no time zone Mars/Base"),
        "{told_of_zone:?}"
    );
    assert_change_first(&told_of_zone);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn version_that_is_not_offered_is_to_be_changed_first() {
    let lab = bare().await;
    lab.edit("version: latest", "version: 99.9.9");
    let told = told(&lab, "docker_install_failed").await;
    assert!(told.0.contains("there is no version 99.9.9"), "{told:?}");
    assert_change_first(&told);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_login_is_to_be_changed_first() {
    let mut lab = bare().await;
    let wrong = lab.directory.path().join("another-key");
    crate::support::write_private(&wrong, &HostKey::generate().expect("a key"));
    let wrong = wrong.display().to_string();
    lab.variables.insert("STAGECRAFT_SSH_KEY".to_owned(), wrong);
    let told = told(&lab, "ssh_failed").await;
    assert_change_first(&told);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mirror_that_fails_may_work_the_next_time() {
    let lab = bare().await;
    lab.control()
        .fail_program("staging-db-1", "apt-get", FailTimes::Always, "E: no mirror")
        .await
        .unwrap();
    let (text, advice) = told(&lab, "docker_install_failed").await;
    assert_eq!(advice, "run_again");
    assert!(text.contains(AGAIN) && !text.contains(CHANGE), "{text}");
    let next = "Next: stagecraft infra bootstrap --env staging --host db-1\n";
    assert!(text.ends_with(next), "{text}");
    lab.shutdown().await;
}
