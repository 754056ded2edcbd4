//! The tags that identify our hosts.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::hostkey::HOST_KEY_TAG_PREFIX;
use crate::name::{EnvironmentName, ProjectName, RoleName};
use crate::naming::NamePattern;

/// The tag of all our hosts.
pub const STAGECRAFT_TAG: &str = "stagecraft";
const ENVIRONMENT_PREFIX: &str = "stagecraft-env-";
const PROJECT_PREFIX: &str = "stagecraft-project-";
const ROLE_PREFIX: &str = "stagecraft-role-";

/// Protects a host from deletion, also once the file no longer does.
pub const PROTECT_TAG: &str = "stagecraft-protect";
/// Marks a host from before it is powered off for a resize until it runs again.
pub const RESIZING_TAG: &str = "stagecraft-resizing";
const RUN_PREFIX: &str = "stagecraft-run-";
const PATTERN_PREFIX: &str = "stagecraft-pattern-";
const EXPIRES_PREFIX: &str = "stagecraft-expires-";
/// Separates the end and its duration. No time contains it.
const TTL_MARK: char = '_';

/// Returns the tag of the hosts that one run created.
pub fn run_tag(run: &str) -> String {
    format!("{RUN_PREFIX}{run}")
}

/// The end of a host's time, as recorded in one of its tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Expiry {
    /// When the host may be reaped, in seconds since 1970.
    pub at: i64,
    /// The declared duration that led to this end, in seconds. `None` if the tag does not record
    /// it, for example because it was set by hand.
    pub ttl_seconds: Option<u64>,
}

impl Expiry {
    /// Computes the end of a host whose declared duration begins now.
    pub fn starting_at(now: i64, ttl_seconds: u64) -> Self {
        Self {
            at: now.saturating_add_unsigned(ttl_seconds),
            ttl_seconds: Some(ttl_seconds),
        }
    }

    /// Computes the end under another declared duration. It counts from the same start as the
    /// recorded one, so repetition prolongs nothing. Without a record the end stays.
    #[must_use]
    pub fn with_ttl(self, ttl_seconds: u64) -> Self {
        match self.ttl_seconds {
            Some(own) => Self::starting_at(self.at.saturating_sub_unsigned(own), ttl_seconds),
            None => Self {
                ttl_seconds: Some(ttl_seconds),
                ..self
            },
        }
    }

    /// Returns its tag: a time in UTC, then the declared duration in seconds, such as
    /// `stagecraft-expires-2026-11-21t17:30:00z_28800`.
    ///
    /// One tag holds both, so that a killed run leaves no end without its duration.
    /// A time beyond the calendar becomes its last one.
    pub fn tag(self) -> String {
        let at = Timestamp::from_second(self.at).unwrap_or(Timestamp::MAX);
        let text = at.strftime("%Y-%m-%dt%H:%M:%Sz");
        let ttl = self.ttl_seconds;
        let ttl = ttl
            .map(|ttl| format!("{TTL_MARK}{ttl}"))
            .unwrap_or_default();
        format!("{EXPIRES_PREFIX}{text}{ttl}")
    }

    /// Whether a tag records the end of a host's time.
    pub fn is_tag(tag: &str) -> bool {
        strip_prefix(tag, EXPIRES_PREFIX).is_some()
    }

    fn of_tag(tag: &str) -> Option<Self> {
        let text = strip_prefix(tag, EXPIRES_PREFIX)?;
        let (time, ttl) = match text.split_once(TTL_MARK) {
            Some((time, ttl)) => (time, Some(ttl.parse().ok()?)),
            None => (text, None),
        };
        let at: Timestamp = time.to_ascii_uppercase().parse().ok()?;
        Some(Self {
            at: at.as_second(),
            ttl_seconds: ttl,
        })
    }

    /// Returns the end in a host's tags; the earliest if there are several.
    pub fn of(tags: &[String]) -> Option<Self> {
        tags.iter().filter_map(|tag| Self::of_tag(tag)).min()
    }
}

/// Returns the tag of hosts that may be reaped after a time, in seconds since 1970, without a
/// record of the duration.
pub fn expires_tag(at: i64) -> String {
    let ttl_seconds = None;
    Expiry { at, ttl_seconds }.tag()
}

