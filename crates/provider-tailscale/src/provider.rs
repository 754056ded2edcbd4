//! The provider: implements Stagecraft's contract with the `tailscale` command on each host.

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

/// Longest health report shown, in characters.
const REPORT_LIMIT: usize = 300;

/// Network provider that joins hosts to a tailnet.
#[derive(Debug, Clone)]
pub struct Tailscale {
    config: TailscaleConfig,
    auth_key: SecretSource,
    waits: Waits,
}

/// Result of [`Tailscale::ensure_joined`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ensured {
    /// The node.
    pub joined: Joined,
    /// The changes, in the order in which they were made. Empty if there were none.
    pub changes: Vec<Change>,
}

impl Tailscale {
    /// Creates a provider from a configuration. Reads no secret and does no I/O.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if `auth_key_env` cannot be the name of a variable. The error does not
    /// repeat the value, which may be a key in the wrong place.
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

    /// Ensures that the client is installed and new enough, and that its daemon answers.
    ///
    /// A host that has all that stays as it is: [`StepOutcome::Unchanged`]. Safe to repeat, also
    /// after an interrupted installation.
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

    /// Ensures that the host is a connected member of the tailnet, including the client.
    ///
    /// Does nothing to a healthy member and does not even read the auth key. Safe to repeat.
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

    /// The changes have the ids `install`, `daemon`, `start`, `reconnect`, `join`, `retag`,
    /// `settings` and `clean`.
    ///
    /// Refuses a host that is a member of another tailnet or of another control server: it is not
    /// ours to move. Also refuses a member that requested its name and got another, since an old
    /// device still has it.
    fn decide(&self, facts: &ProbeFacts, node: &NodeSpec) -> Result<Vec<Change>> {
        let facts = HostFacts::parse(facts)?;
        let target = Target::new(&self.config, node);
        let actions = target.decide(&facts)?;
        Ok(changes(&actions, &target))
    }

    /// The client's health reports, without those that make the host unreachable: these are
    /// failures of [`decide`](NetworkProvider::decide).
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

    /// Reads the host again first and does what it needs then: changes that were made meanwhile are
    /// skipped. Without changes the host is only verified.
    ///
    /// A cancelled run makes no further change. A command that has begun completes on the host, and
    /// the auth key's file is removed even then.
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

    /// The name that a node is expected to have. The server may assign another, for example with a
    /// number at its end while an old node of that name exists: such a member is refused.
    fn node_fqdn(&self, node: &NodeName) -> Result<String> {
        Ok(decide::fqdn(node, &self.config))
    }

    /// Does nothing and says so: without access to the control server's API, only a person can
    /// remove a node.
    async fn forget(&self, _run: &Run, node: &NodeName) -> Result<StepOutcome> {
        Ok(StepOutcome::Skipped {
            reason: format!("no API access: remove {node} in the admin console"),
        })
    }
}

fn changes(actions: &[Action], target: &Target<'_>) -> Vec<Change> {
    actions.iter().map(|action| action.change(target)).collect()
}
