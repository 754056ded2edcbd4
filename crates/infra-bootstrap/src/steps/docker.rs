//! The step `docker`: Docker Engine and the Compose plugin.

mod config;
mod facts;
mod install;
mod package;
mod source;

use async_trait::async_trait;
use stagecraft_core::{
    Advice, Change, Decision, FailureCode, HostContext, HostStep, ProbeFacts, ProbeScript, Remote,
    Result, Run, StepFailure,
};

pub use config::{DockerConfig, DockerVersion, InstallMethod};
use facts::{DockerFacts, Impostor, SHARED};
pub(super) use install::PRELUDE as APT_PRELUDE;
pub use source::{DockerPackages, DownloadUrl, PackageName};

/// The step's id.
pub(super) const ID: &str = "docker";

const PROBE: ProbeScript = ProbeScript(concat!(
    include_str!("docker/client.sh"),
    include_str!("docker/sources.sh"),
    include_str!("docker/probe.sh"),
));

const INSTALL: &str = "install";
const FINISH: &str = "finish";
const COMPOSE: &str = "compose";
const START: &str = "start";
const HOLD: &str = "hold";
const RELEASE: &str = "release";

/// Ensures that Docker Engine and the Compose plugin run on a host.
///
/// The engine is the one behind the host's own socket, whatever contexts and variables say.
///
/// A running engine of the wanted version is left alone, whatever its origin. Another version is
/// a failure, never a silent up- or downgrade. So is a running engine without the Compose plugin
/// that is not Docker's own package: replacing it would stop its containers. An engine that does
/// not run is replaced by Docker's own package if the plugin is missing. The change names the
/// packages to be removed, and they are removed only once Docker's own are downloaded.
/// Podman that answers as `docker` counts as no Docker.
#[derive(Debug, Clone)]
pub struct DockerStep {
    config: DockerConfig,
}

impl DockerStep {
    /// Creates the step with this configuration.
    pub fn new(config: DockerConfig) -> Self {
        Self { config }
    }

    fn install(&self, facts: &DockerFacts) -> Result<Decision, StepFailure> {
        let packages = &self.config.packages;
        let is_shared = |name: &&str| SHARED.contains(name);
        let shared: Vec<_> = facts.conflicts(packages);
        let shared: Vec<_> = shared.into_iter().filter(is_shared).collect();
        if self.config.install_method == InstallMethod::Script && !shared.is_empty() {
            let what = format!("docker's script cannot replace {}", shared.join(", "));
            return Err(StepFailure::new(FailureCode::ConfigInvalid, what).with_evidence([
                "they would have to go before it has downloaded anything: set `install_method: apt`, or remove them by hand".to_owned(),
            ]));
        }
        let mut what = match &self.config.version {
            DockerVersion::Latest => "install the latest docker".to_owned(),
            DockerVersion::Pinned(version) => format!("install docker {version}"),
        };
        if let Some(client) = facts.lone_client(packages) {
            what = format!("{what} with a client of its version instead of {client}");
        }
        self.by_repository(facts, INSTALL, what)
    }

    /// Returns a change that may install from the repository, with all packages that it replaces.
    fn by_repository(
        &self,
        facts: &DockerFacts,
        id: &'static str,
        mut what: String,
    ) -> Result<Decision, StepFailure> {
        facts.check_supported()?;
        if let Some(mixed) = facts.sources.iter().find(|source| source.is_mixed) {
            return Err(StepFailure::new(
                FailureCode::DockerInstallFailed,
                format!(
                    "{} declares docker's repository together with others",
                    mixed.path
                ),
            )
            .with_evidence([
                "apt refuses two declarations with different keys: take docker's out of that file, then run again".to_owned(),
            ]));
        }
        let conflicts = facts.conflicts(&self.config.packages);
        if !conflicts.is_empty() {
            what = format!("{what} in place of {}", conflicts.join(", "));
        }
        let sources: Vec<_> = facts.sources.iter().map(|source| &*source.path).collect();
        if !sources.is_empty() {
            let sources = sources.join(", ");
            what = format!("{what}, replacing its repository in {sources}");
        }
        Ok(changes(id, what))
    }

    /// Completes an interrupted installation, at the versions that it began with.
    fn finish(&self, facts: &DockerFacts, unfinished: &[String]) -> Result<Decision, StepFailure> {
        let packages = &self.config.packages;
        if let Some(present) = facts.engine_version(packages) {
            self.check_version(present)?;
        }
        let mut what = format!("finish the installation of {}", unfinished.join(", "));
        let missing = facts.missing(packages);
        let decision = if missing.is_empty() {
            facts.check_supported()?;
            changes(FINISH, what)
        } else {
            what = format!("{what}, install {}", missing.join(", "));
            self.by_repository(facts, FINISH, what)?
        };
        let Decision::Change(mut changes) = decision else {
            return Ok(decision);
        };
        changes.extend(self.holds(facts, &missing));
        Ok(changes.into())
    }

    /// Refuses an engine of a version other than the wanted one.
    fn check_version(&self, present: &str) -> Result<(), StepFailure> {
        match &self.config.version {
            DockerVersion::Pinned(wanted) if !self.config.version.accepts(present) => {
                Err(StepFailure::new(
                    FailureCode::DockerVerifyFailed,
                    format!("docker {present} is installed, but the configuration wants {wanted}"),
                )
                .with_evidence([
                    "an installed docker is never replaced by another version: change it by hand, or set `version`".to_owned(),
                ]))
            }
            _ => Ok(()),
        }
    }

