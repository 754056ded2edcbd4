//! One thing that has changed since a plan was made, in words.

use std::fmt;

use crate::money::MicroUsd;
use crate::name::HostId;

/// One thing that has changed since a plan was made. `Display` tells it.
///
/// They sort by weight: first what makes all else of no account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum PlanChange {
    /// The plan was made for something else as a whole.
    Setting {
        /// What it is.
        setting: PlanSetting,
        /// What the plan was made for.
        planned: String,
        /// What it is now.
        now: String,
    },
    /// A host is no longer there.
    HostGone {
        /// Its name.
        host: String,
        /// Its id.
        id: HostId,
    },
    /// A host is there that was not.
    HostNew {
        /// Its name.
        host: String,
        /// Its id.
        id: HostId,
    },
    /// A host is not as it was.
    HostChanged {
        /// Its name, as it was.
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
    /// The configuration declares a host that it did not.
    Declared {
        /// Its name.
        host: String,
    },
    /// The configuration does not declare a host any more.
    Undeclared {
        /// Its name.
        host: String,
    },
    /// The configuration declares a host in another way.
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
    /// A host that exists would be put into another of the provider's projects.
    ProjectChanged {
        /// Its name.
        host: String,
        /// The project that the plan puts it into; `None` if it leaves it where it is.
        planned: Option<String>,
        /// The project that it would be put into now; `None` if it would stay where it is.
        now: Option<String>,
    },
    /// A size has another price.
    PriceChanged {
        /// The size.
        size: String,
        /// The price of a month when the plan was made, if the cloud told.
        planned: Option<MicroUsd>,
        /// The price of a month now, if the cloud tells.
        now: Option<MicroUsd>,
    },
    /// The plans differ in a way that has no words of its own.
    Other,
}

/// What a plan is made for as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum PlanSetting {
    /// The account.
    Account,
    /// The address of the API.
    Endpoint,
    /// The cloud provider.
    Provider,
    /// The project.
    Project,
    /// The pattern of the hosts' names.
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
