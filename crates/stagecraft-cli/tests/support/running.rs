//! The binary at work, seen line by line.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::{Finished, Lab};

/// A command with `--output json` at work. No wait for it lasts for ever.
pub struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    stdout: String,
    limit: Duration,
}

impl Running {
    pub fn start(lab: &Lab, arguments: &[&str]) -> Self {
        let mut child = lab.command(arguments).spawn().expect("the binary");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Self {
            child,
            lines,
            stdout: String::new(),
            limit: lab.limit(),
        }
    }

    /// The next line, or `None` at the end.
    pub async fn next(&mut self) -> Option<Value> {
        let line = timeout(self.limit, self.lines.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("no more within {:?}: {self}", self.limit));
        let line = line.expect("a line")?;
        self.stdout.push_str(&line);
        self.stdout.push('\n');
        Some(serde_json::from_str(&line).expect("JSON"))
    }

    /// Reads until a line is as wanted.
    pub async fn until(&mut self, at: impl Fn(&Value) -> bool) {
        while let Some(line) = self.next().await {
            if at(&line) {
                return;
            }
        }
        panic!("never reached: {self}");
    }

    /// Reads until the run waits for what has these words.
    pub async fn waits_for(&mut self, words: &str) {
        self.until(|line| {
            let what = line["what"].as_str().unwrap_or_default();
            line["event"] == "waiting" && what.contains(words)
        })
        .await;
    }

    /// Sends a signal, such as `-INT`, which is what Ctrl-C sends.
    pub async fn signal(&self, signal: &str) {
        let pid = self.child.id().expect("a pid").to_string();
        let kill = Command::new("kill").args([signal, &pid]).status().await;
        assert!(kill.expect("kill").success());
    }

    /// Sends a signal again and again until it has ended: one right after another counts as the
    /// same.
    pub async fn signal_until_end(mut self, signal: &str) -> Finished {
        let pid = self.child.id().expect("a pid").to_string();
        let mut interval = tokio::time::interval(Duration::from_millis(100));
        let signals = async {
            loop {
                interval.tick().await;
                // It fails once nobody is left to get it.
                drop(Command::new("kill").args([signal, &pid]).output().await);
            }
        };
        let ended = async { while self.next().await.is_some() {} };
        tokio::select! {
            () = ended => {}
            () = signals => {}
        }
        self.finish().await
    }

    /// Ends it as a power cut would. Gives the number of lines seen.
    pub async fn kill(mut self) -> usize {
        self.child.kill().await.expect("to kill it");
        self.stdout.lines().count()
    }

    /// Waits for its end.
    pub async fn finish(mut self) -> Finished {
        while self.next().await.is_some() {}
        let mut stderr = String::new();
        let mut pipe = self.child.stderr.take().expect("a pipe");
        let rest = async {
            pipe.read_to_string(&mut stderr).await.expect("UTF-8");
            self.child.wait().await.expect("an end").code()
        };
        let code = timeout(self.limit, rest).await.expect("an end in time");
        Finished {
            code,
            stdout: self.stdout,
            stderr,
        }
    }
}

impl std::fmt::Display for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.stdout)
    }
}
