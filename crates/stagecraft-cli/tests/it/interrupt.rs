//! Ctrl-C while a step runs on a host: the first lets it end, the second does not wait for it,
//! and the host is whole after the next run either way.

use crate::support::running::Running;
use crate::support::{Lab, quick, until};

const HOST: &str = "staging-db-1";
const BOOTSTRAP: [&str; 7] = [
    "infra",
    "bootstrap",
    "--yes",
    "--host",
    "db-1",
    "-o",
    "json",
];

/// From now on `apt-get` stands still in the middle of an installation, as long as a file is
/// there, and tells its process.
const SLOW: &str = "\
set -e
touch /run/hold
mv /usr/local/sbin/apt-get /usr/local/lib/sandbox/apt-get.real
cat >/usr/local/sbin/apt-get <<'END'
#!/bin/sh
case \"$*\" in *install*) ;; *) exec /usr/local/lib/sandbox/apt-get.real \"$@\" ;; esac
echo $$ >/run/inside
while [ -e /run/hold ]; do sleep 0.05; done
exec /usr/local/lib/sandbox/apt-get.real \"$@\"
END
chmod 755 /usr/local/sbin/apt-get";

/// A host on which `apt-get` stands still, and a run that is in the middle of it.
async fn in_the_middle_of_apt() -> (Lab, Running) {
    let lab = Lab::with_hosts(quick()).await;
    let only_db = ["infra", "up", "--yes", "--no-bootstrap", "--host", "db-1"];
    lab.run(&only_db).await.expect_code(0);
    lab.control().run(HOST, SLOW).await.expect("a slow host");
    let run = Running::start(&lab, &BOOTSTRAP);
    until("the installation to begin", async || {
        let inside = lab.control().run(HOST, "kill -0 $(cat /run/inside)");
        inside.await.is_ok()
    })
    .await;
    (lab, run)
}

async fn release(lab: &Lab) {
    lab.control()
        .run(HOST, "rm /run/hold")
        .await
        .expect("a host");
}

async fn assert_next_run_changes_nothing(lab: &Lab) {
    let result = lab.run(&BOOTSTRAP).await.expect_code(0).result();
    for step in result["hosts"][0]["steps"].as_array().expect("steps") {
        assert_eq!(step["status"], "unchanged", "{result}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn first_ctrl_c_tells_that_the_running_step_ends_first_and_begins_no_other() {
    let (lab, mut run) = in_the_middle_of_apt().await;
    run.signal("-INT").await;
    run.waits_for("step `docker` to end").await;
    release(&lab).await;
    let last = run.finish().await.expect_code(130).result();
    assert_eq!(last["outcome"], "interrupted");
    let steps = last["hosts"][0]["steps"].as_array().expect("steps");
    let status = |id: &str| {
        let step = steps.iter().find(|step| step["step"] == id);
        step.map(|step| step["status"].clone()).unwrap_or_default()
    };
    assert_eq!(status("docker"), "changed", "{last}");
    assert_eq!(status("network"), "skipped", "{last}");
    lab.run(&BOOTSTRAP).await.expect_code(0);
    assert_next_run_changes_nothing(&lab).await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn second_ctrl_c_ends_at_once_and_a_rerun_waits_for_what_goes_on_and_finishes() {
    let (lab, mut run) = in_the_middle_of_apt().await;
    run.signal("-INT").await;
    run.waits_for("step `docker` to end").await;
    let ended = run.signal_until_end("-INT").await;
    let lines = ended.expect_code(130).lines();
    let has_result = lines.iter().any(|line| line["event"] == "result");
    assert!(!has_result, "it did not wait for the step");
    let goes_on = lab.control().run(HOST, "kill -0 $(cat /run/inside)").await;
    assert!(goes_on.is_ok(), "{goes_on:?}");

    let mut rerun = Running::start(&lab, &BOOTSTRAP);
    rerun.waits_for("an earlier run on this host to end").await;
    release(&lab).await;
    let last = rerun.finish().await.expect_code(0).result();
    let retried = &last["hosts"][0]["retries"];
    assert!(retried.to_string().contains("an earlier run"), "{retried}");
    assert_next_run_changes_nothing(&lab).await;
    lab.shutdown().await;
}