/// Returns the tag of hosts that are named by a pattern other than the default one.
///
/// Tags have no braces: `stagecraft-pattern-:project:-:env:-:host:`. All hosts of a create request
/// have the same one, so it costs no further request.
pub fn name_pattern_tag(pattern: &NamePattern) -> String {
    let text = pattern.to_string().replace(['{', '}'], ":");
    format!("{PATTERN_PREFIX}{text}")
}

/// Returns the name patterns in tags.
pub fn name_patterns(tags: &[String]) -> impl Iterator<Item = NamePattern> {
    tags.iter().filter_map(|tag| {
        let text = strip_prefix(tag, PATTERN_PREFIX)?.to_ascii_lowercase();
        let mut parts = text.split(':');
        let mut pattern = parts.next()?.to_owned();
        while let Some((key, text)) = parts.next().zip(parts.next()) {
            pattern = format!("{pattern}{{{key}}}{text}");
        }
        pattern.parse().ok()
    })
}

/// Whether a tag records a name pattern.
pub(crate) fn is_name_pattern(tag: &str) -> bool {
    strip_prefix(tag, PATTERN_PREFIX).is_some()
}

/// The owner of a host by its tags.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HostOwner {
    /// The project; `None` if the host was created from a file without a project name.
    pub project: Option<ProjectName>,
    /// The environment; `None` if no tag names it.
    pub environment: Option<EnvironmentName>,
}

impl std::fmt::Display for HostOwner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.project {
            Some(project) => write!(f, "project `{project}`")?,
            None => f.write_str("a file without project.name")?,
        }
        match &self.environment {
            Some(environment) => write!(f, ", environment `{environment}`"),
            None => Ok(()),
        }
    }
}

/// Returns the owner of a host by its tags; `None` if it has none of our tags.
pub fn owner_of(host: &Host) -> Option<HostOwner> {
    let tell = |prefix| {
        let mut tags = host.tags.iter();
        tags.find_map(|tag| strip_prefix(tag, prefix).map(str::to_ascii_lowercase))
    };
    let owner = HostOwner {
        project: tell(PROJECT_PREFIX).and_then(|name| ProjectName::new(name).ok()),
        environment: tell(ENVIRONMENT_PREFIX).and_then(|name| EnvironmentName::new(name).ok()),
    };
    let is_told = owner.project.is_some() || owner.environment.is_some();
    is_told.then_some(owner)
}

/// Returns when a host may be reaped, in seconds since 1970; the earliest if there are several.
pub fn expires_at(tags: &[String]) -> Option<i64> {
    Expiry::of(tags).map(|expiry| expiry.at)
}

/// Whether a tag belongs to single hosts or to one run, so that it is useless without hosts.
pub fn is_passing(tag: &str) -> bool {
    let prefixes = [RUN_PREFIX, EXPIRES_PREFIX, HOST_KEY_TAG_PREFIX];
    prefixes
        .iter()
        .any(|prefix| strip_prefix(tag, prefix).is_some())
}

/// Whether a host has the tag of another environment or another project.
pub fn is_foreign(
    host: &Host,
    project: Option<&ProjectName>,
    environment: &EnvironmentName,
) -> bool {
    let own_project = project.map(|project| format!("{PROJECT_PREFIX}{project}"));
    host.tags.iter().any(|tag| {
        let of_environment = strip_prefix(tag, ENVIRONMENT_PREFIX).is_some()
            && !tag.eq_ignore_ascii_case(&environment_tag(environment));
        let of_project = strip_prefix(tag, PROJECT_PREFIX).is_some()
            && !own_project
                .as_ref()
                .is_some_and(|own| tag.eq_ignore_ascii_case(own));
        of_environment || of_project
    })
}

/// Whether a tag names a role.
pub(crate) fn is_role(tag: &str) -> bool {
    strip_prefix(tag, ROLE_PREFIX).is_some()
}

/// Returns the tag of an environment, by which providers list.
pub fn environment_tag(environment: &EnvironmentName) -> String {
    format!("{ENVIRONMENT_PREFIX}{environment}")
}