    /// Returns the change of holds, if one is needed once these packages are installed too.
    fn holds(&self, facts: &DockerFacts, coming: &[&str]) -> Option<Change> {
        let packages = &self.config.packages;
        let names = [packages.engine.as_str(), packages.cli.as_str()];
        let (id, is_held) = match self.config.version {
            DockerVersion::Latest => (RELEASE, true),
            DockerVersion::Pinned(_) => (HOLD, false),
        };
        let mut found = facts.held(packages, is_held);
        if id == HOLD {
            found.extend(names.into_iter().filter(|name| coming.contains(name)));
        }
        if found.is_empty() {
            return None;
        }
        let found = found.join(", ");
        Some(Change::new(
            id,
            match &self.config.version {
                DockerVersion::Latest => format!("take the hold off {found}"),
                DockerVersion::Pinned(version) => format!("hold {found} at {version}"),
            },
        ))
    }

    /// Returns what is missing from an engine of the wanted version with its plugin.
    fn settle(&self, facts: &DockerFacts) -> Decision {
        let mut changes = Vec::new();
        if facts.server.is_none() {
            changes.push(Change::new(START, "start docker"));
        } else if facts.is_disabled {
            changes.push(Change::new(START, "let docker start with the host"));
        } else if facts.is_unverified {
            changes.push(Change::new(START, "check that docker runs a container"));
        }
        if self.config.version == DockerVersion::Latest
            || facts.is_wanted_package(&self.config.packages)
        {
            changes.extend(self.holds(facts, &[]));
        }
        changes.into()
    }
}

#[async_trait]
impl HostStep for DockerStep {
    fn id(&self) -> &'static str {
        ID
    }

    fn inspect(&self) -> ProbeScript {
        PROBE
    }

    fn inspect_args(&self) -> Vec<String> {
        let packages = self.config.packages.all();
        let words = std::iter::once(self.config.mirror.as_str()).chain(packages);
        words.map(ToOwned::to_owned).collect()
    }

    fn decide(&self, facts: &ProbeFacts, _: &HostContext) -> Result<Decision, StepFailure> {
        if !self.config.enabled {
            let packages = &self.config.packages;
            let stays =
                DockerFacts::parse(facts).is_ok_and(|facts| facts.is_wanted_package(packages));
            // Containers and their data stay, and an engine that stays needs its updates.
            let how = if stays {
                "; the installed engine and its package source stay"
            } else {
                ""
            };
            return Ok(Decision::Skip(format!("docker is not enabled{how}")));
        }
        if self.config.install_method == InstallMethod::Skip {
            return Ok(Decision::Skip("install_method is skip".to_owned()));
        }
        let facts = DockerFacts::parse(facts)?;
        if let Some(impostor) = &facts.impostor
            && !facts.has_podman_shim()
        {
            return Err(refused(impostor));
        }
        let unfinished = facts.unfinished(&self.config.packages);
        if !unfinished.is_empty() {
            return self.finish(&facts, &unfinished);
        }
        let Some(present) = facts.version() else {
            return self.install(&facts);
        };
        self.check_version(present)?;
        if facts.compose.is_none() {
            return if facts.is_wanted_package(&self.config.packages) {
                self.by_repository(&facts, COMPOSE, "install the compose plugin".to_owned())
            } else if let Some(server) = &facts.server {
                Err(foreign(Some(server)))
            } else {
                self.install(&facts)
            };
        }
        Ok(self.settle(&facts))
    }

    async fn change(
        &self,
        run: &Run,
        remote: &dyn Remote,
        host: &HostContext,
        changes: &[Change],
    ) -> Result<(), StepFailure> {
        self.change_and_report(run, remote, host, changes).await?;
        Ok(())
    }

    async fn change_and_report(
        &self,
        run: &Run,
        remote: &dyn Remote,
        _: &HostContext,
        changes: &[Change],
    ) -> Result<Vec<String>, StepFailure> {
        let mut reported = Vec::new();
        for change in changes {
            reported.extend(install::carry_out(run, remote, &self.config, change.id).await?);
        }
        Ok(reported)
    }
}

/// Returns the failure of a host where another program has Docker's name or its socket.
fn refused(impostor: &Impostor) -> StepFailure {
    let Impostor { name, place } = impostor;
    StepFailure::new(
        FailureCode::DockerVerifyFailed,
        format!("{name} answers as docker at {place}"),
    )
    .with_evidence([format!(
        "docker is not installed beside a program in its place: remove it from {place}, or set `install_method: skip`"
    )])
}

/// Returns the failure of a host whose engine is not Docker's package, lacks the plugin and runs.
fn foreign(version: Option<&str>) -> StepFailure {
    let version = version.map(|version| format!(" {version}"));
    StepFailure::new(
        FailureCode::DockerVerifyFailed,
        format!(
            "docker{} runs without the compose plugin, and is not docker's own package",
            version.unwrap_or_default()
        ),
    )
    .with_advice(Advice::ChangeFirst)
    .with_evidence([
        "an engine that runs is never replaced: install the distribution's compose package (docker-compose-v2 on ubuntu), or remove the engine (docker.io) by hand, then run again".to_owned(),
    ])
}

fn changes(id: &'static str, summary: String) -> Decision {
    Decision::Change(vec![Change::new(id, summary)])
}
