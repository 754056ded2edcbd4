//! The scripts that install and start Docker.

use std::fmt::Write as _;
use std::time::Duration;

use stagecraft_core::{
    FailureCode, Remote, RemoteCommand, RemoteOutput, Run, StepFailure, shell_quote,
};

use super::super::script::{self, not_run, told};
use super::config::{DockerConfig, DockerVersion, InstallMethod};
use super::facts::CONFLICTS;
use super::source::DownloadUrl;
use super::{COMPOSE, FINISH, HOLD, INSTALL, RELEASE, START, foreign};

/// The prelude of every script that uses apt.
pub(in crate::steps) const PRELUDE: &str =
    concat!(include_str!("../full.sh"), include_str!("prelude.sh"));
const CLIENT: &str = include_str!("client.sh");
const CHECK: &str = include_str!("check.sh");
/// The shared functions of package changes; it calls nothing yet.
const PACKAGES: [&str; 4] = [
    include_str!("packages.sh"),
    include_str!("sources.sh"),
    include_str!("repository.sh"),
    include_str!("apt.sh"),
];
const FINISHING: &str = include_str!("finish.sh");
const VENDOR_SCRIPT: &str = include_str!("vendor_script.sh");
const RUNNING: &str = include_str!("start.sh");
const HOLDS: &str = include_str!("hold.sh");

/// The exit code of a script if Docker is installed but does not answer.
const NOT_RUNNING: u32 = 70;
/// The exit code of a script if an engine runs that is not Docker's own package.
const FOREIGN: u32 = 71;
/// The exit code of a script if Docker answers but runs no container.
const NO_CONTAINER: u32 = 72;
const DEADLINE: Duration = Duration::from_mins(14);

/// Applies one change and verifies it. Returns what else it has changed.
///
/// # Errors
///
/// `docker_install_failed` or `docker_verify_failed` with the last lines of output,
/// `ssh_failed` if the connection was lost.
pub(super) async fn carry_out(
    run: &Run,
    remote: &dyn Remote,
    config: &DockerConfig,
    change: &str,
) -> Result<Vec<String>, StepFailure> {
    let command = RemoteCommand::script(script(config, change), DEADLINE);
    let output = remote
        .exec(run, &command)
        .await
        .map_err(|error| not_run(&error, FailureCode::DockerInstallFailed))?;
    verify(config, change, &output)
}

fn script(config: &DockerConfig, change: &str) -> String {
    let version = match &config.version {
        DockerVersion::Latest => "",
        DockerVersion::Pinned(version) => version,
    };
    let names = &config.packages;
    let all = names.all().join(" ");
    let packages = match change {
        COMPOSE => format!("{} {}", names.buildx, names.compose),
        _ => all.clone(),
    };
    let hold = match change {
        RELEASE => "unhold",
        _ => "hold",
    };
    let planned = match change {
        COMPOSE => names.compose.as_str(),
        _ => &all,
    };
    let rivals = CONFLICTS.join(" ");
    let mut script = String::new();
    for (name, value) in [
        ("version", version),
        ("packages", &packages),
        ("all", &all),
        ("named", planned),
        ("finish", if change == FINISH { "yes" } else { "" }),
        ("rivals", &rivals),
        ("engine", names.engine.as_str()),
        ("cli", names.cli.as_str()),
        ("buildx", names.buildx.as_str()),
        ("mirror", config.mirror.as_str()),
        ("key", config.key.as_ref().map_or("", DownloadUrl::as_str)),
        ("script", config.script.as_str()),
        ("hold", hold),
    ] {
        writeln!(script, "{name}={}", shell_quote(value)).expect("writing to a string cannot fail");
    }
    for part in parts(config, change) {
        script.push_str(part);
        script.push('\n');
    }
    script
}

/// Returns the parts of a change's script, in order.
fn parts(config: &DockerConfig, change: &str) -> Vec<&'static str> {
    let mut parts = vec![PRELUDE, CLIENT, CHECK];
    let has_packages = [INSTALL, FINISH, COMPOSE].contains(&change);
    if has_packages {
        parts.extend(PACKAGES);
    }
    if [INSTALL, FINISH, START].contains(&change) {
        parts.push("owe_check");
    }
    match (change, config.install_method) {
        (INSTALL, InstallMethod::Script) => parts.push(VENDOR_SCRIPT),
        (INSTALL | COMPOSE, _) => parts.push("from_repository"),
        (FINISH, _) => parts.push(FINISHING),
        _ => {}
    }
    let is_pinned = config.version != DockerVersion::Latest;
    if [HOLD, RELEASE].contains(&change) || change == INSTALL && is_pinned {
        parts.push(HOLDS);
    }
    parts.extend([RUNNING, "check_container"]);
    if has_packages {
        parts.push("report_others");
    }
    parts
}

