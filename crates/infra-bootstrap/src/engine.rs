//! The bootstrap of one host, from its first connection to its last step.

mod climb;
mod host_key;
mod look;
mod loss;
mod operator;
mod probe_only;
mod rotation;
mod session;
mod steps;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use stagecraft_core::{
    CloudProvider, Connector, EnvironmentName, Fingerprint, Host, HostId, HostKeyCache,
    HostKeyPins, HostName, HostStep, NetworkProvider, Result, Run,
};
use tokio::time::Instant;
use tracing::debug;

use crate::failure;
use crate::mode::Mode;
use crate::order;
use crate::peers::{self, Peers};
use crate::readiness::ReadinessPolicy;
use crate::report::HostReport;
use crate::watch::Watch;
use climb::{Climb, offer};
pub(crate) use look::{Begun, Looked};
use operator::Operator;

/// A host and a key that is pinned for it.
type Pin = (HostId, Fingerprint);

/// Bootstraps hosts, one at a time or many concurrently.
pub struct Bootstrap {
    connector: Arc<dyn Connector>,
    steps: Vec<Arc<dyn HostStep>>,
    network: Option<Arc<dyn NetworkProvider>>,
    pins: Option<Arc<dyn HostKeyPins>>,
    cache: Option<Arc<dyn HostKeyCache>>,
    policy: ReadinessPolicy,
    step_deadline: Duration,
    port: Option<u16>,
    command_options: String,
    operator: Option<Operator>,
}

impl fmt::Debug for Bootstrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bootstrap")
            .field("connector", &self.connector)
            .field("steps", &self.steps().collect::<Vec<_>>())
            .field("policy", &self.policy)
            .field("step_deadline", &self.step_deadline)
            .finish_non_exhaustive()
    }
}

impl Bootstrap {
    /// Accepts the steps in any order, and sorts each after those that it requires.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](stagecraft_core::ErrorKind::Config) for a duplicate step id, a
    /// required step that is missing, or steps that require each other in a circle.
    pub fn new(
        connector: Arc<dyn Connector>,
        steps: impl IntoIterator<Item = Arc<dyn HostStep>>,
        policy: ReadinessPolicy,
    ) -> Result<Self> {
        Ok(Self {
            connector,
            steps: order::sort(steps, &[session::READINESS, host_key::ID, peers::ID, "ssh"])?,
            network: None,
            pins: None,
            cache: None,
            policy,
            step_deadline: Duration::from_mins(15),
            port: None,
            command_options: String::new(),
            operator: None,
        })
    }

    /// Sets the options, besides the environment, that select the same project, for example
    /// `--config base.yml`. They complete the commands in evidence. Default: none.
    #[must_use]
    pub fn with_command_options(mut self, options: impl Into<String>) -> Self {
        self.command_options = options.into();
        self
    }

    /// Sets the network for the names in reports. Whether hosts join it is up to the steps.
    #[must_use]
    pub fn with_network(mut self, network: Arc<dyn NetworkProvider>) -> Self {
        self.network = Some(network);
        self
    }

    /// Replaces the host key from a host's user data by the host's own, and pins it here.
    ///
    /// Without this, hosts keep the key that they were created with.
    #[must_use]
    pub fn with_pins(mut self, pins: Arc<dyn HostKeyPins>) -> Self {
        self.pins = Some(pins);
        self
    }

    /// Sets the cache of host keys. It is read for hosts without a pin, and records every proven
    /// key.
    #[must_use]
    pub fn with_cache(mut self, cache: Arc<dyn HostKeyCache>) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Sets the longest time that one step may change a host. Default: 15 minutes.
    #[must_use]
    pub fn with_step_deadline(mut self, deadline: Duration) -> Self {
        self.step_deadline = deadline;
        self
    }

    /// Verifies that hosts that join the network are reached there by their names at this TCP
    /// port, that of their SSH servers. Only [`Fleet`](crate::Fleet) does so, once all are done.
    #[must_use]
    pub fn with_look_at_port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// The port at which hosts that join the network are verified there.
    pub(crate) fn port(&self) -> Option<u16> {
        self.port
    }

    /// Sets the cloud that installs the operator's key on new hosts. Hosts remember the key's
    /// name. Once the cloud's configuration names another key, and a login with that succeeded,
    /// the former one is revoked.
    #[must_use]
    pub fn with_operator_key(mut self, cloud: Arc<dyn CloudProvider>) -> Self {
        self.operator = Some(Operator::new(cloud));
        self
    }

