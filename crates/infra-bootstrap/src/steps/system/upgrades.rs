//! The step `unattended_upgrades`.

use std::time::Duration;

use async_trait::async_trait;
use stagecraft_core::{
    Change, Decision, HostContext, HostStep, ProbeFacts, ProbeScript, Remote, Result, Run,
    StepFailure, shell_quote,
};

use super::super::docker::APT_PRELUDE;
use super::super::script;
use super::{check_whole, id, set};

/// Switches on or off that a host upgrades its packages by itself, in a file of apt's
/// configuration that is read after the distribution's.
#[derive(Debug, Clone, Copy)]
pub struct UpgradesStep {
    is_on: bool,
}

impl UpgradesStep {
    /// Wants them on or off.
    pub fn new(is_on: bool) -> Self {
        Self { is_on }
    }

    fn text(self) -> String {
        let value = u8::from(self.is_on);
        format!(
            "APT::Periodic::Update-Package-Lists \"{value}\";\nAPT::Periodic::Unattended-Upgrade \"{value}\";"
        )
    }
}

#[async_trait]
impl HostStep for UpgradesStep {
    fn id(&self) -> &'static str {
        id::UPGRADES
    }

    fn inspect(&self) -> ProbeScript {
        ProbeScript(include_str!("upgrades.sh"))
    }

    fn decide(&self, facts: &ProbeFacts, _: &HostContext) -> Result<Decision, StepFailure> {
        check_whole(facts, "whether the host upgrades itself")?;
        let lines = facts.output.lines();
        let found: Vec<&str> = lines
            .filter_map(|line| line.strip_prefix("line="))
            .collect();
        let is_there = !self.is_on || facts.value("program").is_some();
        if found.join("\n") == self.text() && is_there {
            return Ok(Decision::Nothing);
        }
        let how = if self.is_on { "on" } else { "off" };
        Ok(set(format!("switch unattended upgrades {how}")))
    }

    async fn change(
        &self,
        run: &Run,
        remote: &dyn Remote,
        _: &HostContext,
        _: &[Change],
    ) -> Result<(), StepFailure> {
        let text = format!(
            "value={}\ntext={}\n{APT_PRELUDE}\n{}",
            u8::from(self.is_on),
            shell_quote(&self.text()),
            include_str!("upgrades_set.sh")
        );
        let what = "unattended upgrades could not be switched";
        script::change(run, remote, text, Duration::from_mins(14), what).await
    }
}
