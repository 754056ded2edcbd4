//! What programs may rely on: the schema that the binary prints, and the rules of a sequence.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use boon::{Compiler, Schemas};
use serde_json::Value;
use stagecraft_core::HOST_KEY_TAG_PREFIX;

use super::{Finished, Lab};

/// The schema of `--output json`, as the binary prints it.
pub struct Contract(Value);

impl Contract {
    pub async fn of(lab: &Lab) -> Self {
        let printed = lab.run(&["events", "schema"]).await;
        Self(serde_json::from_str(&printed.expect_code(0).stdout).expect("a schema"))
    }

    /// What commands with one answer print, by command.
    pub fn documents(&self) -> BTreeMap<String, String> {
        let documents = self.0["x-documents"].as_object().expect("documents");
        let pairs = documents.iter().map(|(command, reference)| {
            let reference = reference["$ref"].as_str().expect("a reference");
            (command.clone(), reference.to_owned())
        });
        pairs.collect()
    }

    /// Fails if any of the values is not as the schema has it.
    #[track_caller]
    pub fn check(&self, reference: &str, values: &[Value]) {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        let id = format!("schema.json{reference}");
        compiler
            .add_resource("schema.json", self.0.clone())
            .expect("a schema");
        let schema = compiler.compile(&id, &mut schemas).expect("a schema");
        for value in values {
            if let Err(error) = schemas.validate(value, schema) {
                panic!("{value}\n{error:#}");
            }
        }
    }

    /// Checks all that holds of every command that prints lines, and gives the lines.
    #[track_caller]
    pub fn lines(&self, finished: &Finished) -> Vec<Value> {
        let lines = finished.lines();
        self.check("#/$defs/Line", &lines);
        for (seq, line) in lines.iter().enumerate() {
            assert_eq!(line["seq"], seq, "{line}");
        }
        let times: Vec<&str> = lines
            .iter()
            .filter_map(|line| line["at"].as_str())
            .collect();
        assert!(times.is_sorted(), "{times:?}");
        let results = lines.iter().filter(|line| line["event"] == "result");
        assert_eq!(results.count(), 1, "{finished:?}");
        let last = finished.result();
        assert_eq!(last["exit_code"], finished.code.expect("a code"));
        assert_eq!(
            finished.stderr.is_empty(),
            last["error"].is_null(),
            "only an error is told to people too: {}",
            finished.stderr
        );
        finished.assert_no_json_on_stderr();
        lines
    }

    /// The lines without what differs from run to run: those that belong to no host, then those
    /// of each host. Hosts run side by side, so only the order within one is fixed. How often
    /// something is awaited or tried again is a matter of luck.
    #[track_caller]
    pub fn sequence(&self, finished: &Finished) -> String {
        let mut lines = self.lines(finished);
        lines.retain(|line| line["event"] != "waiting" && line["event"] != "retrying");
        let mut known = Vec::new();
        for line in &mut lines {
            for stamp in ["v", "seq", "at"] {
                line.as_object_mut().expect("an object").remove(stamp);
            }
            redact(line, &mut known);
        }
        let mut hosts: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for line in lines {
            let host = line["host"].as_str().unwrap_or_default().to_owned();
            hosts.entry(host).or_default().push(line);
        }
        let mut text = String::new();
        for (host, lines) in &hosts {
            let title = if host.is_empty() { "(no host)" } else { host };
            writeln!(text, "== {title}").expect("a string");
            for line in lines {
                let short = line["event"] != "planned" && line["event"] != "result";
                let shown = if short {
                    line.to_string()
                } else {
                    format!("{line:#}")
                };
                writeln!(text, "{shown}").expect("a string");
            }
        }
        for (value, name) in known {
            text = text.replace(&value, &name);
        }
        text
    }
}

impl Finished {
    #[track_caller]
    pub fn assert_no_json_on_stderr(&self) {
        let is_object =
            |line: &str| serde_json::from_str::<Value>(line).is_ok_and(|v| v.is_object());
        assert!(!self.stderr.lines().any(is_object), "{}", self.stderr);
    }
}

/// Puts names for values that differ, and remembers them: texts may hold them too.
fn redact(value: &mut Value, known: &mut Vec<(String, String)>) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|entry| redact(entry, known)),
        Value::Object(object) => {
            // A matter of luck.
            for own in ["duration_ms", "retries"] {
                object.remove(own);
            }
            for (key, value) in object {
                let name = match key.as_str() {
                    "id"
                    | "plan_id"
                    | "endpoint"
                    | "host_key"
                    | "ssh_key_fingerprint"
                    | "address"
                    | "public_ipv4"
                    | "private_ipv4"
                    | "run" => Some(format!("[{key}]")),
                    _ => None,
                };
                match (name, value.as_str()) {
                    (Some(name), Some(text)) => {
                        known.push((text.to_owned(), name.clone()));
                        *value = name.into();
                    }
                    _ => redact(value, known),
                }
            }
        }
        Value::String(text) if text.starts_with(HOST_KEY_TAG_PREFIX) => {
            *text = format!("{HOST_KEY_TAG_PREFIX}[fingerprint]");
        }
        _ => {}
    }
}
