//! What a run did in the cloud.

use schemars::JsonSchema;
use serde::Serialize;
use stagecraft_core as core;

use super::error::Error;
use super::host::{Host, HostRef};

/// What was done in the cloud. All lists are sorted by name, then id: hosts come and go side by
/// side, and the same course is to give the same bytes.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Apply {
    /// Hosts that were made and are ready.
    created: Vec<Host>,
    /// Hosts that are proven gone.
    deleted: Vec<HostRef>,
    /// Hosts that could not be made or removed.
    failed: Vec<HostFailure>,
    /// The names of hosts for which nothing was sent.
    not_tried: Vec<String>,
    /// Hosts that were resized and run again.
    resized: Vec<HostRef>,
    /// Hosts that have other tags now, or are in another of the provider's projects, as they
    /// were before.
    retagged: Vec<HostRef>,
    /// Hosts that were powered on.
    powered_on: Vec<HostRef>,
    /// What deleted hosts have left behind in the cloud and costs money.
    leftovers: Vec<Leftover>,
    /// What exists now, if the run was interrupted; else `null`.
    exists: Option<ExistsNow>,
}

/// The hosts of the environment that exist after an interrupted run.
#[derive(Debug, Serialize, JsonSchema)]
struct ExistsNow {
    /// The hosts, by name.
    hosts: Vec<HostRef>,
    /// The ids of those that this run created, ready or not.
    created: Vec<String>,
    /// Whether the cloud was read once more. If not, there may be more hosts.
    is_whole: bool,
    /// What the hosts cost in a month, as far as prices are known.
    #[schemars(extend("x-unit" = "millionths of a US dollar"))]
    monthly: i64,
    /// What they cost in an hour.
    #[schemars(extend("x-unit" = "millionths of a US dollar"))]
    hourly: i64,
}

/// Something that outlives a deleted host and costs money.
#[derive(Debug, Serialize, JsonSchema)]
struct Leftover {
    /// The name of the host that it belonged to.
    host: String,
    /// What it is, in the cloud's own word: `volume`, `volume_snapshot`,
    /// `snapshot`, `reserved_ip`.
    kind: String,
    /// Its id in the cloud.
    id: String,
    /// Its name, if it has one.
    name: Option<String>,
    /// Its price of a month, if the cloud tells.
    #[schemars(extend("x-unit" = "millionths of a US dollar"))]
    monthly: Option<i64>,
}

/// A host that could not be made or removed.
#[derive(Debug, Serialize, JsonSchema)]
struct HostFailure {
    /// The host's name.
    host: String,
    /// Its id in the cloud, if it has one.
    id: Option<String>,
    /// Why.
    error: Error,
}

impl Apply {
    /// What was done in two steps.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.created.extend(other.created);
        self.deleted.extend(other.deleted);
        self.failed.extend(other.failed);
        self.not_tried.extend(other.not_tried);
        self.resized.extend(other.resized);
        self.retagged.extend(other.retagged);
        self.powered_on.extend(other.powered_on);
        self.leftovers.extend(other.leftovers);
        self.exists = other.exists.or(self.exists);
        self
    }
}

impl From<&core::ApplyReport> for Apply {
    fn from(report: &core::ApplyReport) -> Self {
        let mut failed: Vec<&core::HostFailure> = report.failed.iter().collect();
        failed.sort_by_key(|failure| (&failure.host, &failure.id));
        let failed = failed.into_iter().map(|failure| HostFailure {
            host: failure.host.to_string(),
            id: failure.id.as_ref().map(ToString::to_string),
            error: (&failure.error).into(),
        });
        let mut created: Vec<&core::Host> = report.created.iter().collect();
        created.sort_by_key(|host| (&host.name, &host.id));
        let refs = |hosts: &[core::HostRef]| {
            let mut hosts: Vec<&core::HostRef> = hosts.iter().collect();
            hosts.sort();
            hosts.into_iter().map(HostRef::from).collect()
        };
        let mut leftovers: Vec<&core::Leftover> = report.leftovers.iter().collect();
        leftovers.sort_by_key(|left| (&left.host, left.kind, &left.id));
        let mut not_tried: Vec<String> = report.not_tried.iter().map(ToString::to_string).collect();
        not_tried.sort();
        Self {
            created: created.into_iter().map(Host::from).collect(),
            deleted: refs(&report.deleted),
            failed: failed.collect(),
            not_tried,
            resized: refs(&report.resized),
            retagged: refs(&report.retagged),
            powered_on: refs(&report.powered_on),
            leftovers: leftovers.into_iter().map(Leftover::from).collect(),
            exists: report.exists.as_ref().map(ExistsNow::from),
        }
    }
}

impl From<&core::Leftover> for Leftover {
    fn from(left: &core::Leftover) -> Self {
        Self {
            host: left.host.to_string(),
            kind: left.kind.to_owned(),
            id: left.id.clone(),
            name: left.name.clone(),
            monthly: left.monthly.map(|amount| amount.0),
        }
    }
}

impl From<&core::ExistsNow> for ExistsNow {
    fn from(exists: &core::ExistsNow) -> Self {
        let (monthly, hourly) = exists.cost();
        Self {
            hosts: exists.hosts.iter().map(HostRef::from).collect(),
            created: exists.created.iter().map(ToString::to_string).collect(),
            is_whole: exists.is_whole,
            monthly: monthly.0,
            hourly: hourly.0,
        }
    }
}
