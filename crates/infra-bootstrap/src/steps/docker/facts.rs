//! The facts about Docker that are read from a host.

use stagecraft_core::{FailureCode, ProbeFacts, StepFailure};

use super::package::{Package, State};
use super::source::DockerPackages;

/// The releases for which Docker publishes packages:
/// <https://docs.docker.com/engine/install/ubuntu/#os-requirements> and `debian`.
const UBUNTU: &[&str] = &["22.04", "24.04", "25.10", "26.04"];
const DEBIAN: &[&str] = &["11", "12", "13"];

/// Packages that conflict with Docker's own:
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

/// Conflicting packages that share files with Docker's own without declaring it to apt: they must
/// be removed before Docker's are unpacked.
pub(super) const SHARED: &[&str] = &[
    "docker-cli",
    "docker-buildx",
    "docker-compose",
    "docker-compose-v2",
    "podman-docker",
];

/// The package that makes Podman answer as `docker`.
const PODMAN_SHIM: &str = "podman-docker";

/// The result of the probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DockerFacts {
    os: String,
    release: String,
    /// The client's version, if there is a client.
    client: Option<String>,
    /// The version of the engine behind the host's own socket, if it is Docker's and answers.
    pub(super) server: Option<String>,
    /// Another program that answers in Docker's place.
    pub(super) impostor: Option<Impostor>,
    /// The Compose plugin's version, if it is installed.
    pub(super) compose: Option<String>,
    /// Whether the service does not start with the host. Unknown for an engine without a unit.
    pub(super) is_disabled: bool,
    /// Whether there is an engine's program at all: a client alone also comes with other packages.
    has_daemon: bool,
    /// Whether an installed or started engine has not yet run a container.
    pub(super) is_unverified: bool,
    /// The files besides `docker.sources` that declare Docker's repository.
    pub(super) sources: Vec<Declared>,
    packages: Vec<Package>,
}

/// A program other than Docker that answers in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Impostor {
    /// The name that it reports, such as `podman version 5.4.2`.
    pub(super) name: String,
    /// Where it answers: the client's path, or the engine's socket.
    pub(super) place: String,
}

/// An apt source file that declares Docker's repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Declared {
    pub(super) path: String,
    /// Whether it declares others too, so that it cannot be moved away.
    pub(super) is_mixed: bool,
}

impl Declared {
    /// Parses a line such as `whole /etc/apt/sources.list.d/docker.list`.
    fn parse(line: &str) -> Option<Self> {
        let (kind, path) = line.split_once(' ')?;
        Some(Self {
            path: path.to_owned(),
            is_mixed: kind == "mixed",
        })
    }
}

