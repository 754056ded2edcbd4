//! The step `system`: checks whether disk and clock of a host are fit for use.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use stagecraft_core::config::ConfigDuration;
use stagecraft_core::{
    Change, Decision, FailureCode, HostContext, HostStep, ProbeFacts, ProbeScript, Remote, Result,
    Run, StepFailure, seconds,
};

use super::size::{ByteSize, shown};
use super::{check_whole, id};

/// The room required in `/run` and `/tmp`. With less, programs fail that need nearly nothing.
const MIN_FREE: u64 = 1 << 20;
const MIN_FREE_INODES: u64 = 100;

/// The configuration of the step `system`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct SystemConfig {
    /// Whether the step is carried out. Default: `true`.
    pub enabled: bool,
    /// What must be free on the disks of `/` and of Docker. Default: `1G`.
    pub min_free_disk: ByteSize,
    /// How many more files those disks must be able to hold. Default: 5000.
    pub min_free_inodes: u64,
    /// How much the clock may differ from that of the machine that runs Stagecraft.
    /// Default: `1m`.
    #[cfg_attr(feature = "schema", schemars(default = "skew_text"))]
    pub max_clock_skew: ConfigDuration,
    /// Whether the host must have a service that keeps its clock right. Default: `false`.
    pub require_time_service: bool,
}

#[cfg(feature = "schema")]
fn skew_text() -> &'static str {
    "1m"
}

impl Default for SystemConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            min_free_disk: "1G".parse().expect("it is a size"),
            min_free_inodes: 5000,
            max_clock_skew: Duration::from_mins(1).into(),
            require_time_service: false,
        }
    }
}

/// Checks a host after everything else: free space and the clock. Changes nothing. Docker and the
/// network are verified by their own steps.
#[derive(Debug, Clone)]
pub struct SystemStep {
    config: SystemConfig,
    now: fn() -> SystemTime,
}

impl SystemStep {
    /// Creates the step with this configuration.
    pub fn new(config: SystemConfig) -> Self {
        Self {
            config,
            now: SystemTime::now,
        }
    }

    /// Sets the clock that those of hosts are compared with.
    #[must_use]
    pub fn with_clock(mut self, now: fn() -> SystemTime) -> Self {
        self.now = now;
        self
    }

    fn check_clock(&self, facts: &ProbeFacts) -> Vec<String> {
        let service = facts.value("service");
        let mut flaws = Vec::new();
        let now = facts.value("now").and_then(|now| now.trim().parse().ok());
        if let Some(host) = now.map(|now| SystemTime::UNIX_EPOCH + Duration::from_secs(now)) {
            let (skew, side) = match host.duration_since((self.now)()) {
                Ok(ahead) => (ahead, "ahead"),
                Err(behind) => (behind.duration(), "behind"),
            };
            if skew > self.config.max_clock_skew.get() {
                flaws.push(format!("the clock is {} {side}", seconds(skew)));
            }
        }
        if self.config.require_time_service && service.is_none() {
            flaws.push("no service keeps the clock right".to_owned());
        }
        flaws
    }

    fn check_disk(&self, facts: &ProbeFacts) -> Vec<String> {
        let mut flaws = Vec::new();
        let lines = facts.output.lines();
        for disk in lines.filter_map(|line| Disk::parse(line.strip_prefix("disk=")?)) {
            let Disk { path, free, .. } = &disk;
            if *free < self.config.min_free_disk.bytes() {
                flaws.push(format!("{} are free on the disk of {path}", shown(*free)));
            }
            // File systems that allocate inodes on demand report none.
            if disk.inodes > 0 && disk.free_inodes < self.config.min_free_inodes {
                let left = disk.free_inodes;
                flaws.push(format!("the disk of {path} can hold {left} more files"));
            }
        }
        flaws
    }

    /// Checks places where programs keep what they need to run at all. They are small on purpose.
    fn check_small(facts: &ProbeFacts) -> Vec<String> {
        let lines = facts.output.lines();
        let places = lines.filter_map(|line| Small::parse(line.strip_prefix("small=")?));
        let flaw = |place: Small<'_>| {
            let Small { path, free, .. } = place;
            if place.blocks > 0 && free < MIN_FREE {
                Some(format!("{} are free in {path}", shown(free)))
            } else if place.inodes > 0 && place.free_inodes < MIN_FREE_INODES {
                let left = place.free_inodes;
                Some(format!("{path} can hold {left} more files"))
            } else {
                None
            }
        };
        places.filter_map(flaw).collect()
    }
}

