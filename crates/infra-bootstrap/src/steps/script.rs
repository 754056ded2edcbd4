//! What all scripts that change a host have in common.

use std::time::Duration;

use stagecraft_core::{
    Error, ErrorKind, FailureCode, Remote, RemoteCommand, RemoteOutput, Run, StepFailure,
};

use crate::failure;

/// What stands before the reason in the last words of a script.
const REASON: &str = "failed: ";
/// The lines of a failed script's output that are kept.
const EVIDENCE_LINES: usize = 24;

/// The evidence of a failed script, and the reason that it told at last, if it did.
pub(super) fn told(output: &RemoteOutput) -> (Vec<String>, Option<String>) {
    let mut lines = output.tail(EVIDENCE_LINES);
    let at = lines.iter().rposition(|line| line.starts_with(REASON));
    let reason = at.map(|at| lines.remove(at)[REASON.len()..].to_owned());
    (lines, reason)
}

/// The failure of a script that could not be sent or did not end in time.
pub(super) fn not_run(error: &Error, otherwise: FailureCode) -> StepFailure {
    let code = failure::common_code(error).unwrap_or(match error.kind() {
        ErrorKind::Unavailable => FailureCode::SshFailed,
        _ => otherwise,
    });
    failure::of_error(code, error)
}

/// Runs a script that changes a setting of the host. `what` tells what then could not be done.
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
    let message = match reason {
        Some(reason) => format!("{what}: {reason}"),
        None => what.to_owned(),
    };
    Err(StepFailure::new(code, message).with_evidence(evidence))
}
