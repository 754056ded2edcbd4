use std::collections::BTreeMap;

use stagecraft_core::{
    Account, CloudFacts, FailureCode, Host, HostFailure, HostId, HostRef, HostStatus, Naming,
    PlanMode, PlanRequest, Protection, StepFailure,
};

use super::*;

pub(crate) fn plan(unchanged: &[&str]) -> InfraPlan {
    let reference = |name: &&str| HostRef {
        name: (*name).to_owned(),
        id: HostId::new(*name),
        size: "small".into(),
        region: "nyc1".into(),
        monthly: None,
        hourly: None,
        backups_monthly: None,
        protection: Protection::default(),
        expires_at: None,
        node: None,
        owner: None,
    };
    let facts = CloudFacts {
        account: Account {
            id: "a".into(),
            name: "a".into(),
            team: None,
        },
        endpoint: "https://x".into(),
        host_limit: None,
        operator_key: None,
        hosts: Vec::new(),
        sizes: BTreeMap::new(),
        backup_percent: None,
        time: None,
    };
    let request = PlanRequest::new("staging".parse().unwrap(), PlanMode::Reconcile);
    InfraPlan {
        unchanged: unchanged.iter().map(reference).collect(),
        ..InfraPlan::new("cloud", &Naming::default(), &facts, &request)
    }
}

pub(crate) fn host(name: &str) -> Host {
    Host {
        id: HostId::new(name),
        node: format!("staging-{name}"),
        name: Some(name.parse().unwrap()),
        role: None,
        size: "small".into(),
        region: "nyc1".into(),
        public_ipv4: None,
        private_ipv4: None,
        status: HostStatus::Active,
        disk_gb: None,
        vpc: None,
        cloud_project: None,
        image: None,
        features: None,
        tags: Vec::new(),
    }
}

fn report(name: &str, failure: Option<FailureCode>) -> HostReport {
    HostReport {
        host: name.parse().unwrap(),
        id: HostId::new(name),
        address: None,
        fqdn: None,
        system: None,
        warnings: Vec::new(),
        retries: Vec::new(),
        duration: std::time::Duration::ZERO,
        steps: Vec::new(),
        failure: failure.map(|code| StepFailure::new(code, "x")),
    }
}

/// Builds an outcome from existing, created and failed hosts, and the hosts' reports.
fn outcome(
    unchanged: &[&str],
    created: &[&str],
    failed: &[&str],
    hosts: &[(&str, Option<FailureCode>)],
) -> Outcome {
    let failure = |name: &&str| HostFailure {
        host: name.parse().unwrap(),
        id: None,
        error: Error::new(ErrorKind::Unavailable, "x"),
    };
    UpReport {
        run: "0123456789abcdef".into(),
        plan: plan(unchanged),
        apply: ApplyReport {
            created: created.iter().map(|name| host(name)).collect(),
            failed: failed.iter().map(failure).collect(),
            ..ApplyReport::default()
        },
        hosts: hosts
            .iter()
            .map(|(name, code)| report(name, *code))
            .collect(),
        interrupted: false,
        locked: false,
    }
    .outcome()
}

#[test]
fn outcome_tells_who_is_to_blame_when_nothing_is_usable() {
    const SSH: Option<FailureCode> = Some(FailureCode::SshFailed);
    const JOIN: Option<FailureCode> = Some(FailureCode::NetworkJoinFailed);
    let cases = [
        (outcome(&["a"], &["b"], &[], &[]), Outcome::Done),
        (outcome(&[], &[], &["a"], &[]), Outcome::CloudFailed),
        (
            outcome(&["a", "b"], &[], &["a", "b"], &[]),
            Outcome::CloudFailed,
        ),
        (outcome(&["a", "b"], &[], &["a"], &[]), Outcome::Partial),
        (outcome(&[], &["a"], &["b"], &[]), Outcome::Partial),
        (
            outcome(&[], &["a"], &["b"], &[("a", None)]),
            Outcome::Partial,
        ),
        (
            outcome(&[], &["a"], &[], &[("a", SSH)]),
            Outcome::BootstrapFailed,
        ),
        (
            outcome(&[], &["a"], &["b"], &[("a", SSH)]),
            Outcome::BootstrapFailed,
        ),
        (
            outcome(&[], &["a", "b"], &[], &[("a", SSH), ("b", None)]),
            Outcome::Partial,
        ),
        (
            outcome(&[], &["a", "b"], &[], &[("a", JOIN), ("b", JOIN)]),
            Outcome::NetworkFailed,
        ),
        (
            outcome(&[], &["a", "b"], &[], &[("a", JOIN), ("b", SSH)]),
            Outcome::BootstrapFailed,
        ),
    ];
    for (number, (found, expected)) in cases.into_iter().enumerate() {
        assert_eq!(found, expected, "case {number}");
    }
}
