//! The tags that make a host ours.

use crate::host::Host;
use crate::name::{EnvironmentName, ProjectName, RoleName};

/// Every host of ours bears it.
pub const STAGECRAFT_TAG: &str = "stagecraft";
const PROJECT_PREFIX: &str = "stagecraft-project-";
const ROLE_PREFIX: &str = "stagecraft-role-";

/// The tag of an environment: what a provider lists by.
pub fn environment_tag(environment: &EnvironmentName) -> String {
    format!("stagecraft-env-{environment}")
}

/// The tags that a host of this fleet bears, sorted.
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

/// Whether the host belongs to this fleet. A matching name means nothing.
///
/// Without a project only hosts without any project's tag belong to it.
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

/// The role that a host's tags tell.
pub fn role_of(tags: &[String]) -> Option<RoleName> {
    tags.iter()
        .find_map(|tag| RoleName::new(strip_prefix(tag, ROLE_PREFIX)?.to_ascii_lowercase()).ok())
}

fn strip_prefix<'a>(tag: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = tag.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}
