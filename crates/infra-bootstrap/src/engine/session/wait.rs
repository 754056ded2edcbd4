//! Waits on a host: for the end of its first boot, and for free locks.

use std::time::Duration;

use stagecraft_core::{Event, FailureCode, PollPolicy, Run, StepFailure, seconds, shorten};
use tokio::time::Instant;

use super::{LookError, Session};
use crate::config::CloudInit;
use crate::failure;
use crate::readiness::{self, Boot};

/// The longest description of a wait, in characters. It contains a process name of the host.
const WHAT_LIMIT: usize = 300;
/// The hint for a host whose first boot never ends.
const GO_ON: &str = "replace the host, or go on without cloud-init by infra.bootstrap.readiness: { cloud_init: ignore }";

impl Session {
    /// Waits until the first boot has ended, for at most `limit`. Meanwhile a host may restart, or answer every
    /// command with its own message, as DigitalOcean's images with applications do
    /// ([`ForceCommand`](https://github.com/digitalocean/droplet-1-clicks/blob/master/common/scripts/012-force-ssh-logout.sh)).
    ///
    /// # Errors
    ///
    /// `host_not_ready` at the deadline, with cloud-init's status and the end of its log, or with
    /// the host's message; at once if the first boot never ends.
    pub(in crate::engine) async fn first_boot(
        &mut self,
        run: &Run,
        limit: Duration,
    ) -> Result<(), StepFailure> {
        let started = Instant::now();
        let policy = PollPolicy {
            deadline: self.policy.boot.deadline.min(limit),
            ..self.policy.boot
        };
        loop {
            let seen = self.try_look(run).await;
            let late = started.elapsed() >= policy.deadline;
            match seen {
                Err(LookError::Lost(_)) if !late => {
                    self.reconnect(run, limit.saturating_sub(started.elapsed()))
                        .await?;
                }
                Err(LookError::Unheard(said)) => {
                    let what = "the host to run commands";
                    if late {
                        let waited = seconds(started.elapsed());
                        let message = format!("waited {waited} for {what}");
                        return Err(StepFailure::new(FailureCode::HostNotReady, message)
                            .with_evidence(said));
                    }
                    let what = format!("{what} ({})", said.join(" "));
                    let what = shorten(&run.redact(&what), WHAT_LIMIT);
                    // The server may continue like this on a connection that has begun so.
                    let policy = PollPolicy {
                        interval: readiness::spaced(policy.interval),
                        ..policy
                    };
                    self.wait(run, &what, started, policy).await?;
                    self.reconnect(run, limit.saturating_sub(started.elapsed()))
                        .await?;
                    continue;
                }
                Err(error) => return Err(error.into_failure()),
                Ok(()) => {}
            }
            if self.policy.cloud_init == CloudInit::Ignore {
                return Ok(());
            }
            let evidence = match &self.state.boot {
                Boot::Finished => return Ok(()),
                Boot::Never { what, evidence } => {
                    let evidence = evidence.iter().cloned();
                    return Err(StepFailure::new(FailureCode::HostNotReady, *what)
                        .with_evidence(evidence.chain([GO_ON.to_owned()])));
                }
                Boot::Running(evidence) => evidence,
            };
            if late {
                return Err(StepFailure::new(
                    FailureCode::HostNotReady,
                    format!(
                        "waited {} for the first boot to end",
                        seconds(started.elapsed())
                    ),
                )
                .with_evidence(evidence.clone()));
            }
            let stage = evidence.first().map(|stage| format!(" ({stage})"));
            let what = format!("the first boot to end{}", stage.unwrap_or_default());
            let what = shorten(&run.redact(&what), WHAT_LIMIT);
            self.wait(run, &what, started, policy).await?;
        }
    }

    /// Waits until no lock is held that a change needs, for at most `limit`. Returns whether it
    /// had to wait.
    ///
    /// # Errors
    ///
    /// `host_not_ready` at the deadline, with the holders.
    pub(in crate::engine) async fn unlocked(
        &mut self,
        run: &Run,
        limit: Duration,
    ) -> Result<bool, StepFailure> {
        let started = Instant::now();
        let policy = PollPolicy {
            deadline: limit,
            ..self.policy.lock
        };
        let mut waited = false;
        while let Some(first) = self.state.holders.first() {
            if started.elapsed() >= policy.deadline {
                return Err(StepFailure::new(
                    FailureCode::HostNotReady,
                    format!("waited {} for {}", seconds(started.elapsed()), first.what()),
                )
                .with_evidence(self.state.holders.iter().map(ToString::to_string)));
            }
            let what = format!("{} ({first})", first.what());
            let what = shorten(&run.redact(&what), WHAT_LIMIT);
            self.wait(run, &what, started, policy).await?;
            self.look(run).await?;
            waited = true;
        }
        Ok(waited)
    }

    async fn wait(
        &self,
        run: &Run,
        what: &str,
        started: Instant,
        policy: PollPolicy,
    ) -> Result<(), StepFailure> {
        let elapsed = started.elapsed();
        run.emit(Event::Waiting {
            host: Some(self.target.host.clone()),
            what: what.to_owned(),
            elapsed,
            deadline: policy.deadline,
        });
        let left = policy.deadline.saturating_sub(elapsed);
        run.sleep(policy.interval.min(left))
            .await
            .map_err(|_| failure::interrupted())
    }
}
