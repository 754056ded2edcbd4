//! The step `timezone`.

use std::time::Duration;

use async_trait::async_trait;
use stagecraft_core::{
    Change, Decision, HostContext, HostStep, ProbeFacts, ProbeScript, Remote, Result, Run,
    StepFailure, shell_quote,
};

use super::super::{script, text::checked_text};
use super::{PRELUDE, check_whole, id, set};

checked_text!(
    /// A name of the time zone database, such as `Europe/Berlin` or `Etc/UTC`.
    TimeZone,
    time_zone,
    "^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$"
);

fn time_zone(value: &str) -> Result<String, String> {
    let is_part = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_+-".contains(c))
    };
    let begins_well = value.starts_with(|c: char| c.is_ascii_alphabetic());
    if begins_well && value.split('/').count() <= 3 && value.split('/').all(is_part) {
        Ok(value.to_owned())
    } else {
        Err(format!(
            "invalid time zone {value:?}: write for example \"Etc/UTC\""
        ))
    }
}

/// The id of the change that restores the zone.
const BACK: &str = "back";
/// Sets the shell variable `zone` to the recorded one.
const FORMER: &str = "zone=$(sed -n 's/^timezone //p' \"$record\")";

/// Sets the time zone of a host, if the host knows it. A zone that is no longer configured is
/// replaced by the recorded earlier one.
#[derive(Debug, Clone)]
pub struct TimezoneStep {
    zone: Option<TimeZone>,
}

impl TimezoneStep {
    /// Ensures this time zone.
    pub fn new(zone: TimeZone) -> Self {
        Self { zone: Some(zone) }
    }

    /// Restores the zone that the host had before an earlier run changed it.
    pub fn undeclared() -> Self {
        Self { zone: None }
    }
}

#[async_trait]
impl HostStep for TimezoneStep {
    fn id(&self) -> &'static str {
        id::TIMEZONE
    }

    fn is_undeclared(&self) -> bool {
        self.zone.is_none()
    }

    fn inspect_args(&self) -> Vec<String> {
        let undeclared = self.zone.is_none().then(|| "undeclared".to_owned());
        undeclared.into_iter().collect()
    }

    fn inspect(&self) -> ProbeScript {
        ProbeScript(include_str!("timezone.sh"))
    }

    fn decide(&self, facts: &ProbeFacts, _: &HostContext) -> Result<Decision, StepFailure> {
        check_whole(facts, "the time zone")?;
        let Some(wanted) = self.zone.as_ref().map(TimeZone::as_str) else {
            let former = facts.value("former");
            let back = |zone: &str| Change::new(BACK, format!("set the time zone back to {zone}"));
            return Ok(former.map(back).into_iter().collect::<Vec<_>>().into());
        };
        let is_named = facts.value("name").is_none_or(|name| name == wanted);
        Ok(if facts.value("zone") == Some(wanted) && is_named {
            Decision::Nothing
        } else {
            set(format!("set the time zone to {wanted}"))
        })
    }

    async fn change(
        &self,
        run: &Run,
        remote: &dyn Remote,
        _: &HostContext,
        _: &[Change],
    ) -> Result<(), StepFailure> {
        let set = include_str!("timezone_set.sh");
        let text = match &self.zone {
            Some(zone) => {
                let zone = shell_quote(zone.as_str());
                format!("{PRELUDE}\nzone={zone} undeclared=\n{set}")
            }
            None => format!("{PRELUDE}\n{FORMER} undeclared=1\n{set}"),
        };
        let what = "the time zone could not be set";
        script::change(run, remote, text, Duration::from_mins(1), what).await
    }
}
