//! Confirmation of repeatable operations: changes in the cloud and on existing hosts.

use stagecraft_core::{Error, ErrorKind, InfraPlan, Run};
use stagecraft_engine::{HostLook, Planned};

use crate::output::Output;
use crate::progress::Progress;
use crate::render;

/// A yes-or-no question, skipped by `--yes`.
pub(super) struct Question {
    text: String,
    /// The intended action, for the refusal without a terminal: `create hosts`.
    purpose: &'static str,
}

impl Question {
    /// A question about a plan, and about the existing hosts if they were read.
    pub(super) fn about(plan: &InfraPlan, look: Option<&HostLook>) -> Self {
        let purpose = if !plan.create.is_empty() {
            "create hosts"
        } else if !plan.resize.is_empty() {
            "resize hosts"
        } else if plan.is_empty() {
            "change existing hosts"
        } else {
            "change hosts"
        };
        Self {
            text: format!(
                "{} {}? [y/N]",
                render::work_text(plan, look),
                render::where_text(plan)
            ),
            purpose,
        }
    }

    /// A question only about changes on existing hosts.
    pub(super) fn about_hosts(planned: &Planned, look: &HostLook) -> Self {
        let plan = &planned.plan;
        Self {
            text: format!(
                "{} {}? [y/N]",
                render::change_text(look),
                render::where_text(plan)
            ),
            purpose: "change existing hosts",
        }
    }

    /// Fails without a terminal to confirm on.
    pub(super) fn can_be_asked(&self, output: Output) -> anyhow::Result<()> {
        if output.can_ask() {
            return Ok(());
        }
        let purpose = self.purpose;
        let message = format!("there is no terminal on which to confirm to {purpose}");
        Err(Error::new(ErrorKind::Guard, message)
            .with_hint("nothing was changed; add --yes to skip the confirmation")
            .into())
    }

    /// Asks. Fails as a guard unless the answer is yes, and as cancelled if the run is cancelled
    /// meanwhile.
    pub(super) async fn ask(
        self,
        output: Output,
        progress: &Progress,
        run: &Run,
    ) -> anyhow::Result<()> {
        self.can_be_asked(output)?;
        let answer = progress.ask(&self.text, run).await;
        run.check()?;
        match answer.map(|answer| answer.to_lowercase()).as_deref() {
            Some("y" | "yes") => Ok(()),
            _ => Err(Error::new(ErrorKind::Guard, "not confirmed; nothing was done").into()),
        }
    }
}
