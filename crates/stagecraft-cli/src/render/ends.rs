//! Expiry of hosts.

use stagecraft_core::{ExpiryChange, HeldEntry};

/// Why a host is not reaped although it is expired by its tag.
pub(crate) fn held_text(entry: &HeldEntry) -> String {
    match (entry.ttl_seconds, entry.ends_at) {
        (Some(ttl), Some(at)) => format!(
            "the file declares ttl {}, which ends {}",
            ttl_text(ttl),
            time_text(at)
        ),
        _ => "the file declares it without a ttl".to_owned(),
    }
}

/// The old and new expiry of a host.
pub(super) fn end_text(change: &ExpiryChange) -> String {
    let from = time_text(change.from);
    match (change.ttl_seconds, change.to) {
        (Some(ttl), Some(to)) if to == change.from => {
            let ttl = ttl_text(ttl);
            format!("ttl: ends {from}, declared {ttl}: the end stays, {ttl} is recorded for it")
        }
        (Some(ttl), Some(to)) => format!(
            "ttl: ends {from}, declared {}: will end {}",
            ttl_text(ttl),
            time_text(to)
        ),
        _ => format!("ttl: ends {from}, declared none: will not end"),
    }
}

/// A duration in its largest whole unit.
pub(super) fn ttl_text(seconds: u64) -> String {
    let units = [(3600, "h"), (60, "m")];
    let unit = units.iter().find(|(size, _)| seconds.is_multiple_of(*size));
    let (size, name) = unit.copied().unwrap_or((1, "s"));
    format!("{}{name}", seconds / size)
}

fn time_text(at: i64) -> String {
    let at = jiff::Timestamp::from_second(at);
    at.map_or_else(|_| "never".to_owned(), |at| at.to_string())
}
