//! Bootstrap of many hosts, each from the moment when it is ready in the cloud.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use stagecraft_core::{
    EnvironmentName, FailureCode, Host, HostChanges, HostId, HostName, HostSink, Result, Run,
    StepFailure,
};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::{Id, JoinError, JoinSet};

use crate::engine::{Begun, Bootstrap, Looked};
use crate::mode::Mode;
use crate::peers::Peers;
use crate::report::HostReport;

/// Bootstraps hosts concurrently. None waits for another, and none fails another.
#[derive(Debug, Clone)]
pub struct Fleet {
    bootstrap: Arc<Bootstrap>,
    parallel: NonZeroUsize,
}

impl Fleet {
    /// Creates a fleet that processes up to 100 hosts at a time.
    ///
    /// A host that is as wanted costs round trips and hardly anything here (4 ms of CPU, 0.1 MiB),
    /// so a lower limit only adds waiting. Each also costs a file descriptor, and macOS allows a
    /// program 256.
    pub fn new(bootstrap: Arc<Bootstrap>) -> Self {
        Self {
            bootstrap,
            parallel: NonZeroUsize::new(100).expect("100 is not 0"),
        }
    }

    /// Sets how many hosts are processed at a time.
    #[must_use]
    pub fn with_parallel(mut self, parallel: NonZeroUsize) -> Self {
        self.parallel = parallel;
        self
    }

    /// Like [`Bootstrap::prepare_login`].
    ///
    /// # Errors
    ///
    /// Those of [`Bootstrap::prepare_login`].
    pub async fn prepare_login<'a>(
        &self,
        run: &Run,
        hosts: impl IntoIterator<Item = (&'a HostName, String)> + Send,
    ) -> Result<()> {
        self.bootstrap.prepare_login(run, hosts).await
    }

    /// Returns a sink for a cloud provider, and the queue for [`run`](Self::run).
    pub fn queue() -> (HostQueue, UnboundedReceiver<Host>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (HostQueue(sender), receiver)
    }

    /// Reads hosts concurrently before any change, with one connection and one command each, and
    /// reports what each step would do.
    ///
    /// Changes nothing: the connections run only the steps' own probes. Those to hosts with
    /// changes stay open (up to as many as are processed at a time), so that
    /// [`run_looked`](Self::run_looked) needs no other login. [`Look::close`] closes them.
    pub async fn look(
        &self,
        run: &Run,
        environment: &EnvironmentName,
        hosts: impl IntoIterator<Item = Host>,
    ) -> Look {
        let peers = self.bootstrap.port().map(|port| Arc::new(Peers::new(port)));
        let all = Self::handed_over(hosts);
        let task = |host: Host| {
            let (bootstrap, run) = (Arc::clone(&self.bootstrap), run.clone());
            let (environment, peers) = (environment.clone(), peers.clone());
            async move {
                let peers = peers.as_deref();
                bootstrap.look(&run, &environment, &host, peers).await
            }
        };
        let mut hosts = BTreeMap::new();
        let mut open = 0;
        for (id, ended) in self.drive(run, all, task).await {
            let mut looked = ended.unwrap_or_else(Looked::given_up);
            if looked.session.is_some() {
                open += 1;
                if open > self.parallel.get()
                    && let Some(session) = looked.session.take()
                {
                    session.close().await;
                }
            }
            hosts.insert(id, looked);
        }
        Look { hosts, peers }
    }

    /// Receives hosts until all senders are dropped, and bootstraps each at once.
    ///
    /// A host that is handed over twice is processed once. Once all are done, those that joined
    /// the network in this run are verified there by their names, from this machine or from
    /// another of the hosts; for that up to two connections stay open until the end. The reports
    /// are sorted by name, then by id. A panic while a host is processed is that host's failure.
    /// If the call is dropped, all work on hosts is dropped too.
    pub async fn run(
        &self,
        run: &Run,
        environment: &EnvironmentName,
        hosts: UnboundedReceiver<Host>,
    ) -> Vec<HostReport> {
        let look = Look::default();
        self.run_looked(run, environment, look, Approval::default(), hosts)
            .await
    }

    /// Like [`run`](Self::run), for hosts some of which were read before, with only approved
    /// changes.
    ///
    /// A host without changes when it was read is finished: it is not connected to again. Work
    /// on the others continues over the open connection. The earlier state may be old, so the
    /// host is read again first. A connection that was lost meanwhile is reopened, with the host
    /// key verified again. A host that could not be read stays as it is.
    pub async fn run_looked(
        &self,
        run: &Run,
        environment: &EnvironmentName,
        look: Look,
        approval: Approval,
        hosts: UnboundedReceiver<Host>,
    ) -> Vec<HostReport> {
        let Look {
            hosts: mut looked,
            peers,
        } = look;
        let port = self.bootstrap.port();
        let peers = peers.or_else(|| port.map(|port| Arc::new(Peers::new(port))));
        let task = |host: Host| {
            let begun = Begun {
                looked: looked.remove(&host.id),
                approved: approval.of(&host),
            };
            let (bootstrap, run) = (Arc::clone(&self.bootstrap), run.clone());
            let (environment, peers) = (environment.clone(), peers.clone());
            async move {
                let peers = peers.as_deref();
                bootstrap
                    .work(&run, &environment, &host, begun, peers)
                    .await
            }
        };
        let mut reports = BTreeMap::new();
        let mut stale = Vec::new();
        for (_, ended) in self.drive(run, hosts, task).await {
            let report = match ended {
                Ok((report, pins)) => {
                    stale.extend(pins);
                    report
                }
                Err(report) => report,
            };
            reports.insert((report.host.clone(), report.id.clone()), report);
        }
        // The cloud did not hand them over.
        for left in looked.into_values() {
            left.close().await;
        }
        // Together: hosts of one create request share the pin of their first key.
        self.bootstrap.settle_keys(run, &stale).await;
        // All tasks have ended and dropped it.
        if let Some(peers) = peers.and_then(Arc::into_inner) {
            peers.look(run, reports.values_mut()).await;
        }
        reports.into_values().collect()
    }

