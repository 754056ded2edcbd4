//! The step `docker`: Docker Engine and the Compose plugin.

mod config;
mod facts;
mod install;
mod source;

use async_trait::async_trait;
use stagecraft_core::{
    Advice, Change, Decision, FailureCode, HostContext, HostStep, ProbeFacts, ProbeScript, Remote,
    Result, Run, StepFailure,
};

pub use config::{DockerConfig, DockerVersion, InstallMethod};
use facts::DockerFacts;
pub(super) use install::PRELUDE as APT_PRELUDE;
pub use source::{DockerPackages, DownloadUrl, PackageName};

/// The step's id.
pub(super) const ID: &str = "docker";

const PROBE: ProbeScript = ProbeScript(include_str!("docker/probe.sh"));

const INSTALL: &str = "install";
const COMPOSE: &str = "compose";
const START: &str = "start";
const HOLD: &str = "hold";
const RELEASE: &str = "release";

/// Makes Docker Engine and the Compose plugin run on a host.
///
/// An engine that runs is left alone, however it came to be there, as long as its version is
/// the wanted one: another version is a failure, never a silent up- or downgrade. So is one that
/// runs without the Compose plugin and is not Docker's own package: to replace it would end its
/// containers. One that does not run is replaced by Docker's own package if the plugin is missing;
/// the change names the packages that go, and they go only once Docker's own can be installed.
#[derive(Debug, Clone)]
pub struct DockerStep {
    config: DockerConfig,
}

impl DockerStep {
    /// Uses this configuration.
    pub fn new(config: DockerConfig) -> Self {
        Self { config }
    }

    fn install(&self, facts: &DockerFacts) -> Result<Decision, StepFailure> {
        facts.check_supported()?;
        let what = match &self.config.version {
            DockerVersion::Latest => "install the latest docker".to_owned(),
            DockerVersion::Pinned(version) => format!("install docker {version}"),
        };
        Ok(changes(INSTALL, what + &self.instead(facts)))
    }

    /// The packages that an installation takes away.
    fn instead(&self, facts: &DockerFacts) -> String {
        match facts.conflicts(&self.config.packages).as_slice() {
            [] => String::new(),
            packages => format!(" in place of {}", packages.join(", ")),
        }
    }

    /// What an engine of the wanted version with its plugin still lacks.
    fn settle(&self, facts: &DockerFacts) -> Decision {
        let packages = &self.config.packages;
        let mut changes = Vec::new();
        if facts.server.is_none() {
            changes.push(Change::new(START, "start docker"));
        } else if facts.is_disabled {
            changes.push(Change::new(START, "let docker start with the host"));
        }
        match &self.config.version {
            DockerVersion::Latest => {
                let held = facts.held(packages, true);
                if !held.is_empty() {
                    let summary = format!("take the hold off {}", held.join(", "));
                    changes.push(Change::new(RELEASE, summary));
                }
            }
            DockerVersion::Pinned(version) => {
                let free = facts.held(packages, false);
                if facts.is_wanted_package(packages) && !free.is_empty() {
                    let summary = format!("hold {} at {version}", free.join(", "));
                    changes.push(Change::new(HOLD, summary));
                }
            }
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

    fn decide(&self, facts: &ProbeFacts, _: &HostContext) -> Result<Decision, StepFailure> {
        if !self.config.enabled {
            return Ok(Decision::Skip("docker is not enabled".to_owned()));
        }
        if self.config.install_method == InstallMethod::Skip {
            return Ok(Decision::Skip("install_method is skip".to_owned()));
        }
        let facts = DockerFacts::parse(facts)?;
        let unfinished = facts.unfinished(&self.config.packages);
        if !unfinished.is_empty() {
            facts.check_supported()?;
            let what = format!("finish the installation of {}", unfinished.join(", "));
            return Ok(changes(INSTALL, what + &self.instead(&facts)));
        }
        let Some(present) = facts.version() else {
            return self.install(&facts);
        };
        if let DockerVersion::Pinned(wanted) = &self.config.version
            && !self.config.version.accepts(present)
        {
            return Err(StepFailure::new(
                FailureCode::DockerVerifyFailed,
                format!("docker {present} is installed, but the configuration wants {wanted}"),
            )
            .with_evidence([
                "an installed docker is never replaced by another version: change it by hand, or set `version`".to_owned(),
            ]));
        }
        if facts.compose.is_none() {
            return if facts.is_wanted_package(&self.config.packages) {
                facts.check_supported()?;
                let what = "install the compose plugin".to_owned();
                Ok(changes(COMPOSE, what + &self.instead(&facts)))
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
        _: &HostContext,
        changes: &[Change],
    ) -> Result<(), StepFailure> {
        for change in changes {
            install::carry_out(run, remote, &self.config, change.id).await?;
        }
        Ok(())
    }
}

/// The failure of a host whose engine is not Docker's own package, lacks the plugin and runs.
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
