//! Reading a host: the scripts of all steps in one round trip.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::error::{Error, ErrorKind, Result};

/// A constant, read-only script for `sh`. Each runs in a subshell of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeScript(pub &'static str);

/// What a probe script found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProbeFacts {
    /// Its standard output.
    pub output: String,
    /// Its exit code.
    pub code: u32,
}

impl ProbeFacts {
    /// The value of the first line `key=value`, if there is one.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.output
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
    }

    /// All that follows the line `key:`, up to the end of the output.
    pub fn rest_after(&self, key: &str) -> Option<&str> {
        let mut rest = self.output.as_str();
        loop {
            let (line, after) = rest.split_once('\n')?;
            if line.strip_suffix(':') == Some(key) {
                return Some(after);
            }
            rest = after;
        }
    }
}

/// Joins scripts to one. `boundary` must be a word that no script prints.
pub fn join_probes(probes: &BTreeMap<&'static str, ProbeScript>, boundary: &str) -> String {
    let mut script = String::from("export LC_ALL=C\n");
    for (id, probe) in probes {
        write!(
            script,
            "echo '{boundary} begin {id}'\n(\n{}\n) </dev/null 2>/dev/null\nprintf '\\n%s\\n' \"{boundary} end $?\"\n",
            probe.0.trim_end()
        )
        .expect("writing to a string cannot fail");
    }
    script
}

/// Splits the output of [`join_probes`] again.
///
/// # Errors
///
/// [`ErrorKind::Protocol`] if a probe is missing or not whole.
pub fn split_probes(
    output: &str,
    boundary: &str,
    expected: impl IntoIterator<Item = &'static str>,
) -> Result<BTreeMap<&'static str, ProbeFacts>> {
    let mut facts = BTreeMap::new();
    for id in expected {
        let found = section(output, boundary, id).ok_or_else(|| {
            Error::new(
                ErrorKind::Protocol,
                format!("the host's answer about `{id}` is missing or not whole"),
            )
        })?;
        facts.insert(id, found);
    }
    Ok(facts)
}

fn section(output: &str, boundary: &str, id: &str) -> Option<ProbeFacts> {
    let begin = format!("{boundary} begin {id}\n");
    let body = &output[output.find(&begin)? + begin.len()..];
    let end = format!("\n{boundary} end ");
    let at = body.find(&end)?;
    let code = body[at + end.len()..].lines().next()?.trim().parse().ok()?;
    Some(ProbeFacts {
        output: body[..at].to_owned(),
        code,
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn joined_scripts_run_apart_and_split_again() {
        let probes = BTreeMap::from([
            ("a", ProbeScript("printf 'x=1\\nlist:\\none\\ntwo'\nexit 3")),
            ("b", ProbeScript("cat; echo \"y=$x\"")),
        ]);
        let script = join_probes(&probes, "=b0=");
        let output = Command::new("sh").arg("-c").arg(&script).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let facts = split_probes(&text, "=b0=", ["a", "b"]).unwrap();
        assert_eq!(facts["a"].code, 3);
        assert_eq!(facts["a"].value("x"), Some("1"));
        assert_eq!(facts["a"].rest_after("list"), Some("one\ntwo"));
        assert_eq!((facts["b"].output.as_str(), facts["b"].code), ("y=\n", 0));
        assert!(split_probes(&text, "=b0=", ["c"]).is_err());
    }

    proptest! {
        #[test]
        fn split_never_panics(output in "[ =b0a\\nxbeginend0-9]{0,200}") {
            let _facts = split_probes(&output, "=b0=", ["a"]);
        }
    }
}
