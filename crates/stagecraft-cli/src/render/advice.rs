//! The end of a report: counts and advice.

use infra_bootstrap::HostReport;
use stagecraft_core::{Advice, ApplyReport};
use stagecraft_engine::Outcome;

use super::text::line;

/// The advice after all failures of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Advised {
    RunAgain,
    ChangeFirst,
    /// Some failures may pass, others do not.
    Both,
}

/// The advice after these failures, `None` if there are none. All advice at the program's end is
/// derived here, from the kind of each error and the advice of each host's failure.
pub(super) fn advice(apply: &ApplyReport, hosts: &[HostReport]) -> Option<Advised> {
    let in_cloud = apply.failed.iter();
    let in_cloud = in_cloud.map(|failure| Advice::of_kind(failure.error.kind()));
    let not_tried = apply.not_tried.iter().map(|_| Advice::RunAgain);
    let on_hosts = hosts.iter().filter_map(HostReport::first_failure);
    let on_hosts = on_hosts.map(|failure| failure.advice);
    let mut all: Vec<Advice> = in_cloud.chain(not_tried).chain(on_hosts).collect();
    all.sort_unstable();
    all.dedup();
    match all.as_slice() {
        [] => None,
        [Advice::RunAgain] => Some(Advised::RunAgain),
        [Advice::ChangeFirst] => Some(Advised::ChangeFirst),
        _ => Some(Advised::Both),
    }
}

/// The line with the counts of results.
pub(super) fn finish(
    text: &mut String,
    outcome: Outcome,
    parts: &[String],
    advised: Option<Advised>,
) {
    let again = match (outcome, advised) {
        // What was refused is refused again.
        (Outcome::Done | Outcome::Refused, _) => "",
        (Outcome::Interrupted, _) => " Interrupted; run the command again to go on.",
        (_, Some(Advised::ChangeFirst)) => {
            " To run the command again does not help before that is changed."
        }
        (_, Some(Advised::Both)) => {
            " Run the command again to finish the rest; some failures stay until that is changed."
        }
        (_, Some(Advised::RunAgain) | None) => " Run the command again to finish the rest.",
    };
    line!(text, "{}.{again}", parts.join(", "));
}

/// The next command, if a host failed.
pub(super) fn next_line(text: &mut String, hosts: &[HostReport], next: &str) {
    let none = ApplyReport::default();
    match advice(&none, hosts) {
        None => {}
        Some(Advised::ChangeFirst) => line!(text, "After that: {next}"),
        Some(Advised::RunAgain | Advised::Both) => line!(text, "Next: {next}"),
    }
}
