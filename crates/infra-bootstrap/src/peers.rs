//! Verification that hosts that joined the network are reached there, once all hosts are done.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stagecraft_core::{HostId, Remote, Run, StepOutcome};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::report::HostReport;
use crate::steps::NETWORK_ID;
use crate::verify::reached_by_name;

/// The id in reports and events. No step of a host may use it.
pub(crate) const ID: &str = "reachable";
/// The connections that stay open. Two, since a host cannot verify that others reach it.
const KEPT: usize = 2;
/// How many hosts are verified concurrently. A server accepts up to ten commands at a time.
const AT_ONCE: usize = 8;

/// Members of the network whose connections stay open until all hosts are done, so that they can
/// verify others without another login.
pub(crate) struct Peers {
    port: u16,
    /// Sorted by the names of the hosts, then by their ids.
    kept: Mutex<Vec<(HostId, Arc<dyn Remote>)>>,
}

impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peers")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Peers {
    /// Prepares to verify hosts at this TCP port.
    pub(crate) fn new(port: u16) -> Self {
        Self {
            port,
            kept: Mutex::default(),
        }
    }

    /// Hands over the connection to a member. Returns one that is not needed, if any: this or an
    /// earlier one.
    ///
    /// Keeps the alphabetically first hosts, so that the peer of a host, which the outcome names,
    /// is the same in every run.
    pub(crate) fn offer(&self, id: &HostId, remote: Arc<dyn Remote>) -> Option<Arc<dyn Remote>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push((id.clone(), remote));
        kept.sort_by(|(a, first), (b, second)| (first.host(), a).cmp(&(second.host(), b)));
        let unused = if kept.len() > KEPT { kept.pop() } else { None };
        unused.map(|(_, remote)| remote)
    }

    /// Closes all kept connections.
    pub(crate) async fn close(self) {
        let kept = self.kept.into_inner();
        for (_, remote) in kept.unwrap_or_else(PoisonError::into_inner) {
            remote.close().await;
        }
    }

    /// Verifies that the hosts that joined the network in this run are reached by their names,
    /// and adds the result as the last line of their reports. Closes all kept connections.
    ///
    /// A host whose membership did not change was verified when it did. After cancellation no
    /// further host is verified.
    pub(crate) async fn look(self, run: &Run, reports: impl IntoIterator<Item = &mut HostReport>) {
        let kept = self.kept.into_inner();
        let kept = kept.unwrap_or_else(PoisonError::into_inner);
        let mut waiting: Vec<_> = reports.into_iter().filter(|own| has_joined(own)).collect();
        while !waiting.is_empty() && !run.cancellation().is_cancelled() {
            let mut looks = JoinSet::new();
            let some: Vec<_> = waiting.drain(..waiting.len().min(AT_ONCE)).collect();
            for (place, report) in some.iter().enumerate() {
                let other = kept.iter().find(|(id, _)| *id != report.id);
                let peer = other.map(|(_, remote)| Arc::clone(remote));
                let name = report.fqdn.clone().unwrap_or_default();
                let (run, port) = (run.clone(), self.port);
                looks.spawn(async move { (place, look_at(&run, &name, port, peer).await) });
            }
            let mut some: Vec<_> = some.into_iter().map(Some).collect();
            while let Some(ended) = looks.join_next().await {
                if let Ok((place, Some((outcome, duration)))) = ended
                    && let Some(report) = some[place].take()
                {
                    report.finish_step(run, ID, outcome, duration);
                }
            }
        }
        for (_, remote) in kept {
            remote.close().await;
        }
    }
}

fn has_joined(report: &HostReport) -> bool {
    let network = report.step(NETWORK_ID);
    let has_changed = matches!(network, Some(StepOutcome::Changed { .. }));
    has_changed && report.fqdn.is_some() && report.is_ok()
}

/// Verifies one host. `None` if the run was cancelled meanwhile.
async fn look_at(
    run: &Run,
    name: &str,
    port: u16,
    peer: Option<Arc<dyn Remote>>,
) -> Option<(StepOutcome, Duration)> {
    let started = Instant::now();
    tokio::select! {
        biased;
        () = run.cancellation().cancelled() => None,
        outcome = reached_by_name(run, name, port, peer.as_deref()) => {
            Some((outcome, started.elapsed()))
        }
    }
}
