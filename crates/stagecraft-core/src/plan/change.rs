//! A change since a plan was made, described for users.

use std::fmt;

use crate::money::MicroUsd;
use crate::name::HostId;

/// A change since a plan was made. `Display` describes it.
///
/// Changes sort by importance: first those that make all others irrelevant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum PlanChange {
    /// A setting of the whole plan differs.
    Setting {
        /// The setting.
        setting: PlanSetting,
        /// The value in the plan.
        planned: String,
        /// The present value.
        now: String,
    },
    /// A host no longer exists.
    HostGone {
        /// Its name.
        host: String,
        /// Its id.
        id: HostId,
    },
    /// A host exists that did not.
    HostNew {
        /// Its name.
        host: String,
        /// Its id.
        id: HostId,
    },
    /// A host has changed.
    HostChanged {
        /// Its earlier name.
        host: String,
        /// Its id.
        id: HostId,
        /// What changed: `name`, `size`, `region` or `tags`.
        what: &'static str,
        /// What it was.
        planned: String,
        /// What it is now.
        now: String,
    },
    /// The configuration now declares this host.
    Declared {
        /// Its name.
        host: String,
    },
    /// The configuration no longer declares this host.
    Undeclared {
        /// Its name.
        host: String,
    },
    /// The declaration of a host has changed.
    DeclarationChanged {
        /// Its name.
        host: String,
        /// What changed: `role`, `size`, `region`, `image` or the name of an
        /// option, such as `ttl`.
        what: &'static str,
        /// What was declared.
        planned: String,
        /// What is declared now.
        now: String,
    },
    /// An existing host would be moved to another of the provider's projects.
    ProjectChanged {
        /// Its name.
        host: String,
        /// The project in the plan; `None` if the host keeps its own.
        planned: Option<String>,
        /// The project now; `None` if the host would keep its own.
        now: Option<String>,
    },
    /// The price of a size has changed.
    PriceChanged {
        /// The size.
        size: String,
        /// The monthly price when the plan was made, if the cloud reported it.
        planned: Option<MicroUsd>,
        /// The present monthly price, if the cloud reports it.
        now: Option<MicroUsd>,
    },
    /// The plans differ in another way, which has no description.
    Other,
}

/// A setting of a whole plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum PlanSetting {
    /// The account.
    Account,
    /// The URL of the API.
    Endpoint,
    /// The cloud provider.
    Provider,
    /// The project.
    Project,
    /// The pattern of host names.
    NamePattern,
    /// The environment.
    Environment,
    /// The operator's key for new hosts.
    OperatorKey,
}

impl fmt::Display for PlanSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Account => "account",
            Self::Endpoint => "endpoint",
            Self::Provider => "cloud provider",
            Self::Project => "project",
            Self::NamePattern => "name pattern",
            Self::Environment => "environment",
            Self::OperatorKey => "operator's key",
        })
    }
}

impl fmt::Display for PlanChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting {
                setting,
                planned,
                now,
            } => write!(f, "{setting} is {now}, the plan was made for {planned}"),
            Self::HostGone { host, id } => write!(f, "host `{host}` (id {id}) is gone"),
            Self::HostNew { host, id } => write!(f, "host `{host}` (id {id}) is new"),
            Self::HostChanged {
                host,
                id,
                what,
                planned,
                now,
            } => write!(
                f,
                "{what} of host `{host}` (id {id}) changed from {planned} to {now}"
            ),
            Self::Declared { host } => write!(
                f,
                "the configuration now declares `{host}`, the plan does not"
            ),
            Self::Undeclared { host } => {
                write!(f, "the configuration no longer declares `{host}`")
            }
            Self::DeclarationChanged {
                host,
                what,
                planned,
                now,
            } => write!(
                f,
                "the configuration now declares {what} {now} for `{host}`, the plan has {planned}"
            ),
            Self::ProjectChanged { host, planned, now } => match (planned, now) {
                (Some(planned), Some(now)) => write!(
                    f,
                    "`{host}` would now be put into project {now}, the plan puts it into {planned}"
                ),
                (None, Some(now)) => write!(
                    f,
                    "`{host}` would now be put into project {now}, the plan leaves it where it is"
                ),
                (planned, None) => write!(
                    f,
                    "`{host}` would now stay in its project, the plan puts it into {}",
                    planned.as_deref().unwrap_or("none")
                ),
            },
            Self::PriceChanged { size, planned, now } => {
                let price = |amount: &Option<MicroUsd>| {
                    amount.map_or_else(|| "unknown".to_owned(), |amount| amount.to_string())
                };
                let (planned, now) = (price(planned), price(now));
                write!(f, "price of {size} changed from {planned} to {now} a month")
            }
            Self::Other => f.write_str("what would be planned now differs"),
        }
    }
}