    fn operator_key(&self) -> Option<&str> {
        self.operator.as_ref().and_then(Operator::name)
    }

    /// Prepares the logins to hosts of these names, each with its name in the cloud, before they
    /// are created: reads the keys, and unlocks encrypted ones once for all hosts.
    ///
    /// Nothing is sent to any host. Safe to repeat.
    ///
    /// # Errors
    ///
    /// Those of [`Connector::prepare`].
    pub async fn prepare_login<'a>(
        &self,
        run: &Run,
        hosts: impl IntoIterator<Item = (&'a HostName, String)> + Send,
    ) -> Result<()> {
        let hosts: Vec<_> = hosts.into_iter().collect();
        for (host, node) in hosts {
            self.connector.prepare(run, host, &[node]).await?;
        }
        Ok(())
    }

    /// Returns the ids of the steps in running order.
    pub fn steps(&self) -> impl Iterator<Item = &'static str> {
        self.steps.iter().map(|step| step.id())
    }

    /// Bootstraps one host, or in a dry run reports what that would change.
    ///
    /// It connects, waits until the first boot has ended, and reads the state for all steps with
    /// one command. A host that is as wanted costs no more than that. Otherwise the steps with
    /// changes run one after the other, once the package locks are free. If a step fails, those
    /// that require it are skipped; the others still run.
    ///
    /// The report contains every failure. Repeating the call is safe and completes the rest. On
    /// cancellation no further step begins, and the running one ends. If the call is dropped, a
    /// command that runs on the host still ends there in its own time; a rerun waits for it.
    pub async fn host(
        &self,
        run: &Run,
        environment: &EnvironmentName,
        host: &Host,
        mode: Mode,
    ) -> HostReport {
        let (report, stale) = match mode {
            Mode::Apply => {
                let begun = Begun::default();
                self.work(run, environment, host, begun, None).await
            }
            Mode::DryRun => {
                let looked = self.look(run, environment, host, None).await;
                (looked.close().await, Vec::new())
            }
        };
        self.settle_keys(run, &stale).await;
        report
    }

    /// Like [`host`](Self::host), but continues from `begun`. It returns the pins to be removed
    /// instead of removing them, and hands the connection to a network member to `peers` instead
    /// of closing it.
    pub(crate) async fn work(
        &self,
        run: &Run,
        environment: &EnvironmentName,
        host: &Host,
        begun: Begun,
        peers: Option<&Peers>,
    ) -> (HostReport, Vec<Pin>) {
        let Begun { looked, approved } = begun;
        let mut report = HostReport::new(host);
        let mut former = None;
        let (mut retries, mut before) = (Vec::new(), Duration::ZERO);
        if let Some(looked) = looked {
            if !looked.has_work() {
                return (self.finished(looked), Vec::new());
            }
            before = looked.report.duration;
            retries = looked.report.retries;
            former = looked.session;
        }
        let started = Instant::now();
        let watch = Arc::new(Watch::default());
        let run = &run.observed(Arc::clone(&watch) as _);
        let mut climb = Climb {
            host,
            mode: Mode::Apply,
            former,
            approved: approved.as_ref(),
            report: &mut report,
            stale: Vec::new(),
        };
        let climbed = self.climb(run, environment, &mut climb).await;
        let stale = climb.stale;
        let climbed = match climbed {
            Ok(session) => {
                offer(peers, &report, session.into_open()).await;
                Ok(())
            }
            Err(failure) => Err(failure),
        };
        report.duration = before + started.elapsed();
        report.retries = retries;
        report.retries.extend(watch.retries());
        if let Err(failure) = climbed {
            let failure = failure::redacted(run, &failure);
            debug!(host = %report.host, code = %failure.code, "host is not ready");
            report.fail(run, failure);
        }
        let stale = stale.into_iter().map(|key| (host.id.clone(), key));
        (report, stale.collect())
    }

    /// Removes pins of keys that hosts no longer present, and caches those that they do.
    /// Failures are left to the next run.
    pub(crate) async fn settle_keys(&self, run: &Run, stale: &[Pin]) {
        if let Some(cache) = &self.cache {
            cache.save(run).await;
        }
        let Some(pins) = self.pins.as_ref().filter(|_| !stale.is_empty()) else {
            return;
        };
        if let Err(error) = pins.unpin(run, stale).await {
            tracing::warn!(%error, "pins of former host keys are left to the next run");
        }
    }
}
