//! What a cloud provider does.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;

use crate::approval::ApprovedPlan;
use crate::error::{Error, ErrorKind, Result};
use crate::host::{Host, HostSpec};
use crate::hostkey::Fingerprint;
use crate::lease::LeaseProvider;
use crate::money::MicroUsd;
use crate::name::{EnvironmentName, HostId, HostName};
use crate::pins::HostKeyPins;
use crate::plan::{Account, CloudFacts, HostRef, InfraPlan, Makes, PlanMode, PlanRequest};
use crate::remote::Login;
use crate::run::Run;

/// Makes and removes hosts in one cloud.
///
/// Its configuration is bound when it is built; secrets are read at first use. Reading is
/// apart from deciding: [`plan`](Self::plan) is a pure function of what was read.
#[async_trait]
pub trait CloudProvider: Send + Sync + std::fmt::Debug {
    /// The provider's id.
    fn id(&self) -> &'static str;

    /// The environments that the configuration declares, sorted.
    fn environments(&self) -> Vec<EnvironmentName>;

    /// The hosts that the configuration declares for an environment, sorted by name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the environment is not declared.
    fn declared(&self, environment: &EnvironmentName) -> Result<Vec<HostSpec>>;

    /// Checks the files that an environment's declaration names. Sends nothing.
    ///
    /// What can be checked without reading files is refused when the provider is built. Default:
    /// there are none.
    ///
    /// # Errors
    ///
    /// Only if a file could not be read.
    async fn check_files(
        &self,
        _run: &Run,
        _environment: &EnvironmentName,
    ) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }

    /// Reads what a plan of this request rests on. Changes nothing.
    ///
    /// # Errors
    ///
    /// The provider's own, by kind; nothing is lost by calling again.
    async fn observe(&self, run: &Run, request: &PlanRequest) -> Result<CloudFacts>;

    /// Decides. Pure: the same input gives the same bytes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the environment is not declared, in
    /// modes that need its declaration.
    fn plan(&self, facts: &CloudFacts, request: &PlanRequest) -> Result<InfraPlan>;

    /// Lists everything that can be known to be wrong before the first write.
    ///
    /// # Errors
    ///
    /// Only if it could not look.
    async fn preflight(
        &self,
        run: &Run,
        facts: &CloudFacts,
        plan: &InfraPlan,
    ) -> Result<Vec<Finding>>;

    /// Carries out a plan, and hands each host over as soon as it is ready.
    ///
    /// Hosts that exist already are handed over too, so that a run which was killed while they
    /// booted is taken up again: every host of a reconcile plan that becomes ready, once.
    ///
    /// Safe to repeat with a fresh plan, whatever happened before. When the run is cancelled no
    /// new write is sent; those in flight are awaited, and the report says what was not tried.
    async fn apply(&self, run: &Run, plan: &ApprovedPlan, ready: &dyn HostSink) -> ApplyReport;

    /// Lists the hosts of an environment that are ours, sorted by name.
    ///
    /// # Errors
    ///
    /// The provider's own, by kind.
    async fn hosts(&self, run: &Run, environment: &EnvironmentName) -> Result<Vec<Host>>;

    /// Reads which account it works in. Changes nothing.
    ///
    /// By default it observes the environment, which takes more calls than it must.
    ///
    /// # Errors
    ///
    /// The provider's own, by kind.
    async fn account(&self, run: &Run, environment: &EnvironmentName) -> Result<Account> {
        let mut request = PlanRequest::new(environment.clone(), PlanMode::Reconcile);
        request.makes = Makes::Nothing;
        Ok(self.observe(run, &request).await?.account)
    }

    /// The name of the operator's key that new hosts let in, by the configuration. Default: none.
    fn operator_key_name(&self) -> Option<&str> {
        None
    }

    /// Whether the key of a login is the one of [`operator_key_name`](Self::operator_key_name).
    /// Default: not known to be.
    ///
    /// # Errors
    ///
    /// The provider's own, by kind, if the account's keys cannot be read.
    async fn is_operator_key(&self, _run: &Run, _login: &Login) -> Result<bool> {
        Ok(false)
    }

    /// The ability to keep two runs apart, if the cloud has one.
    ///
    /// A provider that has it calls [`Run::before_write`] before each write of
    /// [`apply`](Self::apply).
    fn lease(&self) -> Option<&dyn LeaseProvider> {
        None
    }

    /// The ability to hold the fingerprints of host keys, if the cloud has one.
    ///
    /// Without it hosts keep the key that they were made with.
    fn pins(&self) -> Option<&dyn HostKeyPins> {
        None
    }
}

