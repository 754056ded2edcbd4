//! Hosts that exist after an interrupted run, on which the next decision is based.

use std::time::Duration;

use stagecraft_core::{ApplyReport, CloudFacts, ExistsNow, HostId, HostRef, InfraPlan, Run, tags};
use tokio::time::timeout;

use crate::engine::Engine;

/// The longest time for the last read of the cloud. The user has asked to stop.
const PATIENCE: Duration = Duration::from_secs(10);

impl Engine {
    /// Reads which hosts of the environment exist after an interrupted run. It reads the cloud
    /// again, since answers may have been lost; if that fails, it reports only what the run knows.
    /// `None` if the run was not interrupted, or has lost its lease: then the hosts belong to
    /// another run.
    pub(crate) async fn exists_now(
        &self,
        run: &Run,
        plan: &InfraPlan,
        facts: &CloudFacts,
        apply: &ApplyReport,
    ) -> Option<ExistsNow> {
        if !run.cancellation().is_cancelled() || run.lost().is_some() {
            return None;
        }
        let tag = run.id().map(tags::run_tag).ok();
        let last = run.shielded();
        let hosts = self.cloud.hosts(&last, &plan.environment);
        let Ok(Ok(hosts)) = timeout(PATIENCE, hosts).await else {
            return Some(known(plan, facts, apply));
        };
        let is_own = |tags: &[String]| {
            let tag = tag.as_ref();
            tag.is_some_and(|tag| tags.iter().any(|own| own.eq_ignore_ascii_case(tag)))
        };
        let created = hosts.iter().filter(|host| is_own(&host.tags));
        let created = created.map(|host| host.id.clone()).collect();
        let mut hosts: Vec<_> = hosts
            .iter()
            .map(|host| facts.reference(&plan.environment, host))
            .collect();
        hosts.sort();
        Some(ExistsNow {
            hosts,
            created,
            is_whole: true,
        })
    }
}

/// Returns what the run itself knows: earlier hosts and created ones, without deleted ones.
fn known(plan: &InfraPlan, facts: &CloudFacts, apply: &ApplyReport) -> ExistsNow {
    let is_gone = |id: &HostId| apply.deleted.iter().any(|own| own.id == *id);
    let before = facts.hosts.iter().filter(|host| !is_gone(&host.id));
    let mut hosts: Vec<HostRef> = before
        .map(|host| facts.reference(&plan.environment, host))
        .collect();
    let accepted = apply.failed.iter().filter_map(|own| {
        let id = own.id.clone()?;
        Some((own.host.clone(), id))
    });
    let ready = apply.created.iter();
    let ready = ready.filter_map(|host| Some((host.name.clone()?, host.id.clone())));
    let mut created = std::collections::BTreeSet::new();
    for (name, id) in ready.chain(accepted) {
        let entry = plan.create.iter().find(|entry| entry.spec.name == name);
        let Some(entry) = entry.filter(|_| !hosts.iter().any(|own| own.id == id)) else {
            continue;
        };
        created.insert(id.clone());
        hosts.push(HostRef {
            name: name.to_string(),
            id,
            size: entry.spec.size.clone(),
            region: entry.spec.region.clone(),
            monthly: entry.monthly,
            hourly: entry.hourly,
            protection: stagecraft_core::Protection {
                by_file: entry.spec.options.protect,
                by_tag: entry.spec.options.protect,
            },
            backups_monthly: entry.backups_monthly,
            expires_at: None,
            node: Some(entry.node.to_string()),
            owner: None,
        });
    }
    hosts.sort();
    ExistsNow {
        hosts,
        created,
        is_whole: false,
    }
}
