//! The step `sysctl`: kernel settings.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Deserializer, Serialize, de};
use stagecraft_core::config::UniqueMap;
use stagecraft_core::{
    Change, Decision, HostContext, HostStep, ProbeFacts, ProbeScript, Remote, Result, Run,
    StepFailure, shell_quote,
};

use super::super::{script, text::checked_text};
use super::{PRELUDE, SET, check_whole, id};

checked_text!(
    /// A setting of the kernel, such as `net.ipv4.ip_forward`; see sysctl.d(5).
    SysctlKey,
    sysctl_key,
    "^[a-z][A-Za-z0-9_-]*([./][A-Za-z0-9_-]+)+$"
);

fn sysctl_key(value: &str) -> Result<String, String> {
    let is_part = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
    };
    let begins_well = value.starts_with(|c: char| c.is_ascii_lowercase());
    if begins_well && value.contains('.') && value.split(['.', '/']).all(is_part) {
        Ok(value.to_owned())
    } else {
        Err(format!(
            "invalid kernel setting {value:?}: write for example \"vm.swappiness\""
        ))
    }
}

impl SysctlKey {
    /// Returns the path below `/proc/sys`: dots separate, and a slash stands for a dot in a name.
    fn path(&self) -> String {
        let swap = |c| match c {
            '.' => '/',
            '/' => '.',
            other => other,
        };
        self.as_str().chars().map(swap).collect()
    }
}

/// The value of a kernel setting: a number or a text of one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct SysctlValue(String);

impl<'de> Deserialize<'de> for SysctlValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Value;
        impl de::Visitor<'_> for Value {
            type Value = SysctlValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a string")
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<SysctlValue, E> {
                Ok(SysctlValue(value.to_string()))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<SysctlValue, E> {
                Ok(SysctlValue(value.to_string()))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<SysctlValue, E> {
                let text = value.trim();
                if text.is_empty() || text.chars().any(char::is_control) {
                    return Err(E::custom(
                        "a kernel setting must be one line that is not empty",
                    ));
                }
                Ok(SysctlValue(text.to_owned()))
            }
        }
        deserializer.deserialize_any(Value)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for SysctlValue {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SysctlValue".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["integer", "string"] })
    }
}

/// Kernel settings with their values.
pub type SysctlConfig = UniqueMap<SysctlKey, SysctlValue>;

/// The probe's line for the file that earlier versions wrote. Others are read after it at boot.
const FORMER: &str = "file=60-stagecraft.conf";

/// Sets kernel settings now and for later boots, in a file of its own. A setting that is no longer
/// configured is removed from that file and gets its recorded value back; without a record it
/// keeps its value until the next boot.
#[derive(Debug, Clone)]
pub struct SysctlStep {
    settings: SysctlConfig,
    is_undeclared: bool,
}

impl SysctlStep {
    /// Ensures these settings.
    pub fn new(settings: SysctlConfig) -> Self {
        Self {
            settings,
            is_undeclared: false,
        }
    }

    /// Removes the settings of earlier runs.
    pub fn undeclared() -> Self {
        Self {
            settings: SysctlConfig::default(),
            is_undeclared: true,
        }
    }
}

#[async_trait]
impl HostStep for SysctlStep {
    fn id(&self) -> &'static str {
        id::SYSCTL
    }

    // Docker loads the modules that some settings belong to, and changes some itself.
    fn follows(&self) -> &'static [&'static str] {
        &["docker"]
    }

    fn is_undeclared(&self) -> bool {
        self.is_undeclared
    }

    fn inspect(&self) -> ProbeScript {
        ProbeScript(include_str!("sysctl.sh"))
    }

    fn decide(&self, facts: &ProbeFacts, _: &HostContext) -> Result<Decision, StepFailure> {
        check_whole(facts, "the kernel settings")?;
        let lines = facts.output.lines();
        let kept = entries(
            lines
                .clone()
                .filter_map(|line| line.strip_prefix("kept=")?.split_once('=')),
        );
        let live =
            entries(lines.filter_map(|line| line.split_once("/proc/sys/")?.1.split_once(':')));
        let mut changes = Vec::new();
        for (key, value) in &self.settings {
            let path = key.path();
            let words: Vec<&str> = value.0.split_whitespace().collect();
            let is = |found: &BTreeMap<&str, Vec<&str>>| found.get(&*path) == Some(&words);
            if !is(&kept) || !is(&live) {
                let summary = format!("set {key} to {}", value.0);
                changes.push(Change::new(SET, summary));
            }
        }
        let wanted: Vec<String> = self.settings.keys().map(SysctlKey::path).collect();
        let former = former(facts);
        let lost = kept.keys().chain(former.keys()).collect::<BTreeSet<_>>();
        let is_wanted = |key: &&str| wanted.iter().any(|path| path == *key);
        for key in lost.into_iter().filter(|key| !is_wanted(key)) {
            let summary = match former.get(*key) {
                Some(value) => format!("no longer set {key}, which was {value} before"),
                None if self.is_undeclared => continue,
                None => format!("no longer set {key}, which stays until the next boot"),
            };
            changes.push(Change::new("forget", summary));
        }
        if !self.is_undeclared && facts.output.lines().any(|line| line == FORMER) {
            let summary = "let the kernel settings outlast /etc/sysctl.conf".to_owned();
            changes.push(Change::new(SET, summary));
        }
        Ok(changes.into())
    }

    fn warnings(&self, facts: &ProbeFacts, _: &HostContext) -> Vec<String> {
        let former = former(facts);
        let kept = facts.output.lines().filter_map(|line| {
            let (key, _) = line.strip_prefix("kept=")?.split_once('=')?;
            Some(key)
        });
        let unknown: Vec<&str> = kept.filter(|key| !former.contains_key(key)).collect();
        let warning = (self.is_undeclared && !unknown.is_empty()).then(|| {
            format!(
                "the kernel settings {} are from a build that kept no record: `sysctl: {{}}` no longer sets them",
                unknown.join(", ")
            )
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
        let mut lines = String::new();
        let wanted = self
            .settings
            .keys()
            .fold(" ".to_owned(), |all, key| all + &key.path() + " ");
        for (key, value) in &self.settings {
            writeln!(lines, "{}={}", key.path(), value.0).expect("writing to a string cannot fail");
        }
        let text = format!(
            "{PRELUDE}\nlines={} wanted={} undeclared={}\n{}",
            shell_quote(&lines),
            shell_quote(&wanted),
            if self.is_undeclared { "1" } else { "" },
            include_str!("sysctl_set.sh")
        );
        let what = "the kernel settings could not be set";
        script::change(run, remote, text, Duration::from_mins(1), what).await
    }
}

/// Returns the recorded values before Stagecraft's changes.
fn former(facts: &ProbeFacts) -> BTreeMap<&str, &str> {
    let lines = facts.output.lines();
    lines
        .filter_map(|line| line.strip_prefix("former=")?.split_once(' '))
        .collect()
}

/// Splits the values of settings into words.
fn entries<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<&'a str, Vec<&'a str>> {
    pairs
        .map(|(key, value)| (key, value.split_whitespace().collect()))
        .collect()
}
