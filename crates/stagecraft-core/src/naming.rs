//! Names of hosts in cloud and network.

mod pattern;

pub use pattern::{NamePattern, NamePatternError};

use self::pattern::Place;
use crate::name::{EnvironmentName, HostName, NameError, NodeName, ProjectName};
use crate::tags;

/// The name pattern of one project, with the project's name.
///
/// A host is found by its tags; its name only shows which host of the environment it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Naming {
    project: Option<ProjectName>,
    pattern: NamePattern,
}

/// Why a host cannot be named by the pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NamingError {
    /// The whole name breaks a rule, for example because it is too long.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The pattern has `{project}`, and the file names no project.
    #[error("the name pattern `{0}` has {{project}}: give project.name in the file")]
    NoProject(NamePattern),
    /// Another project, environment or host could have the same name.
    #[error(
        "{what} `{value}` contains `{separator}`, which follows {{{what}}} in the name pattern `{pattern}`, so that two hosts could get one name: {cure}"
    )]
    Ambiguous {
        /// The placeholder: `project`, `env` or `host`.
        what: &'static str,
        /// The value of the placeholder.
        value: String,
        /// What follows the placeholder.
        separator: String,
        /// The pattern.
        pattern: NamePattern,
        /// What to write.
        cure: String,
    },
    /// All names would also be names by the default pattern.
    #[error(
        "project `{project}` and environment `{environment}` begin alike, so that names by `{pattern}` could be taken for names by `{}`: put a fixed text before {{project}}",
        NamePattern::default()
    )]
    ReadsAsDefault {
        /// The project.
        project: ProjectName,
        /// The environment.
        environment: EnvironmentName,
        /// The pattern.
        pattern: NamePattern,
    },
}

impl NamingError {
    /// Whether the project causes the error, whatever the environment and the host.
    pub fn is_of_project(&self) -> bool {
        match self {
            Self::Name(_) | Self::ReadsAsDefault { .. } => false,
            Self::NoProject(_) => true,
            Self::Ambiguous { what, .. } => *what == Place::Project.key(),
        }
    }

    /// Whether the environment causes the error, whatever the host.
    pub fn is_of_environment(&self) -> bool {
        match self {
            Self::Name(_) | Self::NoProject(_) => false,
            Self::ReadsAsDefault { .. } => true,
            Self::Ambiguous { what, .. } => *what == Place::Environment.key(),
        }
    }
}

impl From<Option<ProjectName>> for Naming {
    /// Uses the default pattern.
    fn from(project: Option<ProjectName>) -> Self {
        Self::new(project, NamePattern::default())
    }
}

impl Naming {
    /// Combines both. Whether they fit is checked by [`check_project`](Self::check_project).
    pub fn new(project: Option<ProjectName>, pattern: NamePattern) -> Self {
        Self { project, pattern }
    }

    /// The project's name, if it has one.
    pub fn project(&self) -> Option<&ProjectName> {
        self.project.as_ref()
    }

    /// The pattern.
    pub fn pattern(&self) -> &NamePattern {
        &self.pattern
    }

    /// Checks what depends only on the project.
    ///
    /// # Errors
    ///
    /// [`NamingError::NoProject`], or [`NamingError::Ambiguous`] about the project.
    pub fn check_project(&self) -> Result<(), NamingError> {
        if !self.pattern.has(Place::Project) {
            return Ok(());
        }
        let project = self.project.as_ref();
        let project = project.ok_or_else(|| NamingError::NoProject(self.pattern.clone()))?;
        self.check_value(Place::Project, project.as_str())
    }

    /// Returns the name of a host in cloud and network.
    ///
    /// By one pattern, no two hosts of any projects and environments share a name, and no name is
    /// also one by the default pattern. The default pattern alone cannot guarantee that: it is
    /// older than the rule. Instead, the environments of one file are compared with each other.
    ///
    /// # Errors
    ///
    /// [`NamingError`] if the name would be too long, or could be another host's.
    pub fn node(
        &self,
        environment: &EnvironmentName,
        host: &HostName,
    ) -> Result<NodeName, NamingError> {
        self.check_project()?;
        if !self.pattern.is_default() {
            self.check_value(Place::Environment, environment.as_str())?;
            self.check_value(Place::Host, host.as_str())?;
            self.check_beginning(environment)?;
        }
        let project = self.project.as_ref().map(ProjectName::as_str);
        let name = self.pattern.render(|place| match place {
            Place::Project => project.unwrap_or_default(),
            Place::Environment => environment.as_str(),
            Place::Host => host.as_str(),
        });
        Ok(NodeName::new(name)?)
    }

    /// Returns the host of the environment that a name in the cloud denotes. Case does not matter.
    ///
    /// The name is read by the patterns in the host's tags (without any: the default one) and by
    /// the project's own, since a user may have renamed the host to match the file.
    /// `None` if no pattern matches, or if they disagree.
    pub fn host_of(
        &self,
        environment: &EnvironmentName,
        node: &str,
        tags: &[String],
    ) -> Option<HostName> {
        let node = node.to_ascii_lowercase();
        // A longer name is not valid in the network.
        NodeName::new(node.as_str()).ok()?;
        let mut patterns: Vec<NamePattern> = tags::name_patterns(tags).collect();
        if patterns.is_empty() {
            patterns.push(NamePattern::default());
        }
        patterns.push(self.pattern.clone());
        let project = self.project.as_ref();
        let mut hosts = patterns
            .iter()
            .filter_map(|pattern| pattern.host_of(project, environment, &node));
        let host = hosts.next()?;
        hosts.all(|other| other == host).then_some(host)
    }

    /// Returns the possible names of a host: by this pattern, and by the default one.
    pub fn possible_nodes(
        &self,
        environment: &EnvironmentName,
        host: &HostName,
    ) -> impl Iterator<Item = NodeName> {
        let default = Self::from(self.project.clone()).node(environment, host);
        [self.node(environment, host), default]
            .into_iter()
            .flatten()
    }

    /// Returns the tag of the pattern of a host's name; the default pattern needs none.
    pub fn tag(&self) -> Option<String> {
        (!self.pattern.is_default()).then(|| tags::name_pattern_tag(&self.pattern))
    }

    /// A pattern that starts with the environment is already refused by the parser.
    fn check_beginning(&self, environment: &EnvironmentName) -> Result<(), NamingError> {
        let Some(project) = &self.project else {
            return Ok(());
        };
        let name = self.pattern.render(|place| match place {
            Place::Project => project.as_str(),
            Place::Environment => environment.as_str(),
            Place::Host => "host",
        });
        match NamePattern::default().host_of(None, environment, &name) {
            None => Ok(()),
            Some(_) => Err(NamingError::ReadsAsDefault {
                project: project.clone(),
                environment: environment.clone(),
                pattern: self.pattern.clone(),
            }),
        }
    }

    fn check_value(&self, place: Place, value: &str) -> Result<(), NamingError> {
        let Some(separator) = self.pattern.separator_after(place) else {
            return Ok(());
        };
        // Names are read from the left: each value ends at the first match of its separator.
        if format!("{value}{separator}").find(separator) == Some(value.len()) {
            return Ok(());
        }
        let other = self.pattern.with_double_separators();
        let cure = match other.separator_after(place) {
            Some(double) if !value.contains(double) => {
                format!("write `{other}`, or choose another {}", place.word())
            }
            _ => format!("choose another {}", place.word()),
        };
        Err(NamingError::Ambiguous {
            what: place.key(),
            value: value.to_owned(),
            separator: separator.to_owned(),
            pattern: self.pattern.clone(),
            cure,
        })
    }
}

#[cfg(test)]
mod tests;
