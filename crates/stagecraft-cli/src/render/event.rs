//! One event on one line.

use stagecraft_core::{Event, HostName, StepOutcome, seconds};

use crate::output::{GREEN, RED, RESET, YELLOW};

/// An event as text for people.
pub(crate) fn event_line(event: &Event) -> String {
    match event {
        Event::LeaseTaken { environment, .. } => format!("lease of {environment} taken"),
        Event::LeaseTakenOver { holder, reason, .. } => {
            format!("{YELLOW}lease taken over{RESET} from {holder}: {reason}")
        }
        Event::LeaseLost { holder, .. } => format!(
            "{RED}lease lost{RESET}: {}",
            holder.as_deref().unwrap_or("it was broken")
        ),
        Event::LeaseLeft { reason, .. } => {
            format!("{YELLOW}lease left behind{RESET}, it expires by itself: {reason}")
        }
        Event::HostsRequested { hosts } => format!("create {}", join(hosts)),
        Event::HostAccepted { host, id, adopted } => {
            let how = if *adopted { "found" } else { "accepted" };
            format!("{host}: {how}, id {id}")
        }
        Event::HostActive { host, address, .. } => {
            format!("{host}: {GREEN}active{RESET} at {address}")
        }
        Event::HostFailed { host, message } => format!("{host}: {RED}failed{RESET}: {message}"),
        Event::HostDeleteAccepted { host, id } => format!("{host}: delete accepted, id {id}"),
        Event::HostGone { host, .. } => format!("{host}: {GREEN}gone{RESET}"),
        Event::HostConnected { host, host_key } => {
            format!("{host}: connected, host key {host_key}")
        }
        Event::StepStarted { host, step } => format!("{host}: {step} ..."),
        Event::StepFinished {
            host,
            step,
            outcome,
        } => format!("{host}: {step} {}", outcome_text(outcome)),
        Event::Waiting {
            host,
            what,
            elapsed,
            deadline,
        } => format!(
            "{}waiting for {what} ({} of at most {}){}",
            prefix(host.as_ref()),
            seconds(*elapsed),
            seconds(*deadline),
            end_at_once(what)
        ),
        Event::Retrying {
            host,
            what,
            reason,
            delay,
        } => format!(
            "{}{YELLOW}again in {}{RESET}: {what}: {reason}",
            prefix(host.as_ref()),
            seconds(*delay)
        ),
    }
}

/// What to do about a wait after cancellation.
pub(crate) fn end_at_once(what: &str) -> &'static str {
    if what.starts_with("step `") {
        "; Ctrl-C again ends this program at once, and the step goes on there"
    } else {
        ""
    }
}

/// The outcome of a step, in a few words.
pub(super) fn outcome_text(outcome: &StepOutcome) -> String {
    match outcome {
        StepOutcome::Unchanged => "unchanged".to_owned(),
        StepOutcome::Changed { changes } => {
            format!("{GREEN}changed{RESET}: {}", changes.join(", "))
        }
        StepOutcome::WouldChange { changes } => {
            format!("{YELLOW}will change{RESET}: {}", changes.join(", "))
        }
        StepOutcome::MayChange { changes, after } => {
            let changes = match changes.as_slice() {
                [] => String::new(),
                changes => format!(": {}", changes.join(", ")),
            };
            format!("{YELLOW}may change{RESET} once {after} has{changes}")
        }
        StepOutcome::Skipped { reason } => format!("skipped: {reason}"),
        StepOutcome::Failed(failure) => {
            format!("{RED}failed{RESET} ({}): {}", failure.code, failure.message)
        }
    }
}

fn prefix(host: Option<&HostName>) -> String {
    host.map(|host| format!("{host}: ")).unwrap_or_default()
}

fn join(hosts: &[HostName]) -> String {
    let names: Vec<&str> = hosts.iter().map(HostName::as_str).collect();
    names.join(", ")
}
