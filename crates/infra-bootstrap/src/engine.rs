//! The engine: one host, from its first connection to its last step.

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

/// Makes hosts ready, one at a time or many side by side.
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
    /// Takes the steps, in any order, and puts each after those that it needs.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](stagecraft_core::ErrorKind::Config) if two steps share an id, if
    /// one needs another that is not among them, or if they need each other in a circle.
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

    /// Sets what commands need beside the environment so that they mean the same project, for
    /// example `--config base.yml`: evidence names commands to be typed. Default: nothing.
    #[must_use]
    pub fn with_command_options(mut self, options: impl Into<String>) -> Self {
        self.command_options = options.into();
        self
    }

    /// Sets the network whose names reports tell. Whether hosts join it is up to the steps.
    #[must_use]
    pub fn with_network(mut self, network: Arc<dyn NetworkProvider>) -> Self {
        self.network = Some(network);
        self
    }

    /// Gives hosts that have the host key of their user data one of their own, and pins it here.
    ///
    /// Without it hosts keep the key that they were made with.
    #[must_use]
    pub fn with_pins(mut self, pins: Arc<dyn HostKeyPins>) -> Self {
        self.pins = Some(pins);
        self
    }

    /// Sets what remembers host keys. It is asked for hosts without a pin, and told of every key
    /// that was proven.
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

    /// Looks whether hosts that join the network are reached there by their names at this TCP
    /// port, that of their SSH servers. Only [`Fleet`](crate::Fleet) does, once all are done.
    #[must_use]
    pub fn with_look_at_port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// The port at which hosts that join the network are looked at there.
    pub(crate) fn port(&self) -> Option<u16> {
        self.port
    }

    /// Sets the cloud that puts the operator's key on hosts when it creates them. Hosts remember
    /// the key's name; once the cloud's configuration names another, and that has logged in, the
    /// former one is revoked.
    #[must_use]
    pub fn with_operator_key(mut self, cloud: Arc<dyn CloudProvider>) -> Self {
        self.operator = Some(Operator::new(cloud));
        self
    }

    fn operator_key(&self) -> Option<&str> {
        self.operator.as_ref().and_then(Operator::name)
    }

    /// Makes sure that hosts of these names, each with its name in the cloud, can be logged in to
    /// before they are made, as far as
    /// that is known without them: keys are read, and encrypted ones opened once for all.
    ///
    /// Nothing is sent to any host. Safe to repeat.
    ///
    /// # Errors
    ///
    /// As [`Connector::prepare`].
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

    /// The ids of the steps, in the order in which they run.
    pub fn steps(&self) -> impl Iterator<Item = &'static str> {
        self.steps.iter().map(|step| step.id())
    }

    /// Makes one host ready, or in a dry run tells what that would change.
    ///
    /// Connects, waits until the first boot has ended, and reads the state for all steps with
    /// one command. A host that is as wanted costs no more than that. Otherwise the steps that
    /// have something to do run one after the other, once the package locks are free. A failed
    /// step takes those that need it along; the others still run.
    ///
    /// Whatever happens is told by the report. Repeating the call is safe and finishes what
    /// is missing. When the run is cancelled no further step begins, and the running one comes
    /// to its end. When the call is dropped, a command that runs on the host still ends there in
    /// its own time; a rerun waits for it.
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

    /// As [`host`](Self::host), but goes on from what was `begun`, gives the pins that are to be
    /// dropped in place of doing it, and the connection to a member of the network to `peers` in
    /// place of ending it.
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

    /// Drops pins of keys that hosts do not show any more, and keeps in mind those that they do.
    /// What fails is left to the next run.
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
