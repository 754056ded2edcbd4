//! The step `unattended_upgrades`.

use std::time::Duration;

use async_trait::async_trait;
use stagecraft_core::{
    Change, Decision, HostContext, HostStep, ProbeFacts, ProbeScript, Remote, Result, Run,
    StepFailure, shell_quote,
};

use super::super::docker::APT_PRELUDE;
use super::super::script;
use super::{PRELUDE, check_whole, id, set};

/// Switches a host's automatic package upgrades on or off, in an apt configuration file that is
/// read after the distribution's. If the switch is no longer configured, the file is removed; the
/// package stays.
#[derive(Debug, Clone, Copy)]
pub struct UpgradesStep {
    is_on: Option<bool>,
}

impl UpgradesStep {
    /// Ensures that they are on or off.
    pub fn new(is_on: bool) -> Self {
        Self { is_on: Some(is_on) }
    }

    /// Restores the system's own settings, if an earlier run changed them.
    pub fn undeclared() -> Self {
        Self { is_on: None }
    }

    fn text(is_on: bool) -> String {
        let value = u8::from(is_on);
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

    fn is_undeclared(&self) -> bool {
        self.is_on.is_none()
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
        let Some(is_on) = self.is_on else {
            let is_ours = !found.is_empty() && facts.value("given").is_some();
            return Ok(if is_ours {
                set("leave unattended upgrades to the system's own settings".to_owned())
            } else {
                Decision::Nothing
            });
        };
        let is_there = !is_on || facts.value("program").is_some();
        if found.join("\n") == Self::text(is_on) && is_there {
            return Ok(Decision::Nothing);
        }
        let how = if is_on { "on" } else { "off" };
        Ok(set(format!("switch unattended upgrades {how}")))
    }

    fn warnings(&self, facts: &ProbeFacts, _: &HostContext) -> Vec<String> {
        let is_unknown = facts.value("line").is_some() && facts.value("given").is_none();
        let warning = (self.is_on.is_none() && is_unknown).then(|| {
            "/etc/apt/apt.conf.d/99stagecraft-upgrades is from a build that kept no record: remove it, or declare `unattended_upgrades`".to_owned()
        });
        warning.into_iter().collect()
    }

    async fn change(
        &self,
        run: &Run,
        remote: &dyn Remote,
        _: &HostContext,
        _: &[Change],
    ) -> Result<(), StepFailure> {
        let value = self.is_on.map(|is_on| u8::from(is_on).to_string());
        let text = format!(
            "value={}\ntext={}\n{PRELUDE}\n{APT_PRELUDE}\n{}",
            value.unwrap_or_default(),
            shell_quote(&self.is_on.map(Self::text).unwrap_or_default()),
            include_str!("upgrades_set.sh")
        );
        let what = "unattended upgrades could not be switched";
        script::change(run, remote, text, Duration::from_mins(14), what).await
    }
}
