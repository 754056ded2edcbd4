//! The provider: Stagecraft's contract, carried out with the `tailscale` command on each host.

use async_trait::async_trait;
use stagecraft_core::{
    Change, Error, ErrorKind, Joined, NetworkProvider, NodeName, NodeSpec, ProbeFacts, ProbeScript,
    Remote, Result, Run, SecretSource, StepOutcome, shorten,
};

use crate::config::TailscaleConfig;
use crate::converge::{converge, converge_client};
use crate::decide::{self, Action, Target};
use crate::error::ID;
use crate::facts::{HostFacts, PROBE};
use crate::session::{Session, Waits};

/// The longest health report that is shown, in characters.
const REPORT_LIMIT: usize = 300;

/// Makes hosts members of a tailnet.
#[derive(Debug, Clone)]
pub struct Tailscale {
    config: TailscaleConfig,
    auth_key: SecretSource,
    waits: Waits,
}

/// A host that [`Tailscale::ensure_joined`] has brought into the tailnet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ensured {
    /// The node.
    pub joined: Joined,
    /// What had to be changed, in the order in which it was done. Empty: nothing.
    pub changes: Vec<Change>,
}

impl Tailscale {
    /// Makes a provider of a configuration. Reads no secret and does no I/O.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if `auth_key_env` cannot be the name of a variable. The error does
    /// not repeat the value, which may be a key in the wrong place.
    pub fn new(config: TailscaleConfig) -> Result<Self> {
        let auth_key = config.auth_key().map_err(|error| {
            Error::new(
                ErrorKind::Config,
                format!("tailscale provider: {}", error.message),
            )
            .with_provider(ID)
            .with_operation("build")
        })?;
        Ok(Self {
            config,
            auth_key,
            waits: Waits::default(),
        })
    }

    pub(crate) fn with_waits(mut self, waits: Waits) -> Self {
        self.waits = waits;
        self
    }

    /// The configuration.
    pub fn config(&self) -> &TailscaleConfig {
        &self.config
    }

    /// Makes sure that the client is installed, new enough, and that its daemon answers.
    ///
    /// A host with all that is left alone: [`StepOutcome::Unchanged`]. Safe to repeat, also
    /// after an installation that was cut off.
    ///
    /// # Errors
    ///
    /// Those of [`change`](NetworkProvider::change) with the operation `install`.
    pub async fn ensure_installed(
        &self,
        run: &Run,
        remote: &dyn Remote,
        node: &NodeSpec,
    ) -> Result<StepOutcome> {
        let session = self.session(run, remote, node);
        let done = converge_client(&session).await?;
        Ok(if done.is_empty() {
            StepOutcome::Unchanged
        } else {
            let changes = changes(&done, &session.target);
            StepOutcome::Changed {
                changes: changes.into_iter().map(|change| change.summary).collect(),
            }
        })
    }

    /// Makes sure that the host is a connected member of the tailnet, with all that it takes.
    ///
    /// A member in good order is left alone, and the auth key is not even read. Safe to
    /// repeat.
    ///
    /// # Errors
    ///
    /// Those of [`change`](NetworkProvider::change).
    pub async fn ensure_joined(
        &self,
        run: &Run,
        remote: &dyn Remote,
        node: &NodeSpec,
    ) -> Result<Ensured> {
        let session = self.session(run, remote, node);
        let (joined, done) = converge(&session).await?;
        Ok(Ensured {
            joined,
            changes: changes(&done, &session.target),
        })
    }

    fn session<'a>(
        &'a self,
        run: &'a Run,
        remote: &'a dyn Remote,
        node: &'a NodeSpec,
    ) -> Session<'a> {
        Session {
            run,
            remote,
            auth_key: &self.auth_key,
            target: Target::new(&self.config, node),
            waits: self.waits,
        }
    }
}

#[async_trait]
impl NetworkProvider for Tailscale {
    fn id(&self) -> &'static str {
        ID
    }

    fn join_secrets(&self) -> Vec<SecretSource> {
        vec![self.auth_key.clone()]
    }

    fn probe(&self) -> ProbeScript {
        ProbeScript(PROBE)
    }

    /// The changes bear the ids `install`, `daemon`, `start`, `reconnect`, `join`, `retag`,
    /// `settings` and `clean`.
    ///
    /// A host that is a member of another tailnet, or of another control server, is refused:
    /// it is not ours to move. So is a member that has asked for its name and was given another,
    /// since an old device still has it.
    fn decide(&self, facts: &ProbeFacts, node: &NodeSpec) -> Result<Vec<Change>> {
        let facts = HostFacts::parse(facts)?;
        let target = Target::new(&self.config, node);
        let actions = target.decide(&facts)?;
        Ok(changes(&actions, &target))
    }

    /// The client's health reports, but for those by which the host is no reachable member:
    /// these are failures of [`decide`](NetworkProvider::decide).
    fn warnings(&self, facts: &ProbeFacts) -> Vec<String> {
        let facts = HostFacts::parse(facts);
        let status = facts.as_ref().ok().and_then(HostFacts::status);
        let Some(status) = status.filter(|status| status.is_connected()) else {
            return Vec::new();
        };
        let reports = status.evidence().into_iter();
        reports
            .map(|report| format!("tailscale reports: {}", shorten(&report, REPORT_LIMIT)))
            .collect()
    }

    /// The host is read again first, and what it needs then is done: a change that somebody
    /// else has made meanwhile is left out. Without changes it is only verified.
    ///
    /// A cancelled run makes no further change; a command that has begun ends in its own way
    /// on the host, and the auth key's file is removed even then.
    async fn change(
        &self,
        run: &Run,
        host: &dyn Remote,
        node: &NodeSpec,
        _changes: &[Change],
    ) -> Result<Joined> {
        let (joined, _done) = converge(&self.session(run, host, node)).await?;
        Ok(joined)
    }

    /// The name that a node is expected to have. The server may give another, for example with
    /// a number at its end while an old node of that name exists: such a member is refused.
    fn node_fqdn(&self, node: &NodeName) -> Result<String> {
        Ok(decide::fqdn(node, &self.config))
    }

    /// Does nothing and says so: without access to the control server's API a node can be
    /// removed only by a person.
    async fn forget(&self, _run: &Run, node: &NodeName) -> Result<StepOutcome> {
        Ok(StepOutcome::Skipped {
            reason: format!("no API access: remove {node} in the admin console"),
        })
    }
}

fn changes(actions: &[Action], target: &Target<'_>) -> Vec<Change> {
    actions.iter().map(|action| action.change(target)).collect()
}
