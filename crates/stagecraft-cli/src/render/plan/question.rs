//! Describes a plan in questions.

use stagecraft_core::InfraPlan;
use stagecraft_engine::HostLook;

use super::summary::{moved, tagged};
use crate::output::one_line;
use crate::render::text::{account_text, plural};

/// The place of a plan, for questions.
pub(crate) fn where_text(plan: &InfraPlan) -> String {
    let account = account_text(&plan.account);
    format!("in account {account} at {}", one_line(&plan.endpoint))
}

/// The actions of a plan, and the changes on existing hosts, for questions.
pub(crate) fn work_text(plan: &InfraPlan, look: Option<&HostLook>) -> String {
    let pause = if plan.resize.iter().any(|entry| entry.grow_disk) {
        " (each is off meanwhile; disks grow for good)"
    } else {
        " (each is off meanwhile)"
    };
    let work = [
        (plan.create.len(), "create", ""),
        (plan.resize.len(), "resize", pause),
        (tagged(plan), "change the tags of", ""),
        (moved(plan), "put into a project", ""),
        (plan.power_on.len(), "power on", ""),
    ];
    let work = work.iter().filter(|(count, ..)| *count > 0);
    let mut work: Vec<String> = work
        .map(|(count, verb, note)| format!("{verb} {}{note}", plural(*count, "host")))
        .collect();
    work.extend(look.and_then(changing));
    capital(&work.join(", "))
}

/// The changes on existing hosts, for questions.
pub(crate) fn change_text(look: &HostLook) -> String {
    capital(&changing(look).unwrap_or_default())
}

fn changing(look: &HostLook) -> Option<String> {
    let (found, unread) = (look.changes().len(), look.unread().count());
    let unread = match unread {
        0 => None,
        count => Some(format!(
            "change {} that cannot be read yet as needed",
            plural(count, "host")
        )),
    };
    let found = match found {
        0 => None,
        count => Some(format!("change {}", plural(count, "existing host"))),
    };
    let parts: Vec<String> = found.into_iter().chain(unread).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
