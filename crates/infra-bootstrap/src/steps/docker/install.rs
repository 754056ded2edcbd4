//! The scripts that install and start Docker.

use std::time::Duration;

use stagecraft_core::{
    FailureCode, Remote, RemoteCommand, RemoteOutput, Run, StepFailure, shell_quote,
};

use super::config::{DockerConfig, DockerVersion, InstallMethod};
use super::{COMPOSE, START, foreign};
use crate::failure;

const PRELUDE: &str = include_str!("prelude.sh");
const APT: &str = include_str!("apt.sh");
const VENDOR_SCRIPT: &str = include_str!("vendor_script.sh");
const RUNNING: &str = include_str!("start.sh");

/// The code with which a script ends when Docker is there but does not answer.
const NOT_RUNNING: u32 = 70;
/// The code with which a script ends when an engine runs that is not Docker's own package.
const FOREIGN: u32 = 71;
const DEADLINE: Duration = Duration::from_mins(14);
const EVIDENCE_LINES: usize = 12;

/// Carries out one change and verifies it.
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
) -> Result<(), StepFailure> {
    let command = RemoteCommand::script(script(config, change), DEADLINE);
    let output = remote.exec(run, &command).await.map_err(|error| {
        let code = failure::common_code(&error).unwrap_or(match error.kind() {
            stagecraft_core::ErrorKind::Unavailable => FailureCode::SshFailed,
            _ => FailureCode::DockerInstallFailed,
        });
        failure::of_error(code, &error)
    })?;
    verify(config, change, &output)
}

fn script(config: &DockerConfig, change: &str) -> String {
    let version = match &config.version {
        DockerVersion::Latest => "",
        DockerVersion::Pinned(version) => version,
    };
    // `27.5.1` must not match `27.5.10`, while `27.5` is to match `27.5.1`.
    let pattern = match version.split('.').count() {
        _ if version.is_empty() => String::new(),
        3 => format!("5:{version}-*"),
        _ => format!("5:{version}.*"),
    };
    let packages = match change {
        COMPOSE => "docker-buildx-plugin docker-compose-plugin",
        _ => "docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin",
    };
    let body = match (change, config.install_method) {
        (START, _) => "",
        (COMPOSE, _) | (_, InstallMethod::Apt | InstallMethod::Skip) => APT,
        (_, InstallMethod::Script) => VENDOR_SCRIPT,
    };
    format!(
        "version={}\npattern={}\npackages={}\n{PRELUDE}\n{body}\n{RUNNING}",
        shell_quote(version),
        shell_quote(&pattern),
        shell_quote(packages),
    )
}

fn verify(config: &DockerConfig, change: &str, output: &RemoteOutput) -> Result<(), StepFailure> {
    let tail = || output.tail(EVIDENCE_LINES);
    if output.exit == stagecraft_core::Exit::Code(NOT_RUNNING) {
        return Err(StepFailure::new(
            FailureCode::DockerVerifyFailed,
            "docker is installed but does not answer",
        )
        .with_evidence(tail()));
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
            _ => (
                FailureCode::DockerInstallFailed,
                "docker could not be installed",
            ),
        };
        return Err(StepFailure::new(code, what).with_evidence(tail()));
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
        return Err(StepFailure::new(FailureCode::DockerVerifyFailed, wanted).with_evidence(tail()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::super::INSTALL;
    use super::*;

    #[test]
    fn every_script_is_valid_for_a_posix_shell() {
        let mut scripts = vec![
            include_str!("probe.sh").to_owned(),
            include_str!("../../readiness/probe.sh").to_owned(),
        ];
        for install_method in [InstallMethod::Apt, InstallMethod::Script] {
            for version in [
                DockerVersion::Latest,
                DockerVersion::Pinned("27.5.1".into()),
            ] {
                for change in [INSTALL, COMPOSE, START] {
                    let config = DockerConfig {
                        enabled: true,
                        version: version.clone(),
                        install_method,
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

    #[test]
    fn pin_names_exactly_what_it_means() {
        let pattern = |version: &str| {
            let config = DockerConfig {
                version: version.parse().unwrap(),
                ..DockerConfig::default()
            };
            let script = script(&config, INSTALL);
            script.lines().nth(1).unwrap().to_owned()
        };
        assert_eq!(pattern("latest"), "pattern=''");
        assert_eq!(pattern("27.5.1"), "pattern='5:27.5.1-*'");
        assert_eq!(pattern("27.5"), "pattern='5:27.5.*'");
    }
}
