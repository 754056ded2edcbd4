//! One command of a fleet's life, measured from outside.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::sandbox::{Request, Sandbox};

/// How often the memory of a running command is read.
const GLANCE: Duration = Duration::from_millis(5);

/// The commands of a fleet's life, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A plan in an empty account.
    Plan,
    Up,
    /// A plan without changes.
    PlanAgain,
    Down,
}

impl Step {
    pub(super) const ALL: [Self; 4] = [Self::Plan, Self::Up, Self::PlanAgain, Self::Down];

    pub(super) fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Plan | Self::PlanAgain => &["infra", "plan"],
            Self::Up => &["infra", "up", "--no-bootstrap", "--yes"],
            Self::Down => &["infra", "down", "--confirm", "staging"],
        }
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Plan => "plan, empty account",
            Self::Up => "up",
            Self::PlanAgain => "plan, nothing to do",
            Self::Down => "down",
        }
    }
}

/// What a command cost.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) step: Step,
    /// From start to end.
    pub(super) wall: Duration,
    /// How many requests of each kind came.
    pub(super) requests: BTreeMap<String, usize>,
    /// How many of them got a 429.
    pub(super) refused: usize,
    /// Its peak memory, in KiB.
    pub(super) peak_kib: u64,
    /// From the last delete to the response of the last list, if there were both.
    pub(super) proof: Option<Duration>,
}

impl Measured {
    pub(super) fn total(&self) -> usize {
        self.requests.values().sum()
    }

    #[expect(
        clippy::print_stderr,
        reason = "a developers' tool talks to a terminal"
    )]
    pub(super) fn tell(&self) {
        eprintln!(
            "bench:   {}: {:.2} s, {} requests, {} times 429, {} KiB",
            self.step.title(),
            self.wall.as_secs_f64(),
            self.total(),
            self.refused,
            self.peak_kib
        );
    }
}

/// Runs a command against the sandbox, whose rate limits must be reset.
pub(super) fn measure(
    step: Step,
    binary: &Path,
    directory: &Path,
    sandbox: &Sandbox,
) -> Result<Measured> {
    let started = Instant::now();
    let mut child = Command::new(binary)
        .args(step.arguments())
        .current_dir(directory)
        .envs(&sandbox.variables)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start the command")?;
    let status = format!("/proc/{}/status", child.id());
    let stderr = child.stderr.take().context("no output")?;
    let (end, ended) = mpsc::channel::<()>();
    let reader = std::thread::spawn(move || {
        let text = std::io::read_to_string(stderr);
        // The end of the command closes the pipe.
        drop(end);
        text
    });
    let mut peak_kib = 0;
    while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(GLANCE) {
        peak_kib = peak_kib.max(peak(&status).unwrap_or_default());
        if child.try_wait()?.is_some() {
            break;
        }
    }
    let exit = child.wait()?;
    let wall = started.elapsed();
    let told = reader.join().ok().context("the reader panicked")??;
    ensure!(
        exit.success(),
        "{:?} ended with {exit}: {told}",
        step.arguments()
    );
    let requests = sandbox.requests()?;
    Ok(Measured {
        step,
        wall,
        refused: requests
            .iter()
            .filter(|one| one.status == Some(429))
            .count(),
        proof: proof(&requests),
        requests: count(&requests),
        peak_kib,
    })
}

/// The peak memory of a process, in KiB.
fn peak(status: &str) -> Option<u64> {
    let text = fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

fn count(requests: &[Request]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for request in requests {
        *counts.entry(request.kind.clone()).or_default() += 1;
    }
    counts
}

fn proof(requests: &[Request]) -> Option<Duration> {
    let latest = |kind: &str| {
        let found = requests.iter().rfind(|request| request.kind == kind);
        found.map(|request| request.at_ms)
    };
    let deleted = latest("DELETE /v2/droplets/{id}")?;
    let listed = latest("GET /v2/droplets")?;
    let answered = listed + super::LATENCY_MS;
    Some(Duration::from_millis(answered.saturating_sub(deleted)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(at_ms: u64, kind: &str) -> Request {
        Request {
            at_ms,
            kind: kind.to_owned(),
            status: Some(200),
        }
    }

    #[test]
    fn proof_is_the_time_from_the_last_delete_to_the_answer_of_the_last_list() {
        let requests = [
            request(0, "GET /v2/droplets"),
            request(100, "DELETE /v2/droplets/{id}"),
            request(200, "DELETE /v2/droplets/{id}"),
            request(2200, "GET /v2/droplets"),
            request(2300, "DELETE /v2/firewalls/{id}"),
        ];
        assert_eq!(proof(&requests), Some(Duration::from_millis(2100)));
        assert_eq!(count(&requests)["GET /v2/droplets"], 2);
        assert_eq!(proof(&requests[..1]), None);
    }

    #[test]
    fn memory_of_this_process_is_known() {
        assert!(peak("/proc/self/status").unwrap() > 100);
    }
}