/// The pins of a cloud provider, to be shared.
#[derive(Debug)]
struct PinsOf(Arc<dyn CloudProvider>);

/// The ability of a provider to hold pins, if it has one, in a form that can be shared.
pub fn pins_of(cloud: &Arc<dyn CloudProvider>) -> Option<Arc<dyn HostKeyPins>> {
    cloud.pins()?;
    Some(Arc::new(PinsOf(Arc::clone(cloud))))
}

impl PinsOf {
    fn pins(&self) -> Result<&dyn HostKeyPins> {
        self.0.pins().ok_or_else(|| {
            let message = "the cloud holds no fingerprints of host keys";
            Error::new(ErrorKind::Config, message).with_provider(self.0.id())
        })
    }
}

#[async_trait]
impl HostKeyPins for PinsOf {
    async fn pin(&self, run: &Run, host: &HostId, key: Fingerprint) -> Result<()> {
        self.pins()?.pin(run, host, key).await
    }

    async fn unpin(&self, run: &Run, pins: &[(HostId, Fingerprint)]) -> Result<()> {
        self.pins()?.unpin(run, pins).await
    }
}

/// Takes hosts that are ready. Must neither block nor fail.
pub trait HostSink: Send + Sync + std::fmt::Debug {
    /// Takes one host, active and with its own public address.
    fn ready(&self, host: Host);
}

/// Something that is known to be wrong before anything is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The host it is about, if it is about one.
    pub host: Option<HostName>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether it is a guard of the user's own, such as a limit, that says no.
    pub is_guard: bool,
}

/// What [`CloudProvider::apply`] did. It is a report, since it may have ended half-way.
#[derive(Debug, Default)]
pub struct ApplyReport {
    /// Hosts that were made and are ready.
    pub created: Vec<Host>,
    /// Hosts that are proven gone.
    pub deleted: Vec<HostRef>,
    /// Hosts that could not be made or removed.
    pub failed: Vec<HostFailure>,
    /// Hosts for which nothing was sent.
    pub not_tried: Vec<HostName>,
    /// Hosts that were resized and run again.
    pub resized: Vec<HostRef>,
    /// Hosts that have other tags now, or are in another of the provider's projects.
    pub retagged: Vec<HostRef>,
    /// Hosts that were powered on.
    pub powered_on: Vec<HostRef>,
    /// What deleted hosts have left behind in the cloud, as far as it costs money.
    pub leftovers: Vec<Leftover>,
    /// What exists now, if the run was interrupted. Providers leave it out; the engine reads it.
    pub exists: Option<ExistsNow>,
}

/// The hosts of an environment that exist after an interrupted run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExistsNow {
    /// The hosts, sorted.
    pub hosts: Vec<HostRef>,
    /// Those that this run created, ready or not.
    pub created: BTreeSet<HostId>,
    /// Whether the cloud was read once more. If not, there may be more hosts than the run knows.
    pub is_whole: bool,
}

impl ExistsNow {
    /// What the hosts cost in a month and in an hour, as far as the cloud gives prices.
    pub fn cost(&self) -> (MicroUsd, MicroUsd) {
        let sum = |price: fn(&HostRef) -> Option<MicroUsd>| {
            let prices = self.hosts.iter().filter_map(price);
            prices.sum()
        };
        (sum(|host| host.monthly), sum(|host| host.hourly))
    }
}

/// Something that outlives a deleted host and costs money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The host that it belonged to.
    pub host: HostName,
    /// What it is, in the cloud's own word: `volume`, `volume_snapshot`,
    /// `snapshot`, `reserved_ip`.
    pub kind: &'static str,
    /// Its id.
    pub id: String,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Its price of a month, if the cloud tells.
    pub monthly: Option<MicroUsd>,
}

/// A host that could not be made or removed.
#[derive(Debug)]
pub struct HostFailure {
    /// The host.
    pub host: HostName,
    /// Its id, if it has one.
    pub id: Option<HostId>,
    /// Why.
    pub error: Error,
}

impl ApplyReport {
    /// Whether everything in the plan was done.
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.not_tried.is_empty()
    }
}
