//! Leaves the tables for unwinding out of release builds, where a panic ends the process.
//!
//! They are an eighth of the program. The compiler writes them all the same, and a profile
//! cannot tell it not to, so the linker drops them. Messages of panics stay as they are.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=release.ld");
    if !is("PROFILE", "release") || !is("CARGO_CFG_TARGET_OS", "linux") {
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("release.ld");
    println!("cargo:rustc-link-arg-bins=-Wl,-T,{}", script.display());
    println!("cargo:rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
}

#[expect(
    clippy::disallowed_methods,
    reason = "cargo tells a build script of the build by its environment"
)]
fn is(name: &str, value: &str) -> bool {
    std::env::var(name).is_ok_and(|found| found == value)
}