/// The room in `/run` or `/tmp`. Without a limit there are 0 blocks or inodes.
struct Small<'a> {
    path: &'a str,
    blocks: u64,
    free: u64,
    inodes: u64,
    free_inodes: u64,
}

impl<'a> Small<'a> {
    /// Parses all blocks, free ones, their size, all inodes, free ones, and a path.
    fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.splitn(6, ' ');
        let mut number = || words.next()?.parse::<u64>().ok();
        let (blocks, left, size) = (number()?, number()?, number()?);
        let (inodes, free_inodes) = (number()?, number()?);
        Some(Self {
            blocks,
            free: left.saturating_mul(size),
            inodes,
            free_inodes,
            path: words.next()?,
        })
    }
}

/// The room on one disk.
struct Disk<'a> {
    path: &'a str,
    free: u64,
    free_inodes: u64,
    inodes: u64,
}

impl<'a> Disk<'a> {
    /// Parses free blocks, their size, free inodes, all inodes, and a path.
    fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.splitn(5, ' ');
        let mut number = || words.next()?.parse::<u64>().ok();
        let (blocks, size) = (number()?, number()?);
        let (free_inodes, inodes) = (number()?, number()?);
        Some(Self {
            free: blocks.saturating_mul(size),
            free_inodes,
            inodes,
            path: words.next()?,
        })
    }
}

#[async_trait]
impl HostStep for SystemStep {
    fn id(&self) -> &'static str {
        id::SYSTEM
    }

    fn follows(&self) -> &'static [&'static str] {
        &[
            "docker",
            "network",
            id::SWAP,
            id::SYSCTL,
            id::TIMEZONE,
            id::UPGRADES,
            id::USERS,
        ]
    }

    fn is_check(&self) -> bool {
        true
    }

    fn inspect(&self) -> ProbeScript {
        ProbeScript(include_str!("check.sh"))
    }

    fn decide(&self, facts: &ProbeFacts, _: &HostContext) -> Result<Decision, StepFailure> {
        if !self.config.enabled {
            return Ok(Decision::Skip("system is not enabled".to_owned()));
        }
        check_whole(facts, "disk and clock")?;
        let mut flaws = self.check_disk(facts);
        flaws.extend(Self::check_small(facts));
        let clock = self.check_clock(facts);
        let is_clock_wrong = !clock.is_empty();
        flaws.extend(clock);
        if flaws.is_empty() {
            return Ok(Decision::Nothing);
        }
        let mut failure = StepFailure::new(FailureCode::SystemVerifyFailed, flaws.join(", "))
            .with_evidence([format!(
                "wanted: {} and {} files free, a clock within {}",
                shown(self.config.min_free_disk.bytes()),
                self.config.min_free_inodes,
                seconds(self.config.max_clock_skew.get())
            )]);
        if is_clock_wrong {
            let service = facts.value("service").unwrap_or("none");
            let state = facts.value("synchronised").unwrap_or("not known");
            failure = failure.with_evidence([
                format!("service that keeps the clock: {service}"),
                format!("synchronised: {state}"),
            ]);
        }
        Err(failure)
    }

    async fn change(
        &self,
        _: &Run,
        _: &dyn Remote,
        _: &HostContext,
        _: &[Change],
    ) -> Result<(), StepFailure> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_places_are_full_only_by_a_limit_that_they_have() {
        let facts = |line: &str| ProbeFacts {
            output: format!("{line}\nprobe=done\n"),
            code: 0,
        };
        for (line, flaw) in [
            ("small=12288 12000 4096 800000 799000 /run", None),
            ("small=0 0 4096 0 0 /run", None),
            (
                "small=12288 255 4096 800000 799000 /run",
                Some("1020 KiB are free in /run"),
            ),
            (
                "small=12288 12000 4096 800 99 /tmp",
                Some("/tmp can hold 99 more files"),
            ),
            ("small=12288 12000", None),
        ] {
            let found = SystemStep::check_small(&facts(line));
            assert_eq!(found.first().map(String::as_str), flaw, "{line}");
        }
    }
}
