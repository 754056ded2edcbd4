//! What a newcomer types: `init`, `version`, `providers`, `completions`, and a sandbox around it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

#[path = "support/profile.rs"]
#[allow(unreachable_pub, reason = "also a module of the other tests")]
mod profile;

fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stagecraft"));
    command
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .envs(profile::variable())
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null());
    command
}

fn run(directory: &Path, arguments: &[&str]) -> Output {
    let output = command(directory, arguments).output();
    output.expect("the binary")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn init_writes_a_valid_file_named_after_its_directory_and_never_over_another() {
    let parent = TempDir::new().unwrap();
    let directory = parent.path().join("My Shop");
    fs::create_dir(&directory).unwrap();
    let shown = run(&directory, &["--dry-run", "init"]);
    assert_eq!(shown.status.code(), Some(0), "{shown:?}");
    assert!(!directory.join("stagecraft.yml").exists());

    let written = run(&directory, &["init"]);
    assert_eq!(written.status.code(), Some(0), "{written:?}");
    let file = fs::read_to_string(directory.join("stagecraft.yml")).unwrap();
    assert_eq!(file, text(&shown.stdout));
    assert!(file.contains("name: my-shop"), "{file}");
    let valid = run(&directory, &["config", "validate"]);
    assert_eq!(valid.status.code(), Some(0), "{valid:?}");

    let again = run(&directory, &["init", "--project", "other"]);
    assert_ne!(again.status.code(), Some(0));
    assert!(text(&again.stderr).contains("--force"), "{again:?}");
    assert_eq!(
        fs::read_to_string(directory.join("stagecraft.yml")).unwrap(),
        file
    );
    let forced = run(
        &directory,
        &["init", "--project", "other", "--force", "-o", "json"],
    );
    let told: serde_json::Value = serde_json::from_slice(&forced.stdout).unwrap();
    assert_eq!(told["written"], "stagecraft.yml");
    let file = fs::read_to_string(directory.join("stagecraft.yml")).unwrap();
    assert!(file.contains("name: other"), "{file}");
}

#[test]
fn init_refuses_a_name_that_no_project_may_have() {
    let directory = TempDir::new().unwrap();
    let refused = run(directory.path(), &["init", "--project", "Not A Name"]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(text(&refused.stderr).contains("--project"), "{refused:?}");
    assert!(!directory.path().join("stagecraft.yml").exists());
}

#[test]
fn program_tells_its_version_its_providers_and_its_completions() {
    let directory = TempDir::new().unwrap();
    let version = run(directory.path(), &["version"]);
    assert!(text(&version.stdout).contains(env!("CARGO_PKG_VERSION")));
    let providers = run(directory.path(), &["providers"]);
    for id in ["digitalocean", "tailscale", "docker", "network"] {
        assert!(text(&providers.stdout).contains(id), "{providers:?}");
    }
    let completions = run(directory.path(), &["completions", "bash"]);
    assert!(text(&completions.stdout).contains("complete -F _stagecraft"));
}

#[test]
fn sandbox_gives_a_command_a_cloud_and_ends_with_its_code() {
    let directory = TempDir::new().unwrap();
    let directory = directory.path();
    assert!(run(directory, &["init"]).status.success());
    let sandbox = ["sandbox", "--hosts", "none", "--"];
    let planned = run(
        directory,
        &[&sandbox[..], &["stagecraft", "infra", "plan", "-o", "json"]].concat(),
    );
    assert_eq!(planned.status.code(), Some(0), "{planned:?}");
    let plan: serde_json::Value = serde_json::from_slice(&planned.stdout).unwrap();
    assert!(plan.to_string().contains("http://127.0.0.1:"), "{plan}");

    let ended = run(directory, &[&sandbox[..], &["sh", "-c", "exit 5"]].concat());
    assert_eq!(ended.status.code(), Some(5), "{ended:?}");
    let killed = run(
        directory,
        &[&sandbox[..], &["sh", "-c", "kill -TERM $$"]].concat(),
    );
    assert_eq!(killed.status.code(), Some(128 + 15), "{killed:?}");
    let missing = run(directory, &[&sandbox[..], &["no-such-program"]].concat());
    assert!(
        text(&missing.stderr).contains("cannot run no-such-program"),
        "{missing:?}"
    );
}
