//! Identity of this process, and detection of processes on this machine that have ended.
//!
//! Read from `/proc`. On a system without it no process is known to have ended: an abandoned
//! lease is taken over after its expiry.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;

use stagecraft_core::{Holder, Result, Run};

/// Returns this process as the holder of a lease.
pub(super) fn this(operation: &str) -> Result<Holder> {
    let pid = std::process::id();
    let machine = read("/proc/sys/kernel/hostname").unwrap_or_else(|| "unknown".to_owned());
    let mut holder = Holder::new(&Run::new_id()?, &machine, pid, operation);
    holder.boot = read("/proc/sys/kernel/random/boot_id");
    holder.space = space();
    holder.started = match life(pid) {
        Life::Since(started) => Some(started),
        Life::Ended | Life::Unknown => None,
    };
    Ok(holder)
}

/// Whether the holder is known to be a process of this machine that has ended.
pub(super) fn has_ended(holder: &Holder) -> bool {
    let is_here = holder.boot.is_some()
        && holder.boot == read("/proc/sys/kernel/random/boot_id")
        && Some(&holder.machine) == read("/proc/sys/kernel/hostname").as_ref()
        && holder.space.is_some()
        && holder.space == space();
    if !is_here {
        return false;
    }
    match life(holder.pid) {
        Life::Ended => true,
        // Process ids are reused.
        Life::Since(started) => holder.started.is_some_and(|own| own != started),
        Life::Unknown => false,
    }
}

/// What is known of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// Running since then, in ticks since the boot.
    Since(u64),
    Ended,
    Unknown,
}

fn life(pid: u32) -> Life {
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => life_of_stat(&stat),
        // A missing entry means something only if there is a /proc.
        Err(error) if error.kind() == ErrorKind::NotFound && space().is_some() => Life::Ended,
        Err(_) => Life::Unknown,
    }
}

/// Parses `/proc/PID/stat`. The second field, a name in parentheses, may contain anything.
fn life_of_stat(stat: &str) -> Life {
    let Some((_, rest)) = stat.rsplit_once(") ") else {
        return Life::Unknown;
    };
    let fields: Vec<&str> = rest.split(' ').collect();
    if matches!(fields.first(), Some(&("Z" | "X"))) {
        // A zombie only waits for its parent.
        return Life::Ended;
    }
    // The 22nd field: proc_pid_stat(5).
    match fields.get(19).and_then(|field| field.parse().ok()) {
        Some(started) => Life::Since(started),
        None => Life::Unknown,
    }
}

/// Containers on one machine may share its name and boot, but number processes on their own.
fn space() -> Option<u64> {
    fs::metadata("/proc/self/ns/pid")
        .ok()
        .map(|space| space.ino())
}

fn read(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_is_known_by_its_start() {
        let own = this("up").unwrap();
        assert!(!has_ended(&own));
        let reused = Holder {
            started: own.started.map(|started| started + 1),
            ..own.clone()
        };
        assert!(has_ended(&reused), "the id belongs to another process");
    }

    #[test]
    fn nothing_is_known_of_processes_elsewhere() {
        let ended = Holder {
            // Above the kernel's limit of 2^22.
            pid: 1 << 30,
            ..this("up").unwrap()
        };
        assert!(has_ended(&ended));
        for elsewhere in [
            Holder {
                machine: "other".to_owned(),
                ..ended.clone()
            },
            Holder {
                boot: Some("another boot".to_owned()),
                ..ended.clone()
            },
            Holder {
                boot: None,
                ..ended.clone()
            },
            Holder {
                space: Some(1),
                ..ended.clone()
            },
            Holder {
                space: None,
                ..ended
            },
        ] {
            assert!(!has_ended(&elsewhere), "{elsewhere:?}");
        }
    }

    #[test]
    fn state_and_start_are_found_behind_any_name() {
        let stat = "7 (a) Z (b) ) S 1 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 4242 1 2 3";
        assert_eq!(life_of_stat(stat), Life::Since(4242));
        assert_eq!(life_of_stat(&stat.replace(") S ", ") Z ")), Life::Ended);
        assert_eq!(life_of_stat("nonsense"), Life::Unknown);
    }
}
