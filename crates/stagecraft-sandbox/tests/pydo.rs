//! The sandbox as DigitalOcean's own Python client sees it.
//!
//! The client and what it needs come from the package index of Python, through
//! `pip`, and stay under the target directory for the next time.

#![expect(clippy::unwrap_used, reason = "in a test, to panic is to fail")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use stagecraft_sandbox::{Knobs, Sandbox, SandboxConfig};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIc97hasv1q/warG+Tkpby9YNHI0GJTEPB25bFl2a6wG laptop";

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pydo")
}

/// A Python with the client in it, made if it is not there in these versions.
fn python() -> PathBuf {
    let requirements = scripts().join("requirements.txt");
    let wanted = fs::read_to_string(&requirements).unwrap();
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pydo");
    let python = environment.join("bin/python");
    // Written last: what was broken off half-way is made anew.
    let made = environment.join("made-of.txt");
    if fs::read_to_string(&made).is_ok_and(|made| made == wanted) {
        return python;
    }
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear"]).arg(&environment);
    succeed(
        venv,
        "python3 and its venv are needed (Debian: python3-venv)",
    );
    let mut pip = Command::new(&python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ])
    .args(["--no-input", "--requirement"])
    .arg(&requirements);
    succeed(pip, "pip could not install pydo");
    fs::write(made, wanted).unwrap();
    python
}

fn succeed(mut command: Command, otherwise: &str) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{otherwise}: {error}"));
    assert!(output.status.success(), "{otherwise}: {}", told(&output));
}

fn told(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!(
        "{}\n{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(err)
    )
}

#[tokio::test]
async fn the_vendors_own_client_goes_through_a_droplets_life() {
    let python = tokio::task::spawn_blocking(python).await.unwrap();
    let quick = Duration::from_millis(20);
    let sandbox = Sandbox::start(SandboxConfig {
        ssh_keys: vec![("laptop".to_owned(), KEY.to_owned())],
        knobs: Knobs {
            boot_time: quick,
            address_delay: quick,
            list_lag: quick,
            delete_time: quick,
            action_time: quick,
            ..Knobs::instant()
        },
        ..SandboxConfig::default()
    })
    .await
    .unwrap();
    let mut script = Command::new(python);
    script
        .arg(scripts().join("lifecycle.py"))
        .env("SANDBOX_URL", sandbox.url())
        .env("SANDBOX_TOKEN", sandbox.token())
        .env("NO_PROXY", "127.0.0.1")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let output = tokio::task::spawn_blocking(move || script.output());
    let output = output.await.unwrap().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let counters = sandbox.control().counters();
    for kind in [
        "POST /v2/droplets",
        "DELETE /v2/droplets",
        "POST /v2/droplets/{id}/actions",
        "POST /v2/projects/{id}/resources",
    ] {
        assert!(counters.contains_key(kind), "{kind}: {counters:?}");
    }
    sandbox.shutdown().await;
}
