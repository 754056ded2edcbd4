//! The common parts of all scripts that change a host.

use std::time::Duration;

use stagecraft_core::{
    Advice, Error, ErrorKind, FailureCode, Remote, RemoteCommand, RemoteOutput, Run, StepFailure,
};

use crate::failure;

/// The text before the reason in the last line of a script.
const REASON: &str = "failed: ";
/// The line before the cause of a failure; earlier lines only lead up to it.
const CAUSE: &str = "the cause:";
/// The lines of a failed script's output that are kept.
const EVIDENCE_LINES: usize = 24;
/// Beginnings of lines in which apt and dpkg report normal progress.
const NOISE: &[&str] = &[
    "(Reading database",
    "Building dependency tree",
    "Conf ",
    "Get:",
    "Hit:",
    "Inst ",
    "NOTE: This is only a simulation!",
    "Preparing to unpack",
    "Reading package lists",
    "Reading state information",
    "Remv ",
    "Selecting previously unselected package",
    "Unpacking ",
];

/// Parts of reasons that do not pass by themselves: every run fails in the same way until something
/// is changed on the host or in the configuration.
const LASTING: &[&str] = &[
    " is an account of the system",
    " can hold no more files (",
    " cannot be ",
    " is full (",
    "gives is no key",
    "names no codename",
    "runs here without docker",
    "the disk is full",
    "the host has no group ",
    "the host has no shell ",
    "the host knows no time zone ",
    "the kernel has no setting ",
    "the package sudo is not installed",
    "the package tzdata is not installed",
    "there is no room for temporary files",
    "there is no version ",
];

/// Returns the advice after a script has failed for a reason.
pub(super) fn advice(reason: Option<&str>) -> Advice {
    let is_lasting = |reason: &str| LASTING.iter().any(|part| reason.contains(part));
    if reason.is_some_and(is_lasting) {
        Advice::ChangeFirst
    } else {
        Advice::RunAgain
    }
}

/// Returns the evidence of a failed script, and its reason, if it printed one.
///
/// The evidence begins with the cause, if the script printed it, followed by the last lines that
/// led to it, without noise. A script that was cut off printed no cause: then the last lines are
/// all evidence, noise or not.
pub(super) fn told(output: &RemoteOutput) -> (Vec<String>, Option<String>) {
    let mut lines = output.tail(usize::MAX);
    let at = lines.iter().rposition(|line| line.starts_with(REASON));
    let reason = at.map(|at| lines.remove(at)[REASON.len()..].to_owned());
    let mut evidence = Vec::new();
    if let Some(at) = lines.iter().rposition(|line| line == CAUSE) {
        evidence = lines.split_off(at).split_off(1);
        evidence.truncate(EVIDENCE_LINES);
        let is_noise = |line: &String| NOISE.iter().any(|noise| line.starts_with(noise));
        lines.retain(|line| !evidence.contains(line) && !is_noise(line));
    }
    let room = EVIDENCE_LINES - evidence.len();
    evidence.extend(lines.split_off(lines.len().saturating_sub(room)));
    (evidence, reason)
}

/// Returns the failure of a script that could not be sent or did not end in time.
pub(super) fn not_run(error: &Error, otherwise: FailureCode) -> StepFailure {
    let code = failure::common_code(error).unwrap_or(match error.kind() {
        ErrorKind::Unavailable => FailureCode::SshFailed,
        _ => otherwise,
    });
    failure::of_error(code, error)
}

/// Runs a script that changes a setting of the host. `what` names what could not be done then.
///
/// # Errors
///
/// `system_change_failed` with the last lines of output, `ssh_failed` if the connection was lost.
pub(super) async fn change(
    run: &Run,
    remote: &dyn Remote,
    script: String,
    deadline: Duration,
    what: &str,
) -> Result<(), StepFailure> {
    let code = FailureCode::SystemChangeFailed;
    let command = RemoteCommand::script(script, deadline);
    let output = remote
        .exec(run, &command)
        .await
        .map_err(|error| not_run(&error, code))?;
    if output.is_success() {
        return Ok(());
    }
    let (evidence, reason) = told(&output);
    let message = match &reason {
        Some(reason) => format!("{what}: {reason}"),
        None => what.to_owned(),
    };
    let advice = advice(reason.as_deref());
    Err(StepFailure::new(code, message)
        .with_advice(advice)
        .with_evidence(evidence))
}

#[cfg(test)]
mod tests {
    use stagecraft_core::Exit;

    use super::*;

    fn evidence(stdout: &str, stderr: &str) -> Vec<String> {
        told(&RemoteOutput {
            exit: Exit::Code(1),
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
        })
        .0
    }

    /// A reason in other words would be treated as one that passes.
    #[test]
    fn every_lasting_reason_stands_in_a_script_and_asks_for_a_change() {
        let scripts = [
            include_str!("docker/apt.sh"),
            include_str!("docker/prelude.sh"),
            include_str!("docker/repository.sh"),
            include_str!("full.sh"),
            include_str!("system/sysctl_set.sh"),
            include_str!("system/timezone_set.sh"),
            include_str!("system/users_set.sh"),
        ];
        for part in LASTING {
            assert!(scripts.iter().any(|text| text.contains(part)), "{part}");
        }
        for (reason, expected) in [
            ("the host knows no time zone Mars/Base", Advice::ChangeFirst),
            (
                "there is no version 9.9.9 of docker-ce",
                Advice::ChangeFirst,
            ),
            ("vm.swappiness cannot be 900", Advice::ChangeFirst),
            ("the package lists could not be read", Advice::RunAgain),
            ("a mirror did not answer: docker-ce", Advice::RunAgain),
        ] {
            assert_eq!(advice(Some(reason)), expected, "{reason}");
        }
        assert_eq!(advice(None), Advice::RunAgain);
    }

    #[test]
    fn cause_comes_first_and_once_and_noise_not_at_all() {
        let output = "Inst docker-ce (5:1 noble)\nConf docker-ce (5:1 noble)\nRemv runc\n\
            Setting up docker-ce\nE: broken\nthe cause:\nE: broken\n /dev/vda1 100% /\n";
        let stderr = "cp: no such file\nfailed: it is full\n";
        assert_eq!(
            evidence(output, stderr),
            [
                "E: broken",
                " /dev/vda1 100% /",
                "cp: no such file",
                "Setting up docker-ce"
            ]
        );
    }

    #[test]
    fn script_that_was_cut_off_is_told_with_what_it_was_at() {
        let kept = evidence("Get:1 noble\nUnpacking docker-ce\n", "");
        assert_eq!(kept, ["Get:1 noble", "Unpacking docker-ce"]);
    }

    #[test]
    fn evidence_of_any_length_is_bounded_and_keeps_the_beginning_of_the_cause() {
        let long =
            |word: &str| (0..100).fold(String::new(), |all, n| all + &format!("{word} {n}\n"));
        let kept = evidence(&(long("step") + CAUSE + "\n" + &long("E: mirror")), "");
        assert_eq!(kept.len(), EVIDENCE_LINES);
        assert_eq!(kept[0], "E: mirror 0");
        let kept = evidence(&(long("step") + CAUSE + "\nE: short\n"), "");
        assert_eq!(kept.len(), EVIDENCE_LINES);
        assert_eq!((&*kept[0], &*kept[1]), ("E: short", "step 77"));
        let kept = evidence(&long("step"), "");
        assert_eq!((&*kept[0], kept.len()), ("step 76", EVIDENCE_LINES));
    }
}
