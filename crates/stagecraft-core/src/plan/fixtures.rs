//! Plans for tests.

use std::collections::BTreeMap;

use super::facts::{Account, CloudFacts};
use super::host_ref::{HostRef, Protection};
use super::infra_plan::InfraPlan;
use super::request::{PlanMode, PlanRequest};
use crate::name::{EnvironmentName, HostId};
use crate::naming::Naming;

pub(crate) fn account(name: &str) -> Account {
    Account {
        id: name.into(),
        name: name.into(),
        team: None,
    }
}

/// Returns the facts of account `a`, which is empty.
pub(crate) fn facts() -> CloudFacts {
    CloudFacts {
        account: account("a"),
        endpoint: "https://x".into(),
        host_limit: None,
        operator_key: None,
        hosts: Vec::new(),
        sizes: BTreeMap::new(),
        backup_percent: None,
        time: None,
    }
}

/// Returns a plan that does nothing.
pub(crate) fn plan(environment: &str, mode: PlanMode) -> InfraPlan {
    let request = PlanRequest::new(EnvironmentName::new(environment).unwrap(), mode);
    InfraPlan::new("cloud", &Naming::default(), &facts(), &request)
}

pub(crate) fn host(name: &str) -> HostRef {
    HostRef {
        name: name.into(),
        id: HostId::new(name),
        size: "small".into(),
        region: "nyc1".into(),
        monthly: None,
        hourly: None,
        backups_monthly: None,
        protection: Protection::default(),
        expires_at: None,
        node: None,
        owner: None,
    }
}
