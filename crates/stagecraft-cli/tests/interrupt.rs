//! Ctrl-C while a step runs on a host: the first lets it end, the second does not wait for it,
//! and the host is whole after the next run either way.

mod support;

use std::process::Stdio;

use serde_json::Value;
use support::{Lab, quick};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

const HOST: &str = "staging-db-1";
const BOOTSTRAP: [&str; 6] = ["infra", "bootstrap", "--host", "db-1", "-o", "json"];

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

/// The binary at work, line by line.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(lab: &Lab) -> Self {
        let mut command = lab.command(&BOOTSTRAP);
        let mut child = command.stderr(Stdio::null()).spawn().expect("the binary");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Self { child, lines }
    }

    /// The first line from here on that is as wanted.
    async fn line(&mut self, what: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        while let Some(line) = self.lines.next_line().await.expect("a line") {
            let value: Value = serde_json::from_str(&line).expect("JSON");
            if is_wanted(&value) {
                return value;
            }
        }
        panic!("it ended without: {what}");
    }

    async fn waits_for(&mut self, what: &str) {
        let is_wait = |line: &Value| line["event"] == "waiting";
        let is_meant = |line: &Value| line["what"].as_str().is_some_and(|own| own.contains(what));
        self.line(what, |line| is_wait(line) && is_meant(line))
            .await;
    }

    async fn interrupt(&self) {
        let pid = self.child.id().expect("a pid").to_string();
        let kill = Command::new("kill").args(["-INT", &pid]).status().await;
        assert!(kill.expect("kill").success());
    }

    /// The exit code, and the last line if there are any more.
    async fn end(mut self) -> (Option<i32>, Option<Value>) {
        let mut last = None;
        while let Some(line) = self.lines.next_line().await.expect("a line") {
            last = serde_json::from_str(&line).ok();
        }
        (self.child.wait().await.expect("an end").code(), last)
    }
}

/// A host on which `apt-get` stands still, and a run that is in the middle of it.
async fn in_the_middle_of_apt() -> (Lab, Running) {
    let lab = Lab::with_hosts(quick()).await;
    let only_db = ["infra", "up", "--yes", "--no-bootstrap", "--host", "db-1"];
    lab.run(&only_db).await.expect_code(0);
    lab.control().run(HOST, SLOW).await.expect("a slow host");
    let run = Running::start(&lab);
    let mut interval = tokio::time::interval(std::time::Duration::from_millis(20));
    let is_inside = || lab.control().run(HOST, "kill -0 $(cat /run/inside)");
    while is_inside().await.is_err() {
        interval.tick().await;
    }
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
    run.interrupt().await;
    run.waits_for("step `docker` to end").await;
    release(&lab).await;
    let (code, last) = run.end().await;
    assert_eq!(code, Some(130));
    let last = last.expect("a result");
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
    run.interrupt().await;
    run.waits_for("step `docker` to end").await;
    run.interrupt().await;
    let (code, last) = run.end().await;
    assert_eq!(code, Some(130));
    let has_result = last.is_some_and(|last| last["event"] == "result");
    assert!(!has_result, "it did not wait for the step");
    let goes_on = lab.control().run(HOST, "kill -0 $(cat /run/inside)").await;
    assert!(goes_on.is_ok(), "{goes_on:?}");

    let mut rerun = Running::start(&lab);
    rerun.waits_for("an earlier run on this host to end").await;
    release(&lab).await;
    let (code, last) = rerun.end().await;
    let last = last.expect("a result");
    assert_eq!(code, Some(0), "{last}");
    let retried = &last["hosts"][0]["retries"];
    assert!(retried.to_string().contains("an earlier run"), "{retried}");
    assert_next_run_changes_nothing(&lab).await;
    lab.shutdown().await;
}
