//! One run of one tool, measured from outside.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::group::Group;
use super::lab::{Lab, NAME};
use super::line::Line;
use super::tool::{Peers, Tool, check_nothing_changed};

/// The minimum pause between two memory readings.
const GLANCE: Duration = Duration::from_millis(5);
/// The share of the time that readings may take.
const SHARE: u32 = 20;
/// The deadline of a run.
const DEADLINE: Duration = Duration::from_mins(15);

/// What a run cost.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    /// From start to end.
    pub(super) wall: Duration,
    /// The CPU time of the tool's processes, including those that it left behind.
    pub(super) controller: Duration,
    /// The CPU time of all hosts.
    pub(super) hosts: Duration,
    /// The CPU time of everything else on the machine.
    pub(super) other: Duration,
    /// The peak of the private memory of all the tool's processes together, in KiB.
    pub(super) peak_kib: u64,
    /// The peak memory of any one of them, shared parts included, in KiB.
    pub(super) resident_kib: u64,
    pub(super) connections: u32,
    pub(super) kex: Option<String>,
}

/// What all runs share.
#[derive(Debug)]
pub(super) struct Bench<'a> {
    pub(super) lab: &'a Lab,
    pub(super) peers: &'a Peers,
    pub(super) line: &'a Line,
}

impl Bench<'_> {
    /// Like [`run`](Self::run), but runs a failing peer once more. Stagecraft may not fail.
    #[expect(
        clippy::print_stderr,
        reason = "a developers' tool talks to a terminal"
    )]
    pub(super) fn run_or_again(
        &self,
        tool: Tool,
        round_trip: Duration,
        is_one: bool,
    ) -> Result<Measured> {
        match self.run(tool, round_trip, is_one) {
            Err(error) if tool != Tool::Stagecraft => {
                eprintln!("bench:   once more: {error:#}");
                self.run(tool, round_trip, is_one)
            }
            result => result,
        }
    }

    /// Lets a tool check all hosts, or only the first.
    #[expect(
        clippy::print_stderr,
        clippy::disallowed_methods,
        reason = "a developers' tool, and no library"
    )]
    pub(super) fn run(&self, tool: Tool, round_trip: Duration, is_one: bool) -> Result<Measured> {
        let group = Group::make(&format!("{NAME}-tool"))?;
        self.line.set_round_trip(round_trip)?;
        let log = self.lab.directory.join("log");
        let output = fs::File::create(&log)?;
        let doors = group.doors();
        let doors = doors
            .iter()
            .map(|door| format!("echo 0 >{}; ", door.display()));
        let joined: String = doors.collect();
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("{joined}exec \"$@\""), "sh"])
            .args(self.peers.arguments(tool, self.lab, is_one))
            .current_dir(self.peers.directory(tool, self.lab))
            .envs(self.lab.variables())
            .envs(self.peers.variables(tool))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let (own, hosts, busy) = (group.used()?, self.lab.group.used()?, machine_busy()?);
        let started = Instant::now();
        let mut child = command.spawn().context("cannot start the tool")?;
        let mut peak_kib = 0;
        let mut resident_kib = 0;
        let exit = loop {
            if let Some(exit) = child.try_wait()? {
                break exit;
            }
            let looked = Instant::now();
            let memories = group.processes().into_iter().filter_map(memory);
            let (mut sum, mut most) = (0, 0);
            for (private, resident) in memories {
                sum += private;
                most = most.max(resident);
            }
            peak_kib = peak_kib.max(sum);
            resident_kib = resident_kib.max(most);
            ensure!(started.elapsed() < DEADLINE, "{} hangs", tool.title());
            std::thread::sleep(GLANCE.max(looked.elapsed() * SHARE));
        };
        let wall = started.elapsed();
        let counts = self.line.counts()?;
        self.end(&group)?;
        let controller = group.used()?.saturating_sub(own);
        let hosts = self.lab.group.used()?.saturating_sub(hosts);
        let busy = machine_busy()?.saturating_sub(busy);
        let told = fs::read_to_string(&log).unwrap_or_default();
        ensure!(exit.success(), "{} ended with {exit}: {told}", tool.title());
        check_nothing_changed(tool, &told)?;
        let measured = Measured {
            wall,
            controller,
            hosts,
            other: busy.saturating_sub(controller + hosts),
            peak_kib,
            resident_kib,
            connections: counts.connections,
            kex: counts.kex,
        };
        eprintln!(
            "bench:   {}, {} ms{}: {:.2} s, controller {:.2} s, hosts {:.2} s, other {:.2} s, \
             {peak_kib} KiB, resident {resident_kib} KiB, {} connections, {}",
            tool.title(),
            round_trip.as_millis(),
            if is_one { ", one host" } else { "" },
            measured.wall.as_secs_f64(),
            measured.controller.as_secs_f64(),
            measured.hosts.as_secs_f64(),
            measured.other.as_secs_f64(),
            measured.connections,
            measured.kex.as_deref().unwrap_or("unknown"),
        );
        Ok(measured)
    }

    /// Stops what a tool left behind: kept connections would save connections next time.
    fn end(&self, group: &Group) -> Result<()> {
        super::lab::poll("the end of what is left", Duration::from_secs(20), || {
            let left = group.processes();
            if left.is_empty() {
                return Ok(true);
            }
            let numbers = left.iter().map(ToString::to_string);
            Command::new("kill")
                .args(numbers)
                .stderr(Stdio::null())
                .status()?;
            Ok(false)
        })?;
        fs::remove_dir_all(self.lab.directory.join("peers/control")).ok();
        fs::create_dir_all(self.lab.directory.join("peers/control"))?;
        Ok(())
    }
}

/// The present and the peak private memory of a process, in KiB.
fn memory(process: u32) -> Option<(u64, u64)> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    parse_memory(&text)
}

fn parse_memory(status: &str) -> Option<(u64, u64)> {
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    };
    Some((value("RssAnon:")?, value("VmHWM:")?))
}

/// The busy time of the machine's cores, all together.
fn machine_busy() -> Result<Duration> {
    let text = fs::read_to_string(Path::new("/proc/stat"))?;
    parse_busy(&text).context("cannot parse /proc/stat")
}

fn parse_busy(stat: &str) -> Option<Duration> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = line
        .split_whitespace()
        .map(|word| word.parse().ok())
        .collect::<Option<_>>()?;
    let (user, nice, system) = (ticks.first()?, ticks.get(1)?, ticks.get(2)?);
    let (interrupts, soft) = (ticks.get(5)?, ticks.get(6)?);
    // Linux reports ticks of 10 ms to programs on all architectures that matter here.
    Some(Duration::from_millis(
        (user + nice + system + interrupts + soft) * 10,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_the_status_of_a_process() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nRssAnon:\t     512 kB\n";
        assert_eq!(parse_memory(status), Some((512, 2048)));
        assert_eq!(parse_memory("Name:\tkthread\n"), None);
    }

    #[test]
    fn waiting_and_idling_are_no_work() {
        let stat = "cpu  1 2 3 1000 2000 4 5 6 0 0\ncpu0 1 2 3\n";
        assert_eq!(parse_busy(stat), Some(Duration::from_millis(150)));
    }
}
