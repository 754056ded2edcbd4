//! The process environment: the one place that reads it.

use std::path::{Path, PathBuf};

use stagecraft_core::Lookup;

/// The variable with the default of `infra.bootstrap.ssh.port`. The sandbox sets it.
pub(crate) const SSH_PORT_VARIABLE: &str = "STAGECRAFT_SSH_PORT";
/// The variable with the default of `infra.bootstrap.ssh.private_key_path`.
pub(crate) const SSH_KEY_VARIABLE: &str = "STAGECRAFT_SSH_KEY";

/// Looks up variables of this process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProcessEnvironment;

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the environment"
)]
impl Lookup for ProcessEnvironment {
    fn get(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

/// Reads a variable of this program. An empty one counts as unset.
pub(crate) fn variable_value(name: &str) -> Option<String> {
    ProcessEnvironment
        .get(name)
        .filter(|value| !value.is_empty())
}

/// Replaces a leading `~` of a path with the home directory.
pub(crate) fn expand_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), ProcessEnvironment.get("HOME")) {
        (Ok(rest), Some(home)) => Path::new(&home).join(rest),
        _ => path.to_path_buf(),
    }
}
