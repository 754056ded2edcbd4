//! A private network: its control server, and the packages of its client.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{RELEASES, directory, docker, name, serves};
use crate::process::run;

/// The container of the control server. Tests know it by this name.
const CONTROL: &str = "stagecraft-lab-control";
const MAKE: &str = include_str!("mesh.sh");
const SERVE: &str = include_str!("control.sh");
/// The deadline for it to answer.
const START: Duration = Duration::from_mins(1);
/// The authorities that this machine trusts: Go modules are downloaded over TLS.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Whether everything is built.
pub(super) fn is_made() -> bool {
    directory().join("mesh/made").exists()
}

/// Builds both from source, inside a lab container, so that nothing has to be installed here.
/// Takes minutes.
pub(super) fn make() -> Result<()> {
    fs::write(directory().join("mesh.sh"), MAKE)?;
    let mut command = docker();
    command.args(["run", "--rm", "--volume"]);
    command.arg(format!("{}:/out", directory().display()));
    if Path::new(AUTHORITIES).exists() {
        let volume = format!("{AUTHORITIES}:/authorities.crt:ro");
        command.args([
            "--volume",
            &volume,
            "--env",
            "SSL_CERT_FILE=/authorities.crt",
        ]);
    }
    run(command
        .arg(name(RELEASES[0].0))
        .args(["sh", "/out/mesh.sh"]))
}

/// Whether the control server's container runs, and has its files.
pub(super) fn is_served() -> bool {
    serves(CONTROL, "/srv/mesh/headscale")
}

/// Runs the control server, with the packages beside it, in a separate container, until it
/// answers.
#[expect(clippy::disallowed_methods, reason = "there is no run to stop")]
pub(super) fn serve() -> Result<()> {
    if !is_served() {
        start()?;
    }
    let began = Instant::now();
    while !control(&["users", "list"]) {
        if began.elapsed() > START {
            let seconds = START.as_secs();
            bail!("{CONTROL} does not answer within {seconds}s; see `docker logs {CONTROL}`");
        }
        sleep(Duration::from_millis(200));
    }
    // The only user, which owns all hosts. It may exist already.
    let _made = control(&["users", "create", "lab"]);
    Ok(())
}

fn start() -> Result<()> {
    remove()?;
    fs::write(directory().join("control.sh"), SERVE)?;
    let files = format!("{}:/srv:ro", directory().display());
    run(docker()
        .args(["run", "--detach", "--name", CONTROL, "--volume", &files])
        .arg(name(RELEASES[0].0))
        .args(["sh", "/srv/control.sh"]))
}

/// Runs a command of the control server, and returns whether it succeeded.
fn control(arguments: &[&str]) -> bool {
    let mut command = docker();
    command.args(["exec", CONTROL, "/srv/mesh/headscale"]);
    command.args(["--config", "/var/lib/lab/config.yaml"]);
    command.args(arguments);
    let ended = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    ended.is_ok_and(|status| status.success())
}

/// Stops it. A missing one is no error.
pub(super) fn remove() -> Result<()> {
    docker()
        .args(["rm", "--force", "--volumes", CONTROL])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    Ok(())
}