    /// Runs a task for each host, concurrently. A panic becomes the report of a failed
    /// host.
    async fn drive<T, Fut>(
        &self,
        run: &Run,
        mut hosts: UnboundedReceiver<Host>,
        mut task: impl FnMut(Host) -> Fut,
    ) -> Vec<(HostId, Result<T, HostReport>)>
    where
        T: Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
    {
        let mut tasks = JoinSet::new();
        let mut names: HashMap<Id, HostReport> = HashMap::new();
        let mut seen = BTreeSet::new();
        let mut waiting = VecDeque::new();
        let mut all = Vec::new();
        let mut open = true;
        while open || !waiting.is_empty() || !tasks.is_empty() {
            while tasks.len() < self.parallel.get()
                && let Some(host) = waiting.pop_front()
            {
                let report = HostReport::new(&host);
                let handle = tasks.spawn(task(host));
                names.insert(handle.id(), report);
            }
            tokio::select! {
                host = hosts.recv(), if open => match host {
                    Some(host) if seen.insert(host.id.clone()) => waiting.push_back(host),
                    Some(_) => {}
                    None => open = false,
                },
                Some(ended) = tasks.join_next_with_id(), if !tasks.is_empty() => {
                    let (id, ended) = match ended {
                        Ok((id, ended)) => (id, Ok(ended)),
                        Err(error) => (error.id(), Err(error)),
                    };
                    let Some(report) = names.remove(&id) else { continue };
                    let host = report.id.clone();
                    all.push((host, ended.map_err(|error| crashed(run, report, error))));
                }
            }
        }
        all
    }

    /// Like [`run`](Self::run), for hosts that all exist; or like [`look`](Self::look), without
    /// connections that stay open.
    pub async fn all(
        &self,
        run: &Run,
        environment: &EnvironmentName,
        mode: Mode,
        hosts: impl IntoIterator<Item = Host>,
    ) -> Vec<HostReport> {
        match mode {
            Mode::Apply => {
                let hosts = Self::handed_over(hosts);
                self.run(run, environment, hosts).await
            }
            Mode::DryRun => self.look(run, environment, hosts).await.close().await,
        }
    }

    /// Returns a queue of hosts that all exist.
    pub fn handed_over(hosts: impl IntoIterator<Item = Host>) -> UnboundedReceiver<Host> {
        let (queue, receiver) = Self::queue();
        for host in hosts {
            queue.ready(host);
        }
        receiver
    }
}

/// Hosts that were read, with the connections to those with changes.
#[derive(Default)]
pub struct Look {
    hosts: BTreeMap<HostId, Looked>,
    peers: Option<Arc<Peers>>,
}

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Look")
            .field("hosts", &self.hosts.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl Look {
    /// Returns what would be done on each host, by name.
    pub fn reports(&self) -> Vec<&HostReport> {
        let mut reports: Vec<_> = self.hosts.values().map(|own| &own.report).collect();
        reports.sort_by(|a, b| (&a.host, &a.id).cmp(&(&b.host, &b.id)));
        reports
    }

    /// Closes all connections. Returns the reports, by name.
    pub async fn close(self) -> Vec<HostReport> {
        let Self { hosts, peers } = self;
        let mut reports = Vec::with_capacity(hosts.len());
        for looked in hosts.into_values() {
            reports.push(looked.close().await);
        }
        if let Some(peers) = peers.and_then(Arc::into_inner) {
            peers.close().await;
        }
        reports.sort_by(|a, b| (&a.host, &a.id).cmp(&(&b.host, &b.id)));
        reports
    }
}

/// The changes that a run may make on hosts.
///
/// Hosts that are not listed may be changed as needed: for example those that the run itself
/// creates. By default none is listed.
#[derive(Debug, Clone, Default)]
pub struct Approval(BTreeMap<HostId, HostChanges>);

impl Approval {
    /// Approves only these changes on these hosts.
    pub fn only(changes: impl IntoIterator<Item = HostChanges>) -> Self {
        let changes = changes.into_iter();
        Self(changes.map(|own| (own.id.clone(), own)).collect())
    }

    fn of(&self, host: &Host) -> Option<HostChanges> {
        self.0.get(&host.id).cloned()
    }
}

/// Hands hosts from a cloud provider to a [`Fleet`]. The fleet ends once all clones are dropped.
#[derive(Debug, Clone)]
pub struct HostQueue(UnboundedSender<Host>);

impl HostSink for HostQueue {
    fn ready(&self, host: Host) {
        if self.0.send(host).is_err() {
            tracing::warn!("a host was handed over after its fleet had ended");
        }
    }
}

fn crashed(run: &Run, mut report: HostReport, error: JoinError) -> HostReport {
    let cause = if error.is_panic() {
        let payload = error.into_panic();
        let text = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned());
        text.unwrap_or_else(|| "no message".to_owned())
    } else {
        error.to_string()
    };
    let failure = StepFailure::new(
        FailureCode::HostNotReady,
        "internal error while the host was worked on",
    )
    .with_evidence([run.redact(&cause)]);
    report.fail(run, failure);
    report
}
