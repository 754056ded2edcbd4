//! The state of a host's readiness, from one read.

use stagecraft_core::{FailureCode, ProbeFacts, ProbeScript, StepFailure, shorten};

use super::cloud_init::Files;
use crate::lock::LOCK_PATH;

/// Reads first boot, package locks and login. Sent with the steps' own scripts.
pub(crate) const PROBE: ProbeScript = ProbeScript(include_str!("probe.sh"));

/// The longest name of an operating system, in characters.
const SYSTEM_LIMIT: usize = 100;

/// The readiness of a host, from one read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostState {
    /// Whether the first boot has ended.
    pub(crate) boot: Boot,
    /// Failures and degradations of the first boot, once it has ended: scripts of the user data,
    /// for example.
    pub(crate) boot_warnings: Vec<String>,
    /// Whether the login is root.
    pub(crate) is_root: bool,
    /// The name that the operating system reports.
    pub(crate) system: Option<String>,
    /// The holders of locks that a change needs.
    pub(crate) holders: Vec<Holder>,
}

/// The progress of the first boot, by cloud-init's own files, see
/// <https://cloudinit.readthedocs.io/en/latest/explanation/boot.html>.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Boot {
    /// It has ended, or nothing runs at first boot.
    Finished,
    /// It is running. The lines are cloud-init's status and the end of its log.
    Running(Vec<String>),
    /// It never ends: cloud-init is disabled, or systemd has dropped it.
    Never {
        /// What is wrong.
        what: &'static str,
        /// What is known of the cause.
        evidence: Vec<String>,
    },
}

/// A process that holds a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    lock: String,
    pid: String,
    command: String,
}

impl Holder {
    /// Describes the wait for its end.
    pub(crate) fn what(&self) -> &'static str {
        if self.lock.ends_with(LOCK_PATH) {
            "an earlier run on this host to end"
        } else {
            "the package lock"
        }
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { lock, pid, command } = self;
        write!(f, "{lock} is held by process {pid} ({command})")
    }
}

impl HostState {
    /// Parses the output of [`PROBE`].
    ///
    /// # Errors
    ///
    /// `host_not_ready` if it cannot be parsed.
    pub(crate) fn parse(facts: &ProbeFacts) -> Result<Self, StepFailure> {
        let files = Files::read(facts);
        let evidence = || {
            let lines = facts.rest_after("evidence").unwrap_or_default().lines();
            lines
                .map(str::trim_end)
                .filter(|line| !line.is_empty())
                .map(ToOwned::to_owned)
        };
        let boot = match facts.value("boot") {
            Some("absent" | "finished") => Boot::Finished,
            Some("running") => Boot::Running(evidence().collect()),
            Some("disabled") => Boot::Never {
                what: "cloud-init is disabled on the host and has never run there, so no user data was applied",
                evidence: evidence().collect(),
            },
            Some("stuck") => Boot::Never {
                what: "cloud-init has not run to its end and does not run any more, so not all user data was applied",
                evidence: files.evidence().into_iter().chain(evidence()).collect(),
            },
            _ => {
                return Err(StepFailure::new(
                    FailureCode::HostNotReady,
                    "the host's answer about its first boot cannot be understood",
                )
                .with_evidence(facts.output.lines().take(5).map(ToOwned::to_owned)));
            }
        };
        let holders = facts
            .output
            .lines()
            .take_while(|line| *line != "evidence:")
            .filter_map(|line| {
                let mut words = line.strip_prefix("locked=")?.splitn(3, ' ');
                Some(Holder {
                    lock: words.next()?.to_owned(),
                    pid: words.next()?.to_owned(),
                    command: words.next().unwrap_or_default().trim().to_owned(),
                })
            })
            .collect();
        Ok(Self {
            boot_warnings: match boot {
                Boot::Finished => files.warnings(),
                Boot::Running(_) | Boot::Never { .. } => Vec::new(),
            },
            boot,
            is_root: facts.value("uid") == Some("0"),
            system: facts
                .value("system")
                .map(|name| shorten(name.trim().trim_matches(['"', '\'']), SYSTEM_LIMIT))
                .filter(|name| !name.is_empty()),
            holders,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(output: &str) -> Result<HostState, StepFailure> {
        HostState::parse(&ProbeFacts {
            output: output.to_owned(),
            code: 0,
        })
    }

    #[test]
    fn hosts_without_a_running_first_boot_pass() {
        for boot in ["absent", "finished"] {
            let state = parse(&format!("uid=0\nboot={boot}\n")).unwrap();
            assert_eq!(state.boot, Boot::Finished);
            assert!(state.is_root && state.holders.is_empty());
        }
    }

    #[test]
    fn first_boot_that_never_ends_is_told_with_why() {
        let state = parse("uid=0\nboot=disabled\nevidence:\n\nmode=disabled\n").unwrap();
        let Boot::Never { what, evidence } = state.boot else {
            panic!("{state:?}");
        };
        assert!(what.contains("is disabled"), "{what}");
        assert_eq!(evidence, ["mode=disabled"]);
        let status = r#"{"v1": {"init": {"start": null}}}"#;
        let output = format!("boot=stuck\nstatus.json:{status}\nevidence:\nx\n");
        let Boot::Never { evidence, .. } = parse(&output).unwrap().boot else {
            panic!("{output}");
        };
        assert_eq!(evidence, ["its stages that never ran: init", "x"]);
    }

    #[test]
    fn holders_are_named_with_lock_pid_and_command() {
        let state = parse(
            "uid=1000\nboot=running\nlocked=/var/lib/dpkg/lock 42 apt-get -y install x \nevidence:\nlocked=/a 1 b\n\n",
        )
        .unwrap();
        let holders: Vec<_> = state.holders.iter().map(ToString::to_string).collect();
        assert_eq!(
            holders,
            ["/var/lib/dpkg/lock is held by process 42 (apt-get -y install x)"]
        );
        assert_eq!(state.boot, Boot::Running(vec!["locked=/a 1 b".to_owned()]));
        assert!(!state.is_root);
    }

    #[test]
    fn system_is_named_as_it_names_itself() {
        for (line, name) in [
            (
                "system=\"Debian GNU/Linux 13 (trixie)\"",
                Some("Debian GNU/Linux 13 (trixie)"),
            ),
            ("system='Alpine'", Some("Alpine")),
            ("system=", None),
            ("other=x", None),
        ] {
            let state = parse(&format!("uid=0\nboot=absent\n{line}\n")).unwrap();
            assert_eq!(state.system.as_deref(), name, "{line}");
        }
    }

    #[test]
    fn senseless_answers_are_refused_with_evidence() {
        let failure = parse("sh: no such thing\n").unwrap_err();
        assert_eq!(failure.code, FailureCode::HostNotReady);
        assert_eq!(failure.evidence, ["sh: no such thing"]);
    }
}
