//! Observations of a cloud: an account, its hosts, and what the cloud offers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::host_ref::{HostRef, Protection};
use crate::host::{Host, HostSpec};
use crate::money::MicroUsd;
use crate::name::EnvironmentName;
use crate::tags;

/// The observed state of a cloud, for one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudFacts {
    /// The account.
    pub account: Account,
    /// The URL of the API.
    pub endpoint: String,
    /// The most hosts that the account may have, if the cloud reports it.
    pub host_limit: Option<u64>,
    /// The key for new hosts. Read only if hosts are to be created.
    pub operator_key: Option<OperatorKey>,
    /// Every host with the environment's tag.
    pub hosts: Vec<Host>,
    /// The sizes that the cloud offers, by name.
    pub sizes: BTreeMap<String, SizeOffer>,
    /// The highest cost of a host's backups, in percent of the price of its size; `None` if the
    /// cloud does not report it.
    #[serde(default)]
    pub backup_percent: Option<u32>,
    /// The cloud's own time in seconds since 1970. Read only for plans that reap.
    #[serde(default)]
    pub time: Option<i64>,
}

/// The account in which a plan is applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: String,
    /// Its name for people: an e-mail address.
    pub name: String,
    /// The name of its team, if it has one.
    pub team: Option<String>,
}

impl Account {
    /// Whether a name denotes this account: its id, its e-mail address or its team's name. Case
    /// does not matter.
    pub fn is_named(&self, name: &str) -> bool {
        [Some(&self.id), Some(&self.name), self.team.as_ref()]
            .into_iter()
            .flatten()
            .any(|own| own.eq_ignore_ascii_case(name))
    }
}

/// The operator's key, which the cloud puts on new hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorKey {
    /// Its name in the account.
    pub name: String,
    /// Its fingerprint in the cloud's form.
    pub fingerprint: String,
}

/// What a cloud offers for a size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SizeOffer {
    /// The monthly price.
    pub monthly: MicroUsd,
    /// The hourly price, which is the unit of billing.
    pub hourly: MicroUsd,
    /// The size of the disk in GB.
    pub disk_gb: u64,
    /// The regions where it is available now, sorted.
    pub regions: Vec<String>,
}

impl CloudFacts {
    /// Returns the monthly cost of a host with its backups, if the cloud reports it.
    pub fn monthly_of(&self, host: &Host) -> Option<MicroUsd> {
        Some(self.price(&host.size, host.has_backups())?.monthly())
    }

    /// Returns the price of a host of a size, if the cloud reports it. Leaves out backups if
    /// their cost is not reported.
    pub(crate) fn price(&self, size: &str, has_backups: bool) -> Option<Price> {
        let offer = self.sizes.get(size)?;
        let percent = self.backup_percent.filter(|_| has_backups);
        Some(Price {
            size: (offer.monthly, offer.hourly),
            backups: percent.map(|percent| {
                (
                    offer.monthly.percent(percent),
                    offer.hourly.percent(percent),
                )
            }),
        })
    }

    /// Returns a short form of a host, with the price of its size. Ignores its declaration.
    pub fn reference(&self, environment: &EnvironmentName, host: &Host) -> HostRef {
        self.reference_to(environment, host, None)
    }

    /// Returns a host as plans show it, with its declaration if it is ours.
    pub(super) fn reference_to(
        &self,
        environment: &EnvironmentName,
        host: &Host,
        spec: Option<&HostSpec>,
    ) -> HostRef {
        let name = host.shown_name();
        let usual = format!("{environment}-{name}");
        let is_usual = host.name.is_none() || host.node.eq_ignore_ascii_case(&usual);
        let price = self.price(&host.size, host.has_backups());
        HostRef {
            name,
            node: (!is_usual).then(|| host.node.clone()),
            owner: None,
            id: host.id.clone(),
            size: host.size.clone(),
            region: host.region.clone(),
            monthly: price.map(|price| price.monthly()),
            hourly: price.map(|price| price.hourly()),
            backups_monthly: price.and_then(|price| price.backups_monthly()),
            protection: Protection {
                by_file: spec.is_some_and(|spec| spec.options.protect),
                by_tag: host.has_tag(tags::PROTECT_TAG),
            },
            expires_at: tags::expires_at(&host.tags),
        }
    }
}

/// The price of a host: its size, and its backups if their cost is known. Each per month
/// and per hour.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Price {
    size: (MicroUsd, MicroUsd),
    backups: Option<(MicroUsd, MicroUsd)>,
}

impl Price {
    pub(crate) fn monthly(&self) -> MicroUsd {
        let backups = self.backups.map(|own| own.0);
        [self.size.0].into_iter().chain(backups).sum()
    }

    pub(crate) fn hourly(&self) -> MicroUsd {
        let backups = self.backups.map(|own| own.1);
        [self.size.1].into_iter().chain(backups).sum()
    }

    pub(crate) fn backups_monthly(&self) -> Option<MicroUsd> {
        self.backups.map(|own| own.0)
    }
}
