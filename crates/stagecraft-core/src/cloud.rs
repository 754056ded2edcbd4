//! The interface of a cloud provider.

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

/// Creates and deletes hosts in one cloud.
///
/// Its configuration is bound when it is built; secrets are read at first use. Reading and
/// deciding are separate: [`plan`](Self::plan) is a pure function of what was read.
#[async_trait]
pub trait CloudProvider: Send + Sync + std::fmt::Debug {
    /// The provider's id.
    fn id(&self) -> &'static str;

    /// Returns the environments that the configuration declares, sorted.
    fn environments(&self) -> Vec<EnvironmentName>;

    /// Returns the hosts that the configuration declares for an environment, sorted by name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the environment is not declared.
    fn declared(&self, environment: &EnvironmentName) -> Result<Vec<HostSpec>>;

    /// Checks the files that an environment's declaration names. Sends nothing.
    ///
    /// Anything that can be checked without reading files is refused when the provider is built.
    /// The default implementation finds nothing.
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

    /// Reads the facts that a plan of this request is based on. Changes nothing.
    ///
    /// # Errors
    ///
    /// The provider's own, by kind. Calling again is safe.
    async fn observe(&self, run: &Run, request: &PlanRequest) -> Result<CloudFacts>;

    /// Computes the plan. Pure: the same input returns the same bytes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the environment is not declared, in
    /// modes that need its declaration.
    fn plan(&self, facts: &CloudFacts, request: &PlanRequest) -> Result<InfraPlan>;

    /// Lists every problem that can be detected before the first write.
    ///
    /// # Errors
    ///
    /// Only if it could not read.
    async fn preflight(
        &self,
        run: &Run,
        facts: &CloudFacts,
        plan: &InfraPlan,
    ) -> Result<Vec<Finding>>;

    /// Applies a plan, and hands over each host as soon as it is ready.
    ///
    /// Each host of a reconcile plan that becomes ready is handed over once. That includes hosts
    /// that exist already, so that a run that was killed while they booted can be continued.
    ///
    /// Safe to repeat with a fresh plan, whatever happened before. On cancellation it sends
    /// no new write, awaits those in flight, and reports what was not tried.
    async fn apply(&self, run: &Run, plan: &ApprovedPlan, ready: &dyn HostSink) -> ApplyReport;

    /// Lists our hosts of an environment, sorted by name.
    ///
    /// # Errors
    ///
    /// The provider's own, by kind.
    async fn hosts(&self, run: &Run, environment: &EnvironmentName) -> Result<Vec<Host>>;

    /// Reads which account the provider works in. Changes nothing.
    ///
    /// The default implementation observes the environment, which takes more calls than needed.
    ///
    /// # Errors
    ///
    /// The provider's own, by kind.
    async fn account(&self, run: &Run, environment: &EnvironmentName) -> Result<Account> {
        let mut request = PlanRequest::new(environment.clone(), PlanMode::Reconcile);
        request.makes = Makes::Nothing;
        Ok(self.observe(run, &request).await?.account)
    }

    /// The name of the operator's key that the configuration gives to new hosts. Default: none.
    fn operator_key_name(&self) -> Option<&str> {
        None
    }

    /// Whether a login's key is the one of [`operator_key_name`](Self::operator_key_name).
    /// Default: false, since it is unknown.
    ///
    /// # Errors
    ///
    /// The provider's own, by kind, if the account's keys cannot be read.
    async fn is_operator_key(&self, _run: &Run, _login: &Login) -> Result<bool> {
        Ok(false)
    }

    /// The provider's leases, which keep runs apart, if the cloud supports them.
    ///
    /// A provider with leases calls [`Run::before_write`] before each write of
    /// [`apply`](Self::apply).
    fn lease(&self) -> Option<&dyn LeaseProvider> {
        None
    }

    /// The provider's store of host key fingerprints, if the cloud has one.
    ///
    /// Without it hosts keep the key that they were created with.
    fn pins(&self) -> Option<&dyn HostKeyPins> {
        None
    }
}

/// The pins of a cloud provider, shareable.
#[derive(Debug)]
struct PinsOf(Arc<dyn CloudProvider>);

/// Returns the pins of a provider in a shareable form, if it has any.
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

/// Receives hosts that are ready. Must neither block nor fail.
pub trait HostSink: Send + Sync + std::fmt::Debug {
    /// Receives one host, active and with its own public address.
    fn ready(&self, host: Host);
}

/// A problem found before anything is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The host concerned, if any.
    pub host: Option<HostName>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether the refusal comes from a guard that the user set, such as a limit.
    pub is_guard: bool,
}

/// Result of [`CloudProvider::apply`]. A report, since it may have ended half-way.
#[derive(Debug, Default)]
pub struct ApplyReport {
    /// Hosts that were created and are ready.
    pub created: Vec<Host>,
    /// Hosts that are proven to be deleted.
    pub deleted: Vec<HostRef>,
    /// Hosts that could not be created or deleted.
    pub failed: Vec<HostFailure>,
    /// Hosts for which nothing was sent.
    pub not_tried: Vec<HostName>,
    /// Hosts that were resized and are running again.
    pub resized: Vec<HostRef>,
    /// Hosts that got other tags or another of the provider's projects.
    pub retagged: Vec<HostRef>,
    /// Hosts that were powered on.
    pub powered_on: Vec<HostRef>,
    /// Resources that deleted hosts left behind in the cloud and that cost money.
    pub leftovers: Vec<Leftover>,
    /// What exists now, if the run was interrupted. Set by the engine, not by providers.
    pub exists: Option<ExistsNow>,
}

/// The hosts of an environment that exist after an interrupted run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExistsNow {
    /// The hosts, sorted.
    pub hosts: Vec<HostRef>,
    /// The hosts that this run created, ready or not.
    pub created: BTreeSet<HostId>,
    /// Whether the cloud was read again. If not, there may be more hosts than the run knows of.
    pub is_whole: bool,
}

impl ExistsNow {
    /// The monthly and hourly cost of the hosts, as far as the cloud reports prices.
    pub fn cost(&self) -> (MicroUsd, MicroUsd) {
        let sum = |price: fn(&HostRef) -> Option<MicroUsd>| {
            let prices = self.hosts.iter().filter_map(price);
            prices.sum()
        };
        (sum(|host| host.monthly), sum(|host| host.hourly))
    }
}

/// A resource that outlives a deleted host and costs money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The host that it belonged to.
    pub host: HostName,
    /// What it is, in the cloud's own term: `volume`, `volume_snapshot`,
    /// `snapshot`, `reserved_ip`.
    pub kind: &'static str,
    /// Its id.
    pub id: String,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Its monthly price, if the cloud reports it.
    pub monthly: Option<MicroUsd>,
}

/// A host that could not be created or deleted.
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
    /// Whether all of the plan was done.
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.not_tried.is_empty()
    }
}
