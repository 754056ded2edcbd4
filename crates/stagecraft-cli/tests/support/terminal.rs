//! The binary on a terminal: one that `script` makes.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use super::Lab;

/// A command on a terminal, and what the terminal showed.
pub struct Terminal {
    child: Child,
    pub shown: String,
}

impl Terminal {
    pub fn run(lab: &Lab, arguments: &[&str], after: &str) -> Self {
        let program = env!("CARGO_BIN_EXE_stagecraft");
        let arguments = arguments.join(" ");
        let line = format!("trap : INT; {program} {arguments}; code=$?; {after}");
        let model = lab.command(&[]);
        let variables = model.as_std().get_envs();
        let child = Command::new("script")
            .args(["-qfec", &line, "/dev/null"])
            .current_dir(lab.directory.path())
            .env_clear()
            .envs(variables.filter_map(|(name, value)| Some((name, value?))))
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        Self {
            child: child.expect("script, of Debian's bsdutils"),
            shown: String::new(),
        }
    }

    /// Reads until something new is shown.
    pub async fn wait_for(&mut self, text: &str) {
        let out = self.child.stdout.as_mut().expect("a pipe");
        let from = self.shown.len();
        let mut buffer = [0; 4096];
        while !self.shown[from..].contains(text) {
            let read = tokio::time::timeout(Duration::from_mins(1), out.read(&mut buffer)).await;
            let length = read.expect("an answer in 60 s").expect("a terminal");
            assert!(length > 0, "it ended without {text}: {}", self.shown);
            self.shown
                .push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
    }

    pub async fn types(&mut self, keys: &str) {
        let input = self.child.stdin.as_mut().expect("a pipe");
        input.write_all(keys.as_bytes()).await.expect("a terminal");
        input.flush().await.expect("a terminal");
    }

    /// The exit code of the command line, and all that was shown.
    pub async fn end(mut self) -> (Option<i32>, String) {
        let mut rest = Vec::new();
        let out = self.child.stdout.as_mut().expect("a pipe");
        let read = tokio::time::timeout(Duration::from_mins(1), out.read_to_end(&mut rest)).await;
        read.expect("an end in 60 s").expect("a terminal");
        self.shown.push_str(&String::from_utf8_lossy(&rest));
        let status = self.child.wait().await.expect("an end");
        (status.code(), self.shown)
    }
}
