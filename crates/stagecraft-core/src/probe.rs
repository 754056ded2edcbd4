//! Probes: the scripts of all steps read a host in one round trip.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::error::{Error, ErrorKind, Result};
use crate::shell::shell_quote;

/// A constant, read-only script for `sh`. Each runs in its own subshell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeScript(pub &'static str);

impl AsRef<str> for ProbeScript {
    fn as_ref(&self) -> &str {
        self.0
    }
}

impl ProbeScript {
    /// Returns the script's text with these words as its `$1`, `$2` and so on.
    pub fn with_args(self, args: &[String]) -> String {
        if args.is_empty() {
            return self.0.to_owned();
        }
        let words: Vec<String> = args.iter().map(|word| shell_quote(word)).collect();
        format!("set -- {}\n{}", words.join(" "), self.0)
    }
}

/// The output of a probe script.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProbeFacts {
    /// Its standard output.
    pub output: String,
    /// Its exit code.
    pub code: u32,
}

impl ProbeFacts {
    /// Returns the value of the first line `key=value`, if any.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.output
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
    }

    /// Returns everything after the line `key:`, up to the end of the output.
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

/// Joins scripts into one. `boundary` must be a word that no script prints.
pub fn join_probes(probes: &BTreeMap<&'static str, impl AsRef<str>>, boundary: &str) -> String {
    let mut script = String::from("export LC_ALL=C\n");
    for (id, probe) in probes {
        write!(
            script,
            "echo '{boundary} begin {id}'\n(\n{}\n) </dev/null 2>/dev/null\nprintf '\\n%s\\n' \"{boundary} end $?\"\n",
            probe.as_ref().trim_end()
        )
        .expect("writing to a string cannot fail");
    }
    script
}

/// Splits the output of [`join_probes`].
///
/// # Errors
///
/// [`ErrorKind::Protocol`] if a probe is missing or incomplete.
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

    #[test]
    fn words_of_a_script_are_its_own() {
        let script = ProbeScript("echo \"$#:$1\"");
        let words = ["it's $HOME".to_owned(), "b".to_owned()];
        let probes = BTreeMap::from([
            ("a", script.with_args(&words)),
            ("b", script.with_args(&[])),
        ]);
        let script = join_probes(&probes, "=b0=");
        let output = Command::new("sh").arg("-c").arg(&script).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let facts = split_probes(&text, "=b0=", ["a", "b"]).unwrap();
        assert_eq!(facts["a"].output, "2:it's $HOME\n");
        assert_eq!(facts["b"].output, "0:\n");
    }

    proptest! {
        #[test]
        fn split_never_panics(output in "[ =b0a\\nxbeginend0-9]{0,200}") {
            let _facts = split_probes(&output, "=b0=", ["a"]);
        }
    }
}
