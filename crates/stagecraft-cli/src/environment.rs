//! The process's environment: the one place that reads it.

use std::path::{Path, PathBuf};

use stagecraft_core::Lookup;

/// Looks names up in the environment of this process.
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

/// A path with the home directory in place of a leading `~`.
pub(crate) fn expand_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), ProcessEnvironment.get("HOME")) {
        (Ok(rest), Some(home)) => Path::new(&home).join(rest),
        _ => path.to_path_buf(),
    }
}
