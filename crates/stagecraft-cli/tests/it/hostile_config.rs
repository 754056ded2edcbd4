//! Hostile configurations through the real binary: refused with exit code 1, in plain text.

use crate::support::profile;

use std::process::{Command, Output};

use proptest::prelude::*;
use stagecraft_fuzz::{bombs, cases, configurations, damaged};
use tempfile::TempDir;

const REAL: &[&str] = &[
    include_str!("../fixtures/digitalocean.yml"),
    include_str!("../fixtures/bootstrap.yml"),
];

fn validate(bytes: &[u8]) -> Output {
    let directory = TempDir::new().expect("a directory");
    std::fs::write(directory.path().join("stagecraft.yml"), bytes).expect("a config");
    Command::new(env!("CARGO_BIN_EXE_stagecraft"))
        .args(["config", "validate"])
        .current_dir(directory.path())
        .env_clear()
        .envs(profile::variable())
        .output()
        .expect("the binary")
}

/// It ends by itself, with nothing in its words that rules a terminal.
fn check(bytes: &[u8]) -> Output {
    let output = validate(bytes);
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 1)), "{output:?}");
    assert_eq!(output.stdout.is_empty(), code == Some(1), "{output:?}");
    for text in [&output.stdout, &output.stderr] {
        let text = std::str::from_utf8(text).expect("UTF-8");
        let strange = text
            .chars()
            .find(|character| !stagecraft_core::is_plain(*character) && *character != '\n');
        assert_eq!(strange, None, "{text:?}");
        assert!(!text.contains("panicked"), "{text}");
    }
    output
}

#[test]
fn configurations_made_to_blow_up_are_refused_by_the_binary() {
    for (name, text) in bombs(1024) {
        let output = check(text.as_bytes());
        assert_eq!(output.status.code(), Some(1), "{name}: {output:?}");
        assert!(!output.stderr.is_empty(), "{name}");
    }
}

#[test]
fn file_of_two_mebibytes_is_refused_by_the_binary() {
    let output = check("a".repeat(2 << 20).as_bytes());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("larger than 1 MiB"), "{text}");
}

proptest! {
    #![proptest_config(cases(4))]

    #[test]
    fn damaged_configurations_never_crash_the_binary(bytes in damaged(REAL)) {
        check(&bytes);
    }

    #[test]
    fn made_up_configurations_never_crash_the_binary(text in configurations()) {
        check(text.as_bytes());
    }
}
