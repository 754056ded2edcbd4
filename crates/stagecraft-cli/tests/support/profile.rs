//! What a program needs besides a clean environment when its coverage is measured.

use std::ffi::OsString;

/// Where the program leaves its profile. Without it, it would leave it where it runs.
#[expect(clippy::disallowed_methods, reason = "this is no library")]
pub fn variable() -> Option<(&'static str, OsString)> {
    const NAME: &str = "LLVM_PROFILE_FILE";
    Some((NAME, std::env::var_os(NAME)?))
}
