//! Reasons why hosts cannot be adopted or unprotected. Pure.

use stagecraft_core::{
    CloudFacts, Finding, Host, HostName, HostSpec, InfraPlan, PlanMode, PlanRequest, tags,
};

/// Returns why named hosts cannot be adopted, for those that the plan leaves out and that are not
/// ours yet.
pub(crate) fn findings(
    declared: &[HostSpec],
    facts: &CloudFacts,
    plan: &InfraPlan,
    request: &PlanRequest,
) -> Vec<Finding> {
    match plan.mode {
        PlanMode::Adopt => {}
        PlanMode::Unprotect => return missing(plan, request),
        _ => return Vec::new(),
    }
    let project = plan.project.as_ref();
    let left = request.hosts.iter().filter(|name| {
        let is_taken = plan.retag.iter().any(|own| own.host.name == name.as_str());
        let mut named = facts
            .hosts
            .iter()
            .filter(|host| host.name.as_ref() == Some(*name));
        !is_taken && !named.any(|host| tags::is_owned(host, project, &plan.environment))
    });
    left.map(|name| {
        let is_declared = declared.iter().any(|spec| spec.name == *name);
        let (message, hint) = reason(name, is_declared, facts, plan);
        Finding {
            host: Some(name.clone()),
            message,
            hint,
            is_guard: true,
        }
    })
    .collect()
}

/// Returns named hosts that cannot be unprotected, since none of ours has the name.
fn missing(plan: &InfraPlan, request: &PlanRequest) -> Vec<Finding> {
    let exists = |name: &HostName| plan.existing().any(|host| host.name == name.as_str());
    let missing = request.hosts.iter().filter(|name| !exists(name));
    missing
        .map(|name| Finding {
            host: Some(name.clone()),
            message: format!("there is no host of that name in {}", plan.environment),
            hint: Some("see those that are there by `stagecraft infra hosts`".to_owned()),
            is_guard: true,
        })
        .collect()
}

fn reason(
    name: &HostName,
    is_declared: bool,
    facts: &CloudFacts,
    plan: &InfraPlan,
) -> (String, Option<String>) {
    let named = facts
        .hosts
        .iter()
        .filter(|host| host.name.as_ref() == Some(name));
    let named: Vec<&Host> = named.collect();
    let project = plan.project.as_ref();
    let node = plan.naming().node(&plan.environment, name).map_or_else(
        |_| format!("{}-{name}", plan.environment),
        |node| node.to_string(),
    );
    match named.as_slice() {
        [] => (
            format!("there is no host `{node}` in the cloud"),
            Some(format!(
                "rename the host to {node} in the cloud's console first"
            )),
        ),
        [host] if tags::is_foreign(host, project, &plan.environment) => {
            let owner = tags::owner_of(host).map(|owner| owner.to_string());
            let owner = owner.unwrap_or_else(|| "another project or environment".to_owned());
            (
                format!("'{}' (id {}) belongs to {owner}", host.node, host.id),
                Some("a host belongs to one project: work on it with that one's file".to_owned()),
            )
        }
        [_] if !is_declared => (
            "the file does not declare it".to_owned(),
            Some("declare it first: its role becomes a tag".to_owned()),
        ),
        // It has all tags that it should, so there is nothing to do, but it is not ours.
        [host] => (
            format!("`{}` (id {}) cannot be adopted", host.node, host.id),
            None,
        ),
        several => {
            let ids: Vec<&str> = several.iter().map(|host| host.id.as_str()).collect();
            (
                format!(
                    "{} hosts are named `{node}`: ids {}",
                    several.len(),
                    ids.join(", ")
                ),
                Some("rename all but one of them".to_owned()),
            )
        }
    }
}
