//! User ids of the hosts' processes.

use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt;

use crate::driver::DriverError;

/// The first user id that hosts use when the sandbox runs as root.
///
/// It is above all ids that distributions, containers and directory services assign by default.
const FIRST_ID: u32 = 1_879_000_000;

/// Number of low address bits in a host's id: those that vary in a /10.
const ID_BITS: u32 = 22;

/// The outside user of a host's processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identities {
    /// The sandbox runs as an ordinary user; its hosts run as the same user.
    Own,
    /// The sandbox runs as root: every host has a separate unprivileged id.
    Range {
        /// The first id.
        first: u32,
        /// The number of ids.
        count: u32,
    },
}

impl Identities {
    /// Detects which ids this process may use.
    pub(crate) fn detect() -> Result<Self, DriverError> {
        let unreadable = |error: std::io::Error| DriverError {
            message: format!("/proc/self cannot be read: {error}"),
        };
        let effective = std::fs::metadata("/proc/self").map_err(unreadable)?.uid();
        if effective != 0 {
            return Ok(Self::Own);
        }
        let map = std::fs::read_to_string("/proc/self/uid_map").map_err(unreadable)?;
        Self::within(&map).ok_or_else(|| DriverError {
            message: "root has no unprivileged user ids to give to hosts here \
                      (/proc/self/uid_map maps root alone); run the sandbox as an ordinary \
                      user, or use `--hosts none`"
                .to_owned(),
        })
    }

    /// Chooses a range from the text of a `uid_map`.
    fn within(map: &str) -> Option<Self> {
        let ranges = map.lines().filter_map(|line| {
            let mut fields = line.split_whitespace();
            let first: u32 = fields.next()?.parse().ok()?;
            let count: u32 = fields.nth(1)?.parse().ok()?;
            Some((first, count))
        });
        let wanted = 1 << ID_BITS;
        let mut best = None;
        for (first, count) in ranges {
            let end = first.saturating_add(count);
            if first <= FIRST_ID && FIRST_ID + wanted <= end {
                return Some(Self::Range {
                    first: FIRST_ID,
                    count: wanted,
                });
            }
            // A rootless container maps some ten thousand ids: use the upper half.
            if count >= 2048 && best.is_none_or(|(_, known)| known < count) {
                best = Some((first, count));
            }
        }
        best.map(|(first, count)| Self::Range {
            first: first + count / 2,
            count: count / 2,
        })
    }

    /// The user and group id of the host with an address, if it is not our own.
    ///
    /// Addresses are unique among all sandboxes of a machine, so ids are too.
    pub(crate) fn of(self, address: Ipv4Addr) -> Option<u32> {
        match self {
            Self::Own => None,
            Self::Range { first, count } => {
                let low = u32::from(address) & ((1 << ID_BITS) - 1);
                Some(first + low % count)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_of_the_machine_uses_ids_far_above_all_others() {
        let ids = Identities::within("         0          0 4294967295\n").unwrap();
        assert_eq!(ids.of(Ipv4Addr::new(127, 64, 0, 7)), Some(1_879_000_007));
        assert_eq!(
            ids.of(Ipv4Addr::new(127, 127, 255, 254)),
            Some(1_879_000_000 + (1 << 22) - 2)
        );
    }

    #[test]
    fn root_of_a_rootless_container_stays_within_its_map() {
        let ids = Identities::within("0 1000 1\n1 100000 65536\n").unwrap();
        let id = ids.of(Ipv4Addr::new(127, 99, 3, 7)).unwrap();
        assert!((32_769..65_537).contains(&id), "{id}");
    }

    #[test]
    fn root_that_is_mapped_alone_is_refused() {
        assert_eq!(Identities::within("0 1000 1\n"), None);
    }
}
