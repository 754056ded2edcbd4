//! What is read about Docker on a host.

use stagecraft_core::{FailureCode, ProbeFacts, StepFailure};

/// The releases for which Docker publishes packages:
/// <https://docs.docker.com/engine/install/ubuntu/#os-requirements> and `debian`.
const UBUNTU: &[&str] = &["22.04", "24.04", "24.10", "25.04", "25.10", "26.04"];
const DEBIAN: &[&str] = &["11", "12", "13"];

/// What the probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DockerFacts {
    os: String,
    release: String,
    /// The client's version, if there is a client.
    client: Option<String>,
    /// The engine's version, if it answers.
    pub(super) server: Option<String>,
    /// The Compose plugin's version, if it is there.
    pub(super) compose: Option<String>,
    /// Whether there is an engine at all: a client alone also comes with other packages.
    pub(super) has_engine: bool,
    /// Whether the engine is the package of Docker's own repository.
    pub(super) is_vendor_package: bool,
    /// Installed packages that Docker's own cannot stand beside.
    pub(super) conflicts: Vec<String>,
}

impl DockerFacts {
    /// Reads what the probe printed.
    ///
    /// # Errors
    ///
    /// `docker_detect_failed` if it did not come to its end.
    pub(super) fn parse(facts: &ProbeFacts) -> Result<Self, StepFailure> {
        let value = |key| {
            facts
                .value(key)
                .map(str::trim)
                .filter(|value| !value.is_empty())
                .map(ToOwned::to_owned)
        };
        if facts.code != 0 || value("probe").is_none() {
            return Err(StepFailure::new(
                FailureCode::DockerDetectFailed,
                format!(
                    "the state of docker could not be read (exit code {})",
                    facts.code
                ),
            )
            .with_evidence(facts.output.lines().map(ToOwned::to_owned)));
        }
        let client = match (value("path"), value("client")) {
            (None, _) => None,
            (Some(_), Some(client)) => Some(client_version(&client)?),
            (Some(path), None) => {
                return Err(StepFailure::new(
                    FailureCode::DockerDetectFailed,
                    format!("{path} does not tell its version"),
                ));
            }
        };
        let is_vendor_package = value("vendor").is_some();
        let conflicts: Vec<String> = value("conflicts")
            .unwrap_or_default()
            .split_whitespace()
            .map(ToOwned::to_owned)
            .collect();
        let server = value("server");
        Ok(Self {
            has_engine: is_vendor_package
                || server.is_some()
                || value("engine").is_some()
                || conflicts.iter().any(|package| package == "docker.io"),
            os: value("os").unwrap_or_default(),
            release: value("release").unwrap_or_default(),
            client,
            server,
            compose: value("compose"),
            is_vendor_package,
            conflicts,
        })
    }

    /// The version that is installed, if an engine is: its own, or else its client's.
    pub(super) fn version(&self) -> Option<&str> {
        let version = self.server.as_deref().or(self.client.as_deref());
        version.filter(|_| self.has_engine)
    }

    /// Whether Docker can be installed here.
    ///
    /// # Errors
    ///
    /// `docker_install_failed`, which names the system.
    pub(super) fn check_supported(&self) -> Result<(), StepFailure> {
        let supported = match self.os.as_str() {
            "ubuntu" => UBUNTU,
            "debian" => DEBIAN,
            _ => &[],
        };
        if supported.contains(&self.release.as_str()) {
            return Ok(());
        }
        Err(StepFailure::new(
            FailureCode::DockerInstallFailed,
            format!(
                "docker cannot be installed on `{} {}`",
                self.os, self.release
            ),
        )
        .with_evidence([
            format!("supported: ubuntu {}", UBUNTU.join(", ")),
            format!("supported: debian {}", DEBIAN.join(", ")),
        ]))
    }
}

/// The version in a line such as `Docker version 27.5.1, build 9f9e405`.
fn client_version(line: &str) -> Result<String, StepFailure> {
    line.split_whitespace()
        .map(|word| word.trim_end_matches(','))
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        .map(ToOwned::to_owned)
        .ok_or_else(|| {
            StepFailure::new(
                FailureCode::DockerDetectFailed,
                "the version of docker could not be understood",
            )
            .with_evidence([line.to_owned()])
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(output: &str) -> Result<DockerFacts, StepFailure> {
        DockerFacts::parse(&ProbeFacts {
            output: format!("{output}\nprobe=done\n"),
            code: 0,
        })
    }

    #[test]
    fn versions_are_read_with_and_without_an_engine() {
        let facts = parse("path=/usr/bin/docker\nclient=Docker version 27.5.1, build 9f9e405\nserver=\ncompose=2.32.4\nvendor=yes").unwrap();
        assert_eq!(facts.version(), Some("27.5.1"));
        assert_eq!(facts.server, None);
        assert_eq!(facts.compose.as_deref(), Some("2.32.4"));
        assert_eq!(parse("os=debian").unwrap().version(), None);
    }

    #[test]
    fn client_without_an_engine_counts_as_missing() {
        let client = "path=/usr/bin/docker\nclient=Docker version 27.5.1, build 9f9e405";
        assert_eq!(parse(client).unwrap().version(), None);
        for engine in [
            "engine=/usr/bin/dockerd",
            "conflicts= docker.io runc",
            "server=27.5.1",
        ] {
            let facts = parse(&format!("{client}\n{engine}")).unwrap();
            assert_eq!(facts.version(), Some("27.5.1"), "{engine}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_a_failure_to_detect() {
        for output in [
            "path=/usr/bin/docker\nclient=",
            "path=/usr/bin/docker\nclient=Emulate Docker CLI",
        ] {
            let failure = parse(output).unwrap_err();
            assert_eq!(failure.code, FailureCode::DockerDetectFailed);
        }
        let cut = ProbeFacts {
            output: "os=debian\n".into(),
            code: 2,
        };
        let failure = DockerFacts::parse(&cut).unwrap_err();
        assert_eq!(failure.code, FailureCode::DockerDetectFailed);
        assert_eq!(failure.evidence, ["os=debian"]);
    }

    #[test]
    fn unsupported_systems_are_refused_by_name() {
        for (os, release) in [
            ("ubuntu", "20.04"),
            ("debian", "10"),
            ("fedora", "43"),
            ("", ""),
        ] {
            let facts = parse(&format!("os={os}\nrelease={release}")).unwrap();
            let failure = facts.check_supported().unwrap_err();
            assert_eq!(failure.code, FailureCode::DockerInstallFailed);
            assert!(failure.message.contains(&format!("`{os} {release}`")));
        }
        for (os, release) in [("ubuntu", "22.04"), ("ubuntu", "26.04"), ("debian", "13")] {
            let facts = parse(&format!("os={os}\nrelease={release}")).unwrap();
            facts.check_supported().unwrap();
        }
    }
}
