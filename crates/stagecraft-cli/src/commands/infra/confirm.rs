//! Confirmation of irreversible operations, by the environment's name.

use stagecraft_core::{Confirmation, EnvironmentName, Error, ErrorKind, Run};

use crate::output::{BOLD, Output, RESET};
use crate::progress::Progress;

/// The question before an irreversible operation.
pub(super) struct Question {
    /// The question itself.
    pub(super) text: String,
    /// Its subject, for the refusal without a terminal to confirm on: `whether to ...`.
    pub(super) about: &'static str,
    /// The message if it is not confirmed.
    pub(super) nothing: &'static str,
}

impl Question {
    /// Uses the given name, or asks for it.
    ///
    /// Fails as a guard if there is no terminal to confirm on, or another name is typed; fails as
    /// cancelled if the run is cancelled meanwhile.
    pub(super) async fn confirm(
        self,
        given: Option<&str>,
        environment: &EnvironmentName,
        output: Output,
        progress: &Progress,
        run: &Run,
    ) -> anyhow::Result<Confirmation> {
        let typed = match given {
            Some(typed) => typed.to_owned(),
            None if output.can_ask() => {
                let question = format!(
                    "{} Type the environment's name, {BOLD}{environment}{RESET}:",
                    self.text
                );
                let answer = progress.ask(&question, run).await;
                run.check()?;
                return match Confirmation::typed(&answer.unwrap_or_default(), environment) {
                    Ok(confirmation) => Ok(confirmation),
                    Err(error) => {
                        let nothing = self.nothing;
                        let message = format!("{error}; {nothing}");
                        Err(Error::new(ErrorKind::Guard, message).into())
                    }
                };
            }
            None => {
                return Err(Error::new(
                    ErrorKind::Guard,
                    format!("cannot ask {}: no terminal to confirm on", self.about),
                )
                .with_hint(format!("add --confirm {environment}"))
                .into());
            }
        };
        Ok(Confirmation::typed(&typed, environment)?)
    }
}
