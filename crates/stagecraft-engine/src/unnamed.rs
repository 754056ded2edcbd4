//! Our hosts whose names no pattern matches. Pure.

use stagecraft_core::{Finding, HostRef, InfraPlan};

/// The most hosts listed by name.
const NAMED: usize = 5;

/// Explains why nothing is created while a host has the tags of this project and environment and a
/// name that no pattern matches: it may be one of the seemingly missing ones.
pub(crate) fn finding(plan: &InfraPlan) -> Option<Finding> {
    let unnamed: Vec<&HostRef> = plan.unnamed().collect();
    let entry = plan.create.first()?;
    if unnamed.is_empty() {
        return None;
    }
    let shown = unnamed.iter().take(NAMED);
    let shown = shown.map(|host| format!("'{}' (id {})", host.name, host.id));
    let mut shown: Vec<String> = shown.collect();
    if unnamed.len() > NAMED {
        shown.push(format!("{} more", unnamed.len() - NAMED));
    }
    let (is, name) = match unnamed.len() {
        1 => ("host", "has a name"),
        _ => ("hosts", "have names"),
    };
    let naming = plan.naming();
    Some(Finding {
        host: None,
        message: format!(
            "{is} of this project and environment {name} that the name pattern `{}` does not read: {}; creating hosts could make a second one of the same",
            naming.pattern(),
            shown.join(", ")
        ),
        hint: Some(format!(
            "rename it back in the cloud's console, for example to {}, or take its tag `stagecraft` away if Stagecraft is no longer to manage it",
            entry.node
        )),
        is_guard: true,
    })
}