/// Returns the packages that a script has changed besides the named ones, by its report.
fn reported(output: &RemoteOutput) -> Vec<String> {
    let all = |key: &str| {
        let lines = output.stdout.lines();
        let found: Vec<_> = lines
            .filter_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .collect();
        found.join(", ")
    };
    let mut reported = Vec::new();
    for (key, what) in [
        ("installed", "also installed"),
        ("upgraded", "also changed"),
        ("removed", "also removed"),
        ("unchecked", "no container was tried:"),
    ] {
        let found = all(key);
        if !found.is_empty() {
            reported.push(format!("{what} {found}"));
        }
    }
    reported
}

fn verify(
    config: &DockerConfig,
    change: &str,
    output: &RemoteOutput,
) -> Result<Vec<String>, StepFailure> {
    let (evidence, reason) = told(output);
    let because = |what: &str| match &reason {
        Some(reason) => format!("{what}: {reason}"),
        None => what.to_owned(),
    };
    if output.exit == stagecraft_core::Exit::Code(NOT_RUNNING) {
        return Err(StepFailure::new(
            FailureCode::DockerVerifyFailed,
            because("docker is installed but does not answer"),
        )
        .with_advice(script::advice(reason.as_deref()))
        .with_evidence(evidence));
    }
    if output.exit == stagecraft_core::Exit::Code(NO_CONTAINER) {
        return Err(StepFailure::new(
            FailureCode::DockerVerifyFailed,
            because("docker answers, but runs no container"),
        )
        .with_advice(script::advice(reason.as_deref()))
        .with_evidence(evidence));
    }
    if output.exit == stagecraft_core::Exit::Code(FOREIGN) {
        return Err(foreign(None));
    }
    if !output.is_success() {
        let (code, what) = match change {
            START => (
                FailureCode::DockerVerifyFailed,
                "docker could not be started",
            ),
            COMPOSE => (
                FailureCode::DockerInstallFailed,
                "the compose plugin could not be installed",
            ),
            HOLD | RELEASE => (
                FailureCode::DockerInstallFailed,
                "the hold of docker's packages could not be changed",
            ),
            _ => (
                FailureCode::DockerInstallFailed,
                "docker could not be installed",
            ),
        };
        return Err(StepFailure::new(code, because(what))
            .with_advice(script::advice(reason.as_deref()))
            .with_evidence(evidence));
    }
    let server = output
        .stdout
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("server="))
        .unwrap_or_default();
    if server.is_empty() || !config.version.accepts(server) {
        let wanted = match &config.version {
            DockerVersion::Pinned(wanted) if !server.is_empty() => {
                format!("docker {server} runs after the installation of {wanted}")
            }
            _ => "docker does not tell its version".to_owned(),
        };
        return Err(
            StepFailure::new(FailureCode::DockerVerifyFailed, wanted).with_evidence(evidence)
        );
    }
    Ok(reported(output))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn script_that_is_cut_off_tells_what_it_was_at() {
        let folder = tempfile::tempdir().unwrap();
        let script = PRELUDE.replace("/run/", &format!("{}/", folder.path().display()))
            + "\nlogged sh -c 'echo at work; exec tail -f /dev/null'\necho never";
        let output = Command::new("timeout")
            .args(["-k", "5", "1", "sh", "-c", &script])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(124));
        let told = String::from_utf8(output.stderr).unwrap();
        // The shell may add a message about the end of the command.
        assert_eq!(told.lines().next(), Some("at work"), "{told}");
        assert_eq!(output.stdout, b"");
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 0, "the folder of the script goes too");
    }

    #[test]
    fn every_script_is_valid_for_a_posix_shell() {
        let mut scripts = vec![
            super::super::PROBE.0.to_owned(),
            include_str!("../../readiness/probe.sh").to_owned(),
        ];
        for install_method in [InstallMethod::Apt, InstallMethod::Script] {
            for version in [
                DockerVersion::Latest,
                DockerVersion::Pinned("27.5.1".into()),
            ] {
                for change in [INSTALL, FINISH, COMPOSE, START, HOLD, RELEASE] {
                    let config = DockerConfig {
                        version: version.clone(),
                        install_method,
                        ..DockerConfig::default()
                    };
                    scripts.push(script(&config, change));
                }
            }
        }
        for script in scripts {
            let mut child = Command::new("sh")
                .arg("-n")
                .stdin(Stdio::piped())
                .spawn()
                .unwrap();
            let mut stdin = child.stdin.take().unwrap();
            stdin.write_all(script.as_bytes()).unwrap();
            drop(stdin);
            assert!(child.wait().unwrap().success(), "{script}");
        }
    }
}