impl DockerFacts {
    /// Parses the output of the probe.
    ///
    /// # Errors
    ///
    /// `docker_detect_failed` if it is incomplete.
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
        let (client, impostor) = match (value("path"), value("server"), value("other")) {
            (None, ..) | (_, Some(_), _) => (None, None),
            (_, None, Some(name)) => {
                let place = "the socket /run/docker.sock".to_owned();
                (None, Some(Impostor { name, place }))
            }
            (Some(place), None, None) => match value("client") {
                Some(name) if is_of_another(&name) => {
                    let target = value("target").filter(|target| *target != place);
                    let place = match target {
                        Some(target) => format!("{place} -> {target}"),
                        None => place,
                    };
                    (None, Some(Impostor { name, place }))
                }
                Some(client) => (Some(client_version(&client)?), None),
                None => {
                    return Err(StepFailure::new(
                        FailureCode::DockerDetectFailed,
                        format!("{place} does not tell its version"),
                    ));
                }
            },
        };
        let lines = |key: &'static str| {
            let lines = facts.output.lines();
            lines.filter_map(move |line| line.strip_prefix(key)?.strip_prefix('='))
        };
        Ok(Self {
            has_daemon: value("engine").is_some(),
            is_disabled: value("enabled").as_deref() == Some("disabled"),
            is_unverified: value("unverified").is_some(),
            os: value("os").unwrap_or_default(),
            release: value("release").unwrap_or_default(),
            client,
            server: value("server"),
            impostor,
            compose: value("compose"),
            sources: lines("source").filter_map(Declared::parse).collect(),
            packages: lines("package").filter_map(Package::parse).collect(),
        })
    }

    fn package(&self, name: &str) -> Option<&Package> {
        let mut found = self.packages.iter();
        found.find(|package| package.name == name && package.state != State::Absent)
    }

    /// Whether the engine is the wanted package.
    pub(super) fn is_wanted_package(&self, wanted: &DockerPackages) -> bool {
        let engine = self.package(wanted.engine.as_str());
        engine.is_some_and(|engine| engine.state == State::Installed)
    }

    /// Returns the version of the wanted engine package, complete or not, without its epoch.
    pub(super) fn engine_version(&self, wanted: &DockerPackages) -> Option<&str> {
        self.package(wanted.engine.as_str()).map(Package::upstream)
    }

    /// Returns wanted packages whose installation was begun and not completed, with versions.
    pub(super) fn unfinished(&self, wanted: &DockerPackages) -> Vec<String> {
        let packages = wanted.all().into_iter();
        packages
            .filter_map(|name| self.package(name))
            .filter(|package| package.state == State::Unfinished)
            .map(ToString::to_string)
            .collect()
    }

    /// Returns wanted packages that are not installed at all. A plugin may be missing on purpose if
    /// the engine is complete; then only Compose is wanted.
    pub(super) fn missing<'a>(&self, wanted: &'a DockerPackages) -> Vec<&'a str> {
        let mut names = wanted.all().to_vec();
        if self.is_wanted_package(wanted) {
            names.retain(|name| *name != wanted.buildx.as_str());
        }
        names.retain(|name| self.package(name).is_none());
        names
    }

    /// Returns the installed client of an engine that is yet to be installed.
    pub(super) fn lone_client(&self, wanted: &DockerPackages) -> Option<String> {
        match self.package(wanted.engine.as_str()) {
            None => self.package(wanted.cli.as_str()).map(ToString::to_string),
            Some(_) => None,
        }
    }

    /// Returns installed packages that conflict with the wanted ones.
    pub(super) fn conflicts(&self, wanted: &DockerPackages) -> Vec<&'static str> {
        let rivals = CONFLICTS.iter().copied();
        rivals
            .filter(|name| !wanted.all().contains(name) && self.package(name).is_some())
            .collect()
    }

    /// Whether the program that answers as Docker comes from a package that Docker's replaces.
    pub(super) fn has_podman_shim(&self) -> bool {
        self.package(PODMAN_SHIM).is_some()
    }

    /// Returns those of engine and client that are installed and on hold, or not on hold.
    pub(super) fn held<'a>(&self, wanted: &'a DockerPackages, is_held: bool) -> Vec<&'a str> {
        let names = [wanted.engine.as_str(), wanted.cli.as_str()].into_iter();
        let fits = |name: &&str| {
            let package = self.package(name);
            package.is_some_and(|package| package.is_held == is_held)
        };
        names.filter(fits).collect()
    }

    /// Returns the installed version, if an engine is installed: its own, or else its client's.
    pub(super) fn version(&self) -> Option<&str> {
        let has_engine = self.server.is_some()
            || self.has_daemon
            || ["docker-ce", "docker.io"]
                .iter()
                .any(|name| self.package(name).is_some());
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

/// Whether a client's version is that of another program, such as `podman version 5.4.2`. Podman
/// uses the name that it was called by: `docker version 5.4.2`, and Docker `Docker version 27.5.1`.
fn is_of_another(line: &str) -> bool {
    let mut words = line.split_whitespace();
    words.next() != Some("Docker") && words.next() == Some("version")
}

/// Parses the version in a line such as `Docker version 27.5.1, build 9f9e405`.
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
            ["docker-ce-cli 5:27.5.1-1", "containerd.io 1"]
        );
        assert_eq!(facts.conflicts(&wanted), ["runc"]);
        assert_eq!(facts.held(&wanted, true), ["docker-ce"]);
        assert_eq!(facts.held(&wanted, false), ["docker-ce-cli"]);
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
