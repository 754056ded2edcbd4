//! LLVM's programs, which read the profiles of instrumented programs.
//!
//! Their version has to be that of the compiler: the format changes with it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process::output;

/// Where the programs are.
#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) profdata: PathBuf,
    pub(crate) cov: PathBuf,
}

/// Finds the programs: by `LLVM_PROFDATA` and `LLVM_COV`, in the toolchain's component
/// `llvm-tools`, or in Debian's package.
pub(crate) fn find() -> Result<Tools> {
    let package = package()?;
    let Some(package) = package else {
        return located()?.context("LLVM's programs are still missing");
    };
    bail!("coverage needs missing programs; run: sudo apt-get install {package}")
}

/// The package of Debian that has the programs, if they are missing.
pub(crate) fn package() -> Result<Option<String>> {
    if located()?.is_some() {
        return Ok(None);
    }
    Ok(Some(format!("llvm-{}", version()?)))
}

fn located() -> Result<Option<Tools>> {
    let profdata = program("LLVM_PROFDATA", "llvm-profdata")?;
    let cov = program("LLVM_COV", "llvm-cov")?;
    Ok(profdata
        .zip(cov)
        .map(|(profdata, cov)| Tools { profdata, cov }))
}

#[expect(clippy::disallowed_methods, reason = "this is no library")]
fn program(variable: &str, name: &str) -> Result<Option<PathBuf>> {
    if let Some(path) = std::env::var_os(variable) {
        return Ok(Some(path.into()));
    }
    let told = output(Command::new("rustc").args(["--print", "target-libdir"]))?;
    let of_toolchain = Path::new(told.trim()).with_file_name("bin").join(name);
    let of_debian = Path::new("/usr/bin").join(format!("{name}-{}", version()?));
    Ok([of_toolchain, of_debian]
        .into_iter()
        .find(|path| path.is_file()))
}

/// The major version of the compiler's LLVM.
fn version() -> Result<u32> {
    let told = output(Command::new("rustc").arg("-vV"))?;
    major(&told).context("rustc does not report the version of its LLVM")
}

fn major(told: &str) -> Option<u32> {
    let version = told
        .lines()
        .find_map(|line| line.strip_prefix("LLVM version: "))?;
    version.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_of_llvm_is_read_from_the_compilers_answer() {
        let told = "rustc 1.95.0\nrelease: 1.95.0\nLLVM version: 22.1.2\n";
        assert_eq!(major(told), Some(22));
        assert_eq!(major("rustc 1.95.0\n"), None);
    }
}
