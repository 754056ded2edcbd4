//! The state of a first boot according to cloud-init's own files, in any of its versions.
//!
//! `status.json` and `result.json` as `cloudinit/cmd/main.py` writes them: version 22.4 of Debian
//! 12 has no `recoverable_errors`, and a stage that has not run is `null` throughout.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use stagecraft_core::{ProbeFacts, json, shorten};

/// The most errors, and the most recoverable ones, of a first boot that are reported.
const LIMIT: usize = 5;
/// The longest of them, in characters.
const LENGTH: usize = 300;
/// cloud-init's stages in their order.
const STAGES: [&str; 4] = ["init-local", "init", "modules-config", "modules-final"];

/// `result.json`, which appears at the end of the first boot.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireResult {
    v1: WireEnd,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireEnd {
    /// Texts. Decoded as any value, since they only enrich a report.
    errors: Value,
}

/// `status.json`: its stages, and other fields.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireStatus {
    v1: BTreeMap<String, Value>,
}

/// The files in which cloud-init records errors and progress.
const RESULT: &str = "result.json";
const STATUS: &str = "status.json";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireStage {
    start: Value,
    finished: Value,
    /// Texts by level: `DEPRECATED`, `WARNING`, `ERROR`.
    recoverable_errors: Value,
}

/// A first boot as described by cloud-init's files. A missing file means nothing.
#[derive(Debug, Default)]
pub(super) struct Files {
    errors: Vec<String>,
    stages: Vec<(&'static str, WireStage)>,
    /// Whether it has ended since the host started.
    has_result: bool,
}

impl Files {
    /// Parses what the probe printed of the files.
    pub(super) fn read(facts: &ProbeFacts) -> Self {
        let text = |file: &str| -> String {
            let lines = facts.output.lines();
            let lines = lines.filter_map(|line| line.strip_prefix(file)?.strip_prefix(':'));
            lines.collect::<Vec<_>>().join("\n")
        };
        let (result, status) = (text(RESULT), text(STATUS));
        let has_result = !result.is_empty();
        let result: WireResult = json::decode(result.as_bytes()).unwrap_or_default();
        let mut status: WireStatus = json::decode(status.as_bytes()).unwrap_or_default();
        let stages = STAGES.into_iter().filter_map(|name| {
            let stage = status.v1.remove(name)?;
            Some((name, json::from_value(stage).unwrap_or_default()))
        });
        Self {
            errors: texts(&result.v1.errors),
            stages: stages.collect(),
            has_result,
        }
    }

    /// Returns warnings about a first boot that has ended.
    pub(super) fn warnings(&self) -> Vec<String> {
        let failed = self.errors.iter().map(|error| {
            format!(
                "the first boot failed in part, see /var/log/cloud-init-output.log there: {error}"
            )
        });
        let mut recovered = Vec::new();
        for (stage, found) in &self.stages {
            let levels = found.recoverable_errors.as_object().into_iter().flatten();
            for (level, list) in levels {
                for text in texts(list) {
                    recovered.push(format!(
                        "the first boot is degraded, see /var/log/cloud-init.log there: {stage}: {}: {text}",
                        shorten(level, 20)
                    ));
                }
            }
        }
        let never = self.stages_where(|stage| stage.start.is_null());
        let never = (self.has_result && !never.is_empty()).then(|| {
            format!(
                "the first boot is degraded: cloud-init never ran {}",
                never.join(", ")
            )
        });
        let failed = failed.take(LIMIT);
        failed
            .chain(recovered.into_iter().take(LIMIT))
            .chain(never)
            .collect()
    }

    /// Returns which stages ran, for a first boot that makes no progress.
    pub(super) fn evidence(&self) -> Vec<String> {
        let ended = self.stages_where(|stage| !stage.finished.is_null());
        let begun = self.stages_where(|stage| !stage.start.is_null() && stage.finished.is_null());
        let never = self.stages_where(|stage| stage.start.is_null() && stage.finished.is_null());
        [
            ("its stages that ended", ended),
            ("its stages that began and did not end", begun),
            ("its stages that never ran", never),
        ]
        .into_iter()
        .filter(|(_, stages)| !stages.is_empty())
        .map(|(what, stages)| format!("{what}: {}", stages.join(", ")))
        .collect()
    }

