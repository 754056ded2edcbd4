//! What can be known to be wrong before the first write.

use stagecraft_core::{CloudFacts, Finding, Host, InfraPlan, tags};

/// Checks a plan against the account. `all` is every host of the account.
pub(crate) fn check(facts: &CloudFacts, plan: &InfraPlan, all: &[Host]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for entry in &plan.create {
        let spec = &entry.spec;
        let finding = |message: String, hint: Option<String>| Finding {
            host: Some(spec.name.clone()),
            message,
            hint,
            is_guard: false,
        };
        match facts.sizes.get(&spec.size) {
            None => findings.push(finding(
                format!("size `{}` does not exist", spec.size),
                None,
            )),
            Some(offer) if !offer.regions.contains(&spec.region) => {
                let hint = if offer.regions.is_empty() {
                    "it is available nowhere at the moment".to_owned()
                } else {
                    format!("it is available in {}", offer.regions.join(", "))
                };
                findings.push(finding(
                    format!(
                        "size `{}` is not available in region `{}`",
                        spec.size, spec.region
                    ),
                    Some(hint),
                ));
            }
            Some(_) => {}
        }
        // One of ours may have come into view since the facts were read: apply adopts it.
        let taken = all.iter().filter(|host| {
            host.node.eq_ignore_ascii_case(entry.node.as_str())
                && !tags::is_owned(host, plan.project.as_ref(), &plan.environment)
        });
        for host in taken {
            findings.push(finding(
                format!(
                    "droplet '{}' already exists (id {}) and is not yours by its tags",
                    host.node, host.id
                ),
                Some("rename or delete it, or give the host another name".to_owned()),
            ));
        }
    }
    let needed = all.len() + plan.create.len();
    if let Some(limit) = facts.host_limit
        && !plan.create.is_empty()
        && needed as u64 > limit
    {
        findings.push(Finding {
            host: None,
            message: format!(
                "the account may have {limit} droplets; it has {} and the plan adds {}",
                all.len(),
                plan.create.len()
            ),
            hint: Some("ask DigitalOcean for a higher limit".to_owned()),
            is_guard: false,
        });
    }
    findings
}
