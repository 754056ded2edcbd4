//! The wire between controller and hosts, with adjustable latency.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::group::Group;
use super::lab::{NAME, Outside, bridge, poll};
use crate::process::output;

const PROGRAM: &str = include_str!("files/line.py");
/// The ends of the wire: at the hosts' bridge, and at the controller.
const NEAR: &str = "bench-near";
const FAR: &str = "bench-far";
/// The controller's address, outside those of the hosts.
const CONTROLLER: &str = "203.0.113.251/24";

/// A wire of adjustable latency. Dropping it removes it.
#[derive(Debug)]
pub(super) struct Line {
    process: Child,
    socket: PathBuf,
}

/// The traffic over the wire since its latency was set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Counts {
    /// Connections from the controller to port 22 of any host.
    pub(super) connections: u32,
    /// The key exchange of the first of them.
    pub(super) kex: Option<String>,
}

impl Line {
    /// Connects the hosts' bridge and this network namespace.
    pub(super) fn lay(python: &Path, directory: &Path, outside: Outside) -> Result<Self> {
        let program = directory.join("line.py");
        std::fs::write(&program, PROGRAM)?;
        let socket = directory.join("line");
        let process = outside
            .command(python)
            .arg(&program)
            .arg(&socket)
            .args([NEAR, FAR, &bridge(), &std::process::id().to_string()])
            .stdin(Stdio::null())
            .spawn()
            .context("cannot start the wire")?;
        let mut line = Self { process, socket };
        poll("the wire", Duration::from_secs(20), || {
            if let Some(end) = line.process.try_wait()? {
                bail!("the wire ended with {end}");
            }
            let told = Command::new("ip").args(["link", "show", FAR]).output()?;
            Ok(line.socket.exists() && told.status.success())
        })?;
        // A slow wire would slow down the tool and the hosts.
        for door in Group::make(&format!("{NAME}-line"))?.doors() {
            std::fs::write(door, line.process.id().to_string())?;
        }
        output(Command::new("ip").args(["address", "add", CONTROLLER, "dev", FAR]))?;
        output(Command::new("ip").args(["link", "set", FAR, "up"]))?;
        Ok(line)
    }

    /// Sets the additional round-trip time, and resets the counters.
    pub(super) fn set_round_trip(&self, added: Duration) -> Result<()> {
        let one_way = added / 2;
        self.ask(&format!("delay {}", one_way.as_secs_f64()))
            .map(drop)
    }

    /// The traffic since then.
    pub(super) fn counts(&self) -> Result<Counts> {
        self.ask("count")
    }

    fn ask(&self, request: &str) -> Result<Counts> {
        let mut stream = UnixStream::connect(&self.socket).context("the wire is gone")?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        serde_json::from_str(&answer).with_context(|| format!("the wire reported `{answer}`"))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // It may have ended by itself; a destructor cannot report errors.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