/// Returns the tags of a host of this fleet, sorted.
pub fn fleet_tags(
    project: Option<&ProjectName>,
    environment: &EnvironmentName,
    role: &RoleName,
) -> Vec<String> {
    let mut tags = vec![
        STAGECRAFT_TAG.to_owned(),
        environment_tag(environment),
        format!("{ROLE_PREFIX}{role}"),
    ];
    tags.extend(project.map(|project| format!("{PROJECT_PREFIX}{project}")));
    tags.sort();
    tags
}

/// Whether the host belongs to this fleet. Its name does not matter.
///
/// Without a project, only hosts without any project's tag belong to it.
pub fn is_owned(host: &Host, project: Option<&ProjectName>, environment: &EnvironmentName) -> bool {
    let of_project = match project {
        Some(project) => host.has_tag(&format!("{PROJECT_PREFIX}{project}")),
        None => !host
            .tags
            .iter()
            .any(|tag| strip_prefix(tag, PROJECT_PREFIX).is_some()),
    };
    of_project && host.has_tag(STAGECRAFT_TAG) && host.has_tag(&environment_tag(environment))
}

/// Returns the role in a host's tags.
pub fn role_of(tags: &[String]) -> Option<RoleName> {
    tags.iter()
        .find_map(|tag| RoleName::new(strip_prefix(tag, ROLE_PREFIX)?.to_ascii_lowercase()).ok())
}

fn strip_prefix<'a>(tag: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = tag.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Returns the rank of a tag among those that are set one by one on a host, lowest first.
///
/// A host with only some of them, since the run was killed, must not be owned yet: neither
/// without its declared protection, nor by a run without a project. So the tags that make it
/// owned come last.
pub fn order(tag: &str) -> u8 {
    let tag = tag.to_ascii_lowercase();
    match tag.as_str() {
        PROTECT_TAG => 0,
        STAGECRAFT_TAG => 6,
        _ if tag.starts_with(PROJECT_PREFIX) => 1,
        _ if tag.starts_with(ROLE_PREFIX) => 2,
        _ if tag.starts_with(EXPIRES_PREFIX) => 3,
        _ if tag.starts_with(ENVIRONMENT_PREFIX) => 5,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_survives_its_tag_in_any_case() {
        let tag = expires_tag(1_795_000_000);
        assert_eq!(tag, "stagecraft-expires-2026-11-18t11:06:40z");
        let tags = [
            "x".to_owned(),
            tag.to_ascii_uppercase(),
            expires_tag(i64::MAX),
        ];
        assert_eq!(expires_at(&tags), Some(1_795_000_000));
        assert_eq!(expires_at(&["stagecraft-expires-soon".to_owned()]), None);
    }

    #[test]
    fn end_records_its_duration_and_another_one_counts_from_the_same_moment() {
        let made = Expiry::starting_at(1_795_000_000, 3_600);
        assert_eq!(made.tag(), "stagecraft-expires-2026-11-18t12:06:40z_3600");
        assert_eq!(Expiry::of(&[made.tag().to_ascii_uppercase()]), Some(made));
        let longer = made.with_ttl(7_200);
        assert_eq!(longer, Expiry::starting_at(1_795_000_000, 7_200));
        assert_eq!(longer.with_ttl(7_200), longer, "nothing is prolonged");
        assert_eq!(longer.with_ttl(3_600), made);
        let by_hand = Expiry::of(&[expires_tag(made.at)]).unwrap();
        assert_eq!(by_hand.with_ttl(60).at, made.at, "what gave it is unknown");
        assert_eq!(Expiry::of(&[format!("{}x", made.tag())]), None);
        let absurd = Expiry::starting_at(i64::MAX, u64::MAX);
        assert!(absurd.tag().contains("9999-12-30"), "{}", absurd.tag());
    }

    #[test]
    fn tags_of_one_run_or_host_are_passing_and_those_of_fleets_are_not() {
        for tag in [
            run_tag("0f"),
            expires_tag(0),
            format!("{HOST_KEY_TAG_PREFIX}aa"),
        ] {
            assert!(
                is_passing(&tag) && is_passing(&tag.to_ascii_uppercase()),
                "{tag}"
            );
        }
        for tag in [
            STAGECRAFT_TAG,
            PROTECT_TAG,
            RESIZING_TAG,
            "stagecraft-role-db",
        ] {
            assert!(!is_passing(tag), "{tag}");
        }
    }
}
