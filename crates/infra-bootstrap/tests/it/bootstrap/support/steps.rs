//! A step that wants a file to be there.

use std::time::Duration;

use async_trait::async_trait;
use stagecraft_core::{
    Change, Decision, FailureCode, HostContext, HostStep, ProbeFacts, ProbeScript, Remote,
    RemoteCommand, Run, StepFailure,
};
use tokio_util::sync::CancellationToken;

/// Makes the file `/run/ID`, or fails if `/run/refuse-ID` is there.
#[derive(Debug, Clone)]
pub(crate) struct FileStep {
    pub(crate) id: &'static str,
    pub(crate) after: &'static [&'static str],
    pub(crate) follows: &'static [&'static str],
    pub(crate) is_check: bool,
    pub(crate) probe: &'static str,
    /// Cancelled while the change is made.
    pub(crate) cancel: Option<CancellationToken>,
}

impl FileStep {
    pub(crate) fn new(
        id: &'static str,
        probe: &'static str,
        after: &'static [&'static str],
    ) -> Self {
        Self {
            id,
            after,
            follows: &[],
            is_check: false,
            probe,
            cancel: None,
        }
    }
}

#[async_trait]
impl HostStep for FileStep {
    fn id(&self) -> &'static str {
        self.id
    }

    fn after(&self) -> &'static [&'static str] {
        self.after
    }

    fn follows(&self) -> &'static [&'static str] {
        self.follows
    }

    fn is_check(&self) -> bool {
        self.is_check
    }

    fn inspect(&self) -> ProbeScript {
        ProbeScript(self.probe)
    }

    fn decide(&self, facts: &ProbeFacts, _: &HostContext) -> Result<Decision, StepFailure> {
        match facts.output.trim() {
            "present" => Ok(Decision::Nothing),
            "absent" => Ok(Decision::Change(vec![Change::new("make", "make the file")])),
            "unwanted" => Ok(Decision::Skip("not wanted here".to_owned())),
            other => Err(StepFailure::new(FailureCode::ConfigInvalid, other)),
        }
    }

    async fn change(
        &self,
        run: &Run,
        remote: &dyn Remote,
        _: &HostContext,
        _: &[Change],
    ) -> Result<(), StepFailure> {
        if let Some(cancel) = &self.cancel {
            cancel.cancel();
            tokio::task::yield_now().await;
        }
        let id = self.id;
        let script = format!(
            "if [ -e /run/refuse-{id} ]; then echo 'the password is hunter2'; exit 1; fi\n: >/run/{id}"
        );
        let command = RemoteCommand::script(script, Duration::from_mins(1));
        let output = remote.exec(run, &command).await.map_err(|error| {
            StepFailure::new(FailureCode::SshFailed, error.to_string())
                .with_evidence(error.context().iter().map(|(k, v)| format!("{k}: {v}")))
        })?;
        if output.is_success() {
            Ok(())
        } else {
            Err(StepFailure::new(FailureCode::ConfigInvalid, "refused")
                .with_evidence(output.tail(3)))
        }
    }
}
