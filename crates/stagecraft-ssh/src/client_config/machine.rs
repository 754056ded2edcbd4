//! Token values of the local machine.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The local accounts: lines `name:password:uid:gid:comment:home:shell`.
const ACCOUNTS: &str = "/etc/passwd";

/// The id of the local user.
pub(super) fn user_id() -> Option<u32> {
    let of_process = std::fs::metadata("/proc/self").ok();
    of_process.map(|metadata| metadata.uid())
}

/// The name of the local user, from the accounts or else from `variable`.
pub(super) fn user_name(variable: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let of_account = user_id().and_then(|id| {
        let id = id.to_string();
        account(|fields| fields.get(2) == Some(&id.as_str()), 0)
    });
    of_account
        .or_else(|| variable("USER"))
        .or_else(|| variable("LOGNAME"))
}

/// The home directory of a local user.
pub(super) fn home_of(name: &str) -> Option<String> {
    account(|fields| fields.first() == Some(&name), 5).filter(|home| !home.is_empty())
}

/// The full name of the machine.
pub(super) fn host_name() -> Option<String> {
    let read = |path: &str| std::fs::read_to_string(Path::new(path)).ok();
    let name = read("/proc/sys/kernel/hostname").or_else(|| read("/etc/hostname"))?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// One field of the first matching account.
fn account(is_it: impl Fn(&[&str]) -> bool, field: usize) -> Option<String> {
    let accounts = std::fs::read_to_string(ACCOUNTS).ok()?;
    accounts.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let found = is_it(&fields).then(|| fields.get(field).copied());
        found.flatten().map(ToOwned::to_owned)
    })
}
