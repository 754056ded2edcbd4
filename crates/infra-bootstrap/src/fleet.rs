//! Many hosts, each from the moment in which it is there.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::num::NonZeroUsize;
use std::sync::Arc;

use stagecraft_core::{
    EnvironmentName, FailureCode, Fingerprint, Host, HostId, HostName, HostSink, Result, Run,
    StepFailure,
};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::{Id, JoinError, JoinSet};

use crate::engine::{Bootstrap, Mode};
use crate::peers::Peers;
use crate::report::HostReport;

/// Makes hosts ready side by side. None waits for another, and none fails another.
#[derive(Debug, Clone)]
pub struct Fleet {
    bootstrap: Arc<Bootstrap>,
    parallel: NonZeroUsize,
}

impl Fleet {
    /// Works on up to 100 hosts at a time.
    ///
    /// A host that is as wanted costs round trips and hardly anything here (4 ms of CPU, 0.1 MiB),
    /// so fewer at a time only add waiting; each also costs a file descriptor, and macOS gives a
    /// program 256.
    pub fn new(bootstrap: Arc<Bootstrap>) -> Self {
        Self {
            bootstrap,
            parallel: NonZeroUsize::new(100).expect("100 is not 0"),
        }
    }

    /// Sets how many hosts are worked on at a time.
    #[must_use]
    pub fn with_parallel(mut self, parallel: NonZeroUsize) -> Self {
        self.parallel = parallel;
        self
    }

    /// As [`Bootstrap::prepare_login`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn prepare_login<'a>(
        &self,
        run: &Run,
        environment: &EnvironmentName,
        hosts: impl IntoIterator<Item = &'a HostName> + Send,
    ) -> Result<()> {
        self.bootstrap.prepare_login(run, environment, hosts).await
    }

    /// A sink to hand to a cloud provider, and the queue to hand to [`run`](Self::run).
    pub fn queue() -> (HostQueue, UnboundedReceiver<Host>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (HostQueue(sender), receiver)
    }

    /// Takes hosts until all senders are gone and makes each ready at once.
    ///
    /// A host that is handed over twice is worked on once. Once all are done, those that joined
    /// the network in this run are looked up there by their names, from this machine or from
    /// another of the hosts; for that up to two connections stay open until the end. The reports are sorted by name,
    /// then by id. A panic while a host is worked on is that host's failure. When the call is
    /// dropped, all work on hosts is dropped too.
    pub async fn run(
        &self,
        run: &Run,
        environment: &EnvironmentName,
        mode: Mode,
        mut hosts: UnboundedReceiver<Host>,
    ) -> Vec<HostReport> {
        let mut tasks = JoinSet::new();
        let mut names: HashMap<Id, HostReport> = HashMap::new();
        let mut seen = BTreeSet::new();
        let mut waiting = VecDeque::new();
        let mut reports = BTreeMap::new();
        let mut stale = Vec::new();
        let port = self.bootstrap.port().filter(|_| mode == Mode::Apply);
        let peers = port.map(|port| Arc::new(Peers::new(port)));
        let mut open = true;
        while open || !waiting.is_empty() || !tasks.is_empty() {
            while tasks.len() < self.parallel.get()
                && let Some(host) = waiting.pop_front()
            {
                let report = HostReport::new(&host);
                let handle = tasks.spawn(one(
                    Arc::clone(&self.bootstrap),
                    run.clone(),
                    environment.clone(),
                    host,
                    mode,
                    peers.clone(),
                ));
                names.insert(handle.id(), report);
            }
            tokio::select! {
                host = hosts.recv(), if open => match host {
                    Some(host) if seen.insert(host.id.clone()) => waiting.push_back(host),
                    Some(_) => {}
                    None => open = false,
                },
                Some(ended) = tasks.join_next_with_id(), if !tasks.is_empty() => {
                    let report = match ended {
                        Ok((id, (report, pins))) => {
                            names.remove(&id);
                            stale.extend(pins);
                            report
                        }
                        Err(error) => {
                            let Some(report) = names.remove(&error.id()) else { continue };
                            crashed(run, report, error)
                        }
                    };
                    reports.insert((report.host.clone(), report.id.clone()), report);
                }
            }
        }
        // Together: hosts of one create request share the pin of their first key.
        self.bootstrap.settle_keys(run, &stale).await;
        // All tasks have ended and let go of it.
        if let Some(peers) = peers.and_then(Arc::into_inner) {
            peers.look(run, reports.values_mut()).await;
        }
        reports.into_values().collect()
    }

    /// As [`run`](Self::run), for hosts that are all there already.
    pub async fn all(
        &self,
        run: &Run,
        environment: &EnvironmentName,
        mode: Mode,
        hosts: impl IntoIterator<Item = Host>,
    ) -> Vec<HostReport> {
        let (queue, receiver) = Self::queue();
        for host in hosts {
            queue.ready(host);
        }
        drop(queue);
        self.run(run, environment, mode, receiver).await
    }
}

/// Hands hosts from a cloud provider to a [`Fleet`]. The fleet ends when all clones are gone.
#[derive(Debug, Clone)]
pub struct HostQueue(UnboundedSender<Host>);

impl HostSink for HostQueue {
    fn ready(&self, host: Host) {
        if self.0.send(host).is_err() {
            tracing::warn!("a host was handed over after its fleet had ended");
        }
    }
}

async fn one(
    bootstrap: Arc<Bootstrap>,
    run: Run,
    environment: EnvironmentName,
    host: Host,
    mode: Mode,
    peers: Option<Arc<Peers>>,
) -> (HostReport, Vec<(HostId, Fingerprint)>) {
    let peers = peers.as_deref();
    bootstrap.work(&run, &environment, &host, mode, peers).await
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
