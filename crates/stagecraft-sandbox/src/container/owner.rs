//! Identifies the sandbox of a container: by the process and its start time, which together are
//! unique.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};

/// A new name of this process at each call.
pub(super) fn own() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let pid = std::process::id();
    let start = start_of(pid).unwrap_or_default();
    format!("{pid}-{start}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Whether the process of a name has ended. If unknown, it has not.
pub(super) fn is_gone(owner: &str) -> bool {
    let mut parts = owner.split('-').map(|part| part.parse::<u64>().ok());
    let (Some(Some(pid)), Some(Some(start))) = (parts.next(), parts.next()) else {
        return false;
    };
    let can_tell = start != 0 && fs::exists("/proc/self/stat").unwrap_or(false);
    can_tell && start_of(pid) != Some(start)
}

/// The start time of a process, in ticks since the boot: the 22nd field of `proc_pid_stat(5)`.
fn start_of(pid: impl std::fmt::Display) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name, which may contain blanks and parentheses.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_process_is_there_and_another_start_is_not() {
        let own = own();
        assert!(!is_gone(&own), "{own}");
        let pid = std::process::id();
        assert!(is_gone(&format!("{pid}-1-0")));
        assert!(is_gone("4194303999-5-0"));
        assert!(!is_gone("nonsense"));
        assert_ne!(self::own(), own);
    }
}
