//! The binary at work on one host, seen line by line.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::hosts::ENVIRONMENT;
use crate::support::Lab;

/// `infra bootstrap` at work.
pub(crate) struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    pub(crate) fn start(lab: &Lab) -> Self {
        let arguments = ["infra", "bootstrap", "--env", ENVIRONMENT, "-o", "json"];
        let mut command = lab.command(&arguments);
        let mut child = command.stderr(Stdio::null()).spawn().expect("the binary");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Self { child, lines }
    }

    /// Reads until the run waits for what has these words.
    pub(crate) async fn waits_for(&mut self, words: &str) {
        while let Some(line) = self.lines.next_line().await.expect("a line") {
            let line: Value = serde_json::from_str(&line).expect("JSON");
            let is_meant = line["what"].as_str().is_some_and(|own| own.contains(words));
            if line["event"] == "waiting" && is_meant {
                return;
            }
        }
        panic!("it ended without a wait for: {words}");
    }

    /// Sends what Ctrl-C sends.
    pub(crate) async fn interrupt(&self) {
        let pid = self.child.id().expect("a pid").to_string();
        let kill = Command::new("kill").args(["-INT", &pid]).status().await;
        assert!(kill.expect("kill").success());
    }

    /// The exit code, and the last line if there are any more.
    pub(crate) async fn end(mut self) -> (Option<i32>, Option<Value>) {
        let mut last = None;
        while let Some(line) = self.lines.next_line().await.expect("a line") {
            last = serde_json::from_str(&line).ok();
        }
        (self.child.wait().await.expect("an end").code(), last)
    }
}
