//! The command to run next.

use infra_bootstrap::HostReport;
use stagecraft_core::EnvironmentName;

use crate::args::GlobalArgs;

/// Most hosts that a command names. With more, it uses the whole environment.
const NAMED: usize = 10;

/// The command that retries exactly the failed hosts.
pub(super) fn bootstrap(
    global: &GlobalArgs,
    environment: &EnvironmentName,
    hosts: &[HostReport],
) -> String {
    let failed: Vec<&str> = hosts
        .iter()
        .filter(|host| !host.is_ok())
        .map(|host| host.host.as_str())
        .collect();
    let hosts = match failed.len() {
        1..=NAMED => format!(" --host {}", failed.join(",")),
        _ => String::new(),
    };
    let config = global.config_option();
    format!("stagecraft infra bootstrap --env {environment}{hosts}{config}")
}
