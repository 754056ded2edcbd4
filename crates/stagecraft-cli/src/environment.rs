//! The process's environment: the one place that reads it.

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
