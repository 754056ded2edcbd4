//! A plan with its facts and findings, and the refusal of plans that cannot succeed.

use stagecraft_core::{
    CloudFacts, Error, ErrorKind, Finding, HostRef, InfraPlan, PlanRequest, Result,
};

/// A plan, with the facts that it is based on and the problems found in it.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The request.
    pub request: PlanRequest,
    /// The plan.
    pub plan: InfraPlan,
    /// The facts.
    pub facts: CloudFacts,
    /// What would make the plan fail.
    pub findings: Vec<Finding>,
}

impl Planned {
    /// Returns the next host that may be reaped, of those that the plan keeps.
    pub fn next_end(&self) -> Option<&HostRef> {
        let left = self.plan.existing().filter(|host| {
            let goes = self.plan.delete.iter().any(|own| own.id == host.id);
            let is_held = self.plan.held.iter().any(|own| own.host.id == host.id);
            !goes && !is_held && !host.is_protected() && host.expires_at.is_some()
        });
        left.min_by_key(|host| (host.expires_at, &host.name))
    }
}

/// Returns the hosts of a plan that exist and are declared.
pub(crate) fn kept(plan: &InfraPlan) -> impl Iterator<Item = &HostRef> {
    let differing = plan.differ.iter().map(|entry| &entry.host);
    let resized = plan.resize.iter().map(|entry| &entry.host);
    plan.unchanged.iter().chain(differing).chain(resized)
}

/// Refuses a plan that cannot succeed, with all findings.
pub(crate) fn refuse_findings(planned: &Planned) -> Result<()> {
    let provider = &planned.plan.provider;
    // Findings of the user's own guards do not come from the provider.
    let is_guard = planned.findings.iter().all(|finding| finding.is_guard);
    let (kind, prefix) = if is_guard {
        (ErrorKind::Guard, String::new())
    } else {
        (ErrorKind::Rejected, format!("{provider} provider: "))
    };
    match planned.findings.as_slice() {
        [] => Ok(()),
        [finding] => {
            let error = Error::new(kind, format!("{prefix}{}", finding.message));
            Err(match &finding.hint {
                Some(hint) => error.with_hint(hint),
                None => error,
            })
        }
        several => {
            let list: Vec<String> = several.iter().map(finding_text).collect();
            let list = list.join("; ");
            let message = format!("{prefix}the plan cannot be carried out: {list}");
            Err(Error::new(kind, message))
        }
    }
}

/// Formats a finding on one line.
pub(crate) fn finding_text(finding: &Finding) -> String {
    let host = finding.host.as_ref();
    let host = host.map(|host| format!("{host}: ")).unwrap_or_default();
    let hint = finding.hint.as_ref();
    let hint = hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
    format!("{host}{}{hint}", finding.message)
}

/// Refuses to choose among hosts with the same name.
pub(crate) fn refuse_doubles(plan: &InfraPlan) -> Result<()> {
    if plan.duplicates.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = plan
        .duplicates
        .iter()
        .map(|host| format!("{} (id {})", host.name, host.id))
        .collect();
    Err(Error::new(
        ErrorKind::Guard,
        format!("more than one host has the same name: {}", list.join(", ")),
    )
    .with_hint("delete the wrong one in the cloud's console, or take its tags away"))
}
