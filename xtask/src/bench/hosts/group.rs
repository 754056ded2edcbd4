//! Control groups: what several processes used together, including ended ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

/// Where the system keeps control groups of either version.
const MOUNT: &str = "/sys/fs/cgroup";

/// A control group that counts CPU time.
#[derive(Debug, Clone)]
pub(super) struct Group {
    account: PathBuf,
    /// The file of its weight.
    weight: PathBuf,
}

impl Group {
    /// The group of this name below the root, created if it is missing.
    ///
    /// Each group of the benchmark has the highest weight: real hosts have their own cores, and
    /// other load on this machine should not matter.
    pub(super) fn make(name: &str) -> Result<Self> {
        let root = Path::new(MOUNT);
        let group = if root.join("cpuacct").is_dir() {
            Self {
                account: root.join("cpuacct").join(name),
                weight: root.join("cpu").join(name),
            }
        } else {
            let both = root.join(name);
            Self {
                account: both.clone(),
                weight: both,
            }
        };
        for directory in [&group.account, &group.weight] {
            fs::create_dir_all(directory)
                .with_context(|| format!("cannot make {}", directory.display()))?;
        }
        if group.is_first_version() {
            fs::write(group.weight.join("cpu.shares"), "262144")
                .context("cannot set the weight of a control group")?;
        } else {
            // Exists only if the controller is enabled for groups below the root.
            fs::write(group.weight.join("cpu.weight"), "10000").ok();
        }
        Ok(group)
    }

    fn is_first_version(&self) -> bool {
        self.weight != self.account
    }

    /// The files to which a process writes its pid to join.
    pub(super) fn doors(&self) -> Vec<PathBuf> {
        let mut doors = vec![self.account.join("cgroup.procs")];
        if self.is_first_version() {
            doors.push(self.weight.join("cgroup.procs"));
        }
        doors
    }

    /// The CPU time of all its processes, including ended ones.
    pub(super) fn used(&self) -> Result<Duration> {
        if self.is_first_version() {
            let text = fs::read_to_string(self.account.join("cpuacct.usage"))?;
            return Ok(Duration::from_nanos(text.trim().parse()?));
        }
        let text = fs::read_to_string(self.account.join("cpu.stat"))?;
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix("usage_usec "));
        let value = value.context("the control group does not count CPU time")?;
        Ok(Duration::from_micros(value.trim().parse()?))
    }

    /// Its current processes.
    pub(super) fn processes(&self) -> Vec<u32> {
        let text = fs::read_to_string(self.account.join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }
}
