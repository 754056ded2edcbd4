//! What is read about Docker on a host.

use stagecraft_core::{FailureCode, ProbeFacts, StepFailure};

use super::source::DockerPackages;

/// The releases for which Docker publishes packages:
/// <https://docs.docker.com/engine/install/ubuntu/#os-requirements> and `debian`.
const UBUNTU: &[&str] = &["22.04", "24.04", "25.10", "26.04"];
const DEBIAN: &[&str] = &["11", "12", "13"];

/// Packages that Docker's own cannot stand beside:
/// <https://docs.docker.com/engine/install/debian/#uninstall-old-versions>, and Debian's client,
/// whose files are those of `docker-ce-cli`:
/// <https://github.com/docker/docker-ce-packaging/pull/1328>.
pub(super) const CONFLICTS: &[&str] = &[
    "docker.io",
    "docker-cli",
    "docker-buildx",
    "docker-compose",
    "docker-compose-v2",
    "docker-doc",
    "podman-docker",
    "containerd",
    "runc",
];

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
    /// Whether the service starts with the host. Not known for an engine without a unit.
    pub(super) is_disabled: bool,
    /// Whether there is an engine's program at all: a client alone also comes with other packages.
    has_daemon: bool,
    packages: Vec<Package>,
}

/// A package as dpkg knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Package {
    name: String,
    is_held: bool,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Absent,
    Installed,
    /// Unpacked, half configured and alike.
    Unfinished,
}

impl Package {
    /// Reads a line such as `hi  docker-ce 5:27.5.1-1~debian.13~trixie`: see dpkg-query(1).
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let mut letters = words.next()?.chars();
        let (wanted, state) = (letters.next()?, letters.next()?);
        let is_broken = letters.next().is_some();
        Some(Self {
            name: words.next()?.to_owned(),
            is_held: wanted == 'h',
            state: match state {
                _ if is_broken => State::Unfinished,
                'i' => State::Installed,
                'U' | 'F' | 'H' | 'W' | 't' => State::Unfinished,
                _ => State::Absent,
            },
        })
    }
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
            (Some(_), None) if value("server").is_some() => None,
            (Some(path), None) => {
                return Err(StepFailure::new(
                    FailureCode::DockerDetectFailed,
                    format!("{path} does not tell its version"),
                ));
            }
        };
        let packages = facts.output.lines();
        let packages = packages.filter_map(|line| Package::parse(line.strip_prefix("package=")?));
        Ok(Self {
            has_daemon: value("engine").is_some(),
            is_disabled: value("enabled").as_deref() == Some("disabled"),
            os: value("os").unwrap_or_default(),
            release: value("release").unwrap_or_default(),
            client,
            server: value("server"),
            compose: value("compose"),
            packages: packages.collect(),
        })
    }

    fn is(&self, name: &str, state: State) -> bool {
        let mut found = self.packages.iter().filter(|package| package.name == name);
        found.any(|package| package.state == state)
    }

    /// Whether the engine is the wanted package.
    pub(super) fn is_wanted_package(&self, wanted: &DockerPackages) -> bool {
        self.is(wanted.engine.as_str(), State::Installed)
    }

    /// Wanted packages whose installation was begun and did not come to its end.
    pub(super) fn unfinished<'a>(&self, wanted: &'a DockerPackages) -> Vec<&'a str> {
        let names = wanted.all().into_iter();
        names
            .filter(|name| self.is(name, State::Unfinished))
            .collect()
    }

    /// Installed packages that the wanted ones cannot stand beside.
    pub(super) fn conflicts(&self, wanted: &DockerPackages) -> Vec<&'static str> {
        let rivals = CONFLICTS.iter().copied();
        rivals
            .filter(|name| !wanted.all().contains(name) && self.is(name, State::Installed))
            .collect()
    }

    /// Of engine and client, those that are installed and on hold, or not on hold.
    pub(super) fn held<'a>(&self, wanted: &'a DockerPackages, is_held: bool) -> Vec<&'a str> {
        let names = [wanted.engine.as_str(), wanted.cli.as_str()].into_iter();
        let fits = |name: &str| {
            self.packages.iter().any(|package| {
                package.name == name
                    && package.state == State::Installed
                    && package.is_held == is_held
            })
        };
        names.filter(|name| fits(name)).collect()
    }

    /// The version that is installed, if an engine is: its own, or else its client's.
    pub(super) fn version(&self) -> Option<&str> {
        let has_engine = self.server.is_some()
            || self.has_daemon
            || ["docker-ce", "docker.io"]
                .iter()
                .any(|name| self.is(name, State::Installed));
        let version = self.server.as_deref().or(self.client.as_deref());
        version.filter(|_| has_engine)
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
        let facts = parse("path=/usr/bin/docker\nclient=Docker version 27.5.1, build 9f9e405\nserver=\ncompose=2.32.4\npackage=ii  docker-ce 5:27.5.1-1").unwrap();
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
            "package=ii  docker.io 27.5.1",
            "server=27.5.1",
        ] {
            let facts = parse(&format!("{client}\n{engine}")).unwrap();
            assert_eq!(facts.version(), Some("27.5.1"), "{engine}");
        }
    }

    #[test]
    fn packages_are_told_apart_by_what_dpkg_says_of_them() {
        let facts = parse(
            "package=hi  docker-ce 5:27.5.1-1\npackage=iF  docker-ce-cli 5:27.5.1-1\npackage=iHR containerd.io 1\npackage=rc  docker.io 26\npackage=ii  runc 1\npackage=un  docker-doc ",
        )
        .unwrap();
        let wanted = DockerPackages::default();
        assert!(facts.is_wanted_package(&wanted));
        assert_eq!(
            facts.unfinished(&wanted),
            ["docker-ce-cli", "containerd.io"]
        );
        assert_eq!(facts.conflicts(&wanted), ["runc"]);
        assert_eq!(facts.held(&wanted, true), ["docker-ce"]);
        assert!(facts.held(&wanted, false).is_empty());
        let distribution = DockerPackages {
            engine: "docker.io".parse().unwrap(),
            containerd: "runc".parse().unwrap(),
            ..DockerPackages::default()
        };
        assert!(facts.conflicts(&distribution).is_empty());
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
            ("ubuntu", "25.04"),
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