    fn stages_where(&self, is_meant: impl Fn(&WireStage) -> bool) -> Vec<&'static str> {
        let stages = self.stages.iter().filter(|(_, stage)| is_meant(stage));
        stages.map(|(name, _)| *name).collect()
    }
}

/// Returns the texts of a list, each on one line and bounded.
fn texts(list: &Value) -> Vec<String> {
    let texts = list.as_array().into_iter().flatten();
    let texts = texts.filter_map(Value::as_str).map(|text| {
        let words: Vec<&str> = text.split_whitespace().collect();
        shorten(&words.join(" "), LENGTH)
    });
    texts.filter(|text| !text.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use stagecraft_testkit::{Damage, damaged, fields};

    use super::*;

    const DEGRADED: &str = include_str!("../../tests/fixtures/cloud-init-status-degraded.json");
    const CYCLE: &str = include_str!("../../tests/fixtures/cloud-init-status-ordering-cycle.json");

    fn read(result: &str, status: &str) -> Files {
        let lines = |file: &str, text: &str| -> String {
            let lines = text.lines().map(|line| format!("{file}:{line}\n"));
            lines.collect()
        };
        Files::read(&ProbeFacts {
            output: lines(RESULT, result) + &lines(STATUS, status),
            code: 0,
        })
    }

    #[test]
    fn recoverable_errors_are_told_with_stage_and_level() {
        assert_eq!(
            read("", DEGRADED).warnings(),
            [
                "the first boot is degraded, see /var/log/cloud-init.log there: init: WARNING: Failed loading yaml blob. Invalid format at line 6 column 1",
                "the first boot is degraded, see /var/log/cloud-init.log there: init: WARNING: Failed at merging in cloud config part from part-001",
            ]
        );
    }

    #[test]
    fn stages_that_systemd_dropped_are_named() {
        assert_eq!(
            read("", CYCLE).evidence(),
            [
                "its stages that ended: modules-config",
                "its stages that never ran: init-local, init, modules-final",
            ]
        );
    }

    #[test]
    fn errors_are_read_whole_and_bounded() {
        let errors = json!([
            "('scripts_user', RuntimeError(\"1\n failure\"))",
            null,
            7,
            ""
        ]);
        let result = json!({"v1": {"datasource": null, "errors": errors}}).to_string();
        assert_eq!(
            read(&result, "").warnings(),
            [
                "the first boot failed in part, see /var/log/cloud-init-output.log there: ('scripts_user', RuntimeError(\"1 failure\"))"
            ]
        );
        let long = "x".repeat(1000);
        let result = json!({"v1": {"errors": vec![long; 9]}}).to_string();
        let warnings = read(&result, "").warnings();
        assert_eq!(warnings.len(), LIMIT);
        assert!(warnings.iter().all(|warning| warning.len() < LENGTH + 100));
    }

    #[test]
    fn files_of_every_form_are_read() {
        let end = json!({"v1": {"errors": ["no"]}});
        let stage = json!({"start": 1.5, "finished": 2, "recoverable_errors": {"WARNING": ["w"]}});
        let with_stage = |stage: &Value| json!({"v1": {"init": stage}}).to_string();
        for (sample, all) in [
            (&end, fields::<WireResult>(&end)),
            (&stage, fields::<WireStage>(&stage)),
        ] {
            for field in all {
                for (damage, text) in damaged(sample, &field) {
                    let files = read(&text.to_string(), &with_stage(&text));
                    let _all = (files.warnings(), files.evidence());
                    if matches!(damage, Damage::Null | Damage::Absent) {
                        assert!(json::decode::<WireResult>(text.to_string().as_bytes()).is_ok());
                    }
                }
            }
        }
        for nonsense in [
            "",
            "{",
            "[]",
            "null",
            "{\"v1\": null}",
            "{\"v1\": {\"init\": 7}}",
        ] {
            let files = read(nonsense, nonsense);
            assert!(files.evidence().len() < 2, "{nonsense}");
        }
        // 22.4 has neither levels nor recoverable errors.
        let old =
            json!({"v1": {"init": {"errors": [], "start": 1.0, "finished": 2.0}, "stage": null}});
        assert!(read("", &old.to_string()).warnings().is_empty());
    }
}
