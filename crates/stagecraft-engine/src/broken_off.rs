//! Recovery from an interrupted resize, which happens even if the rest of the plan is refused.

use infra_bootstrap::Fleet;
use stagecraft_core::{
    ApprovedPlan, Host, HostRef, HostStatus, InfraPlan, PlanMode, Result, RetagEntry, Run, tags,
};

use crate::engine::Engine;
use crate::planned::Planned;

impl Planned {
    /// Returns the part of a plan that only ends an interrupted resize: hosts that it left off are
    /// powered on, and running ones lose its mark. `None` if there are none. Pure.
    ///
    /// [`Engine::up`] applies it even if it refuses the plan.
    #[must_use]
    pub fn broken_off(&self) -> Option<InfraPlan> {
        let plan = &self.plan;
        if plan.mode != PlanMode::Reconcile {
            return None;
        }
        let differing = plan.differ.iter().map(|entry| &entry.host);
        let resized = plan.resize.iter().map(|entry| &entry.host);
        let declared = plan.unchanged.iter().chain(&plan.duplicates);
        let declared = declared.chain(differing).chain(resized);
        let mut power_on = Vec::new();
        let mut retag = Vec::new();
        for own in declared {
            let is_own = |host: &&Host| host.id == own.id && host.has_tag(tags::RESIZING_TAG);
            match self.facts.hosts.iter().find(is_own) {
                Some(host) if host.status == HostStatus::Off => power_on.push(own.clone()),
                Some(host) if host.status == HostStatus::Active => retag.push(unmarked(own, host)),
                _ => {}
            }
        }
        if power_on.is_empty() && retag.is_empty() {
            return None;
        }
        power_on.sort();
        retag.sort_by(|a, b| a.host.cmp(&b.host));
        Some(InfraPlan {
            retag,
            power_on,
            ..InfraPlan::new(&plan.provider, &plan.naming(), &self.facts, &self.request)
        })
    }
}

/// Removes the mark, in the host's spelling.
fn unmarked(own: &HostRef, host: &Host) -> RetagEntry {
    let is_mark = |tag: &&String| tag.eq_ignore_ascii_case(tags::RESIZING_TAG);
    RetagEntry {
        host: own.clone(),
        add: Vec::new(),
        remove: host.tags.iter().filter(is_mark).cloned().collect(),
        ttl_seconds: None,
        expiry: None,
        project: None,
    }
}

impl Engine {
    /// Applies [`Planned::broken_off`], as [`up`](Self::up) does before it refuses a plan.
    /// Failures are emitted as events, and left to the next run. Safe to repeat and to kill.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Locked`](stagecraft_core::ErrorKind::Locked) if the lease is gone: nothing
    /// was written.
    pub async fn bring_back(&self, run: &Run, planned: &Planned) -> Result<()> {
        let Some(plan) = planned.broken_off() else {
            return Ok(());
        };
        run.before_write().await?;
        let facts = &planned.facts;
        let approved = ApprovedPlan::reconcile(plan, &facts.account, &facts.endpoint)?;
        // The hosts are not bootstrapped: the rest of the plan is refused.
        let (queue, _nobody) = Fleet::queue();
        self.cloud.apply(run, &approved, &queue).await;
        Ok(())
    }
}
