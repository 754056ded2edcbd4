//! `--bundle`: what a failed run leaves, and that no secret is in it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::support::{AUTH_KEY, Lab, TOKEN, quick};
use serde_json::Value;
use stagecraft_sandbox::{FailTimes, Fault};

const ONLY_CREATE: [&str; 4] = ["infra", "up", "--yes", "--no-bootstrap"];

/// Every file below a directory, none readable by others.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mode = |path: &Path| {
        std::fs::metadata(path)
            .expect("a mode")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode(directory), 0o700, "{}", directory.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
            files.push(path);
        }
    }
    files.sort();
    files
}

fn read(directory: &Path, name: &str) -> String {
    std::fs::read_to_string(directory.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn json(directory: &Path, name: &str) -> Value {
    serde_json::from_str(&read(directory, name)).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_run_leaves_a_bundle_without_secrets() {
    let lab = Lab::with_hosts(quick()).await;
    lab.run(&ONLY_CREATE).await.expect_code(0);
    // A host that prints what it must not.
    let message = format!("E: \u{1b}[31mno mirror {AUTH_KEY} {TOKEN}");
    lab.control()
        .fail_program("staging-db-1", "apt-get", FailTimes::Always, &message)
        .await
        .unwrap();
    let key = std::fs::read_to_string(&lab.variables["STAGECRAFT_SSH_KEY"]).unwrap();
    let key = key.lines().nth(2).unwrap();
    for (name, format) in [("text", "text"), ("json", "json")] {
        let bundle = lab.directory.path().join(name);
        let shown = bundle.display().to_string();
        let command = ["infra", "up", "--yes", "--bundle", &shown, "-o", format];
        let failed = lab.run(&command).await;
        let told = &failed.expect_code(10).stderr;
        assert!(
            told.contains(&format!("what happened is in {shown}")),
            "{told}"
        );

        let files = files(&bundle);
        for path in &files {
            let text = std::fs::read_to_string(path).unwrap();
            for secret in [TOKEN, AUTH_KEY, key, "PRIVATE KEY", "\u{1b}"] {
                assert!(!text.contains(secret), "{}: {text}", path.display());
            }
        }
        let names: Vec<String> = files
            .iter()
            .map(|path| path.strip_prefix(&bundle).unwrap().display().to_string())
            .collect();
        assert_eq!(
            names,
            [
                "README.md",
                "config.yml",
                "events.jsonl",
                "hosts/app-1.json",
                "hosts/app-2.json",
                "hosts/db-1.json",
                "plan.json",
                "plan.txt",
                "report.txt",
                "versions.json",
            ]
        );
        let host = json(&bundle, "hosts/db-1.json").to_string();
        assert!(host.contains("docker_install_failed"), "{host}");
        assert!(host.contains("no mirror *** ***"), "{host}");
        assert!(read(&bundle, "report.txt").contains("Next: stagecraft infra bootstrap"));
        assert!(read(&bundle, "plan.txt").contains("staging"));
        assert!(json(&bundle, "plan.json")["plan"]["unchanged"].is_array());
        let versions = json(&bundle, "versions.json");
        assert_eq!(versions["hosts"]["db-1"], "Ubuntu 22.04.5 LTS");
        assert_eq!(versions["stagecraft"], env!("CARGO_PKG_VERSION"));
        let shown = lab.run(&["config", "show"]).await.stdout;
        assert_eq!(read(&bundle, "config.yml"), shown);
        let events = read(&bundle, "events.jsonl");
        let events: Vec<Value> = events
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert!(events.iter().any(|own| own["event"] == "step_finished"));
        assert_eq!(events.last().unwrap()["exit_code"], 10);
        for (seq, event) in events.iter().enumerate() {
            assert_eq!(event["seq"], seq);
        }
    }
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn run_that_ends_well_or_never_began_leaves_nothing() {
    let lab = Lab::api_only(quick()).await;
    let bundle = lab.directory.path().join("bundle");
    let up = [
        "infra",
        "up",
        "--yes",
        "--no-bootstrap",
        "--bundle",
        "bundle",
    ];
    lab.run(&up).await.expect_code(0);
    assert!(!bundle.exists());
    lab.run(&[&up[..], &["--host", "ap-1"]].concat())
        .await
        .expect_code(1);
    assert!(!bundle.exists(), "a mistake in the command needs no bundle");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn run_that_ends_in_an_error_leaves_its_causes() {
    let lab = Lab::api_only(quick()).await;
    std::fs::create_dir(lab.directory.path().join("empty")).unwrap();
    for (verb, confirmed) in [
        ("down", "--confirm=staging"),
        ("prune", "--confirm=staging"),
    ] {
        lab.control()
            .add_fault(Fault::status("GET", "/v2/account", 401).times(9));
        let bundle = lab.directory.path().join(verb);
        let shown = bundle.display().to_string();
        let failed = lab
            .run(&["infra", verb, confirmed, "--bundle", &shown])
            .await;
        failed.expect_code(2);
        let error = read(&bundle, "error.txt");
        let first = error.lines().next().unwrap();
        assert!(failed.stderr.contains(first), "{first}: {}", failed.stderr);
        lab.control().clear_faults();
    }
    // Nobody can be asked; an empty directory is taken.
    let failed = lab
        .run(&["infra", "up", "--no-bootstrap", "--bundle", "empty"])
        .await;
    failed.expect_code(7);
    let bundle = lab.directory.path().join("empty");
    assert!(read(&bundle, "error.txt").contains("no terminal on which to confirm"));
    assert!(read(&bundle, "plan.txt").contains("app-1"));
    files(&bundle);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn directory_that_is_not_empty_is_refused_before_anything_is_done() {
    let lab = Lab::api_only(quick()).await;
    for (at, told) in [
        (".", "is not empty"),
        ("stagecraft.yml", "cannot be made at stagecraft.yml"),
        ("no/such", "there is no such directory"),
    ] {
        let up = ["infra", "up", "--yes", "--no-bootstrap", "--bundle", at];
        let refused = lab.run(&up).await;
        assert!(refused.expect_code(1).stderr.contains(told), "{refused:?}");
    }
    assert!(lab.names().is_empty());
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bundle_that_cannot_be_written_does_not_change_how_the_run_ended() {
    let lab = Lab::api_only(quick()).await;
    let up = [
        "infra",
        "up",
        "--no-bootstrap",
        "--bundle",
        "/proc/stagecraft",
    ];
    let failed = lab.run(&up).await;
    let told = &failed.expect_code(7).stderr;
    assert!(
        told.contains("cannot write the bundle to /proc/stagecraft"),
        "{told}"
    );
    lab.shutdown().await;
}
