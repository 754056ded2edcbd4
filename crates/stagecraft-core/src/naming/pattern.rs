//! Name patterns: fixed text and placeholders.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::config::{nearest, parse_text};
use crate::name::{EnvironmentName, HostName, ProjectName};

/// The most characters besides the placeholders. A whole name has at most 63.
const MOST_TEXT: usize = 32;

/// A placeholder: a part of a host's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Place {
    Project,
    Environment,
    Host,
}

impl Place {
    const ALL: [Self; 3] = [Self::Project, Self::Environment, Self::Host];

    /// Returns its spelling in the pattern, without braces.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Environment => "env",
            Self::Host => "host",
        }
    }

    /// Returns its name in messages.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Project => "project name",
            Self::Environment => "environment name",
            Self::Host => "host name",
        }
    }
}

/// How hosts are named in cloud and network: fixed text with `{env}`, `{host}` and, if wanted,
/// `{project}`, each at most once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamePattern {
    /// The fixed text before each placeholder.
    places: Vec<(String, Place)>,
    /// The fixed text after the last one.
    end: String,
}

/// The error of a text that is not a name pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid name pattern {pattern:?}: {problem}")]
pub struct NamePatternError {
    pattern: String,
    problem: String,
}

impl Default for NamePattern {
    /// Returns `{env}-{host}`.
    fn default() -> Self {
        Self {
            places: vec![
                (String::new(), Place::Environment),
                ("-".to_owned(), Place::Host),
            ],
            end: String::new(),
        }
    }
}

impl FromStr for NamePattern {
    type Err = NamePatternError;

    fn from_str(text: &str) -> Result<Self, NamePatternError> {
        parse(text).map_err(|problem| NamePatternError {
            pattern: text.to_owned(),
            problem,
        })
    }
}

fn parse(text: &str) -> Result<NamePattern, String> {
    let mut places: Vec<(String, Place)> = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (key, after) = after
            .split_once('}')
            .ok_or_else(|| "a `{` without its `}`".to_owned())?;
        let place = place(key)?;
        if places.iter().any(|(_, other)| *other == place) {
            return Err(format!("{{{key}}} stands in it twice"));
        }
        places.push((before.to_owned(), place));
        rest = after;
    }
    let pattern = NamePattern {
        places,
        end: rest.to_owned(),
    };
    for place in [Place::Environment, Place::Host] {
        if !pattern.has(place) {
            return Err(format!(
                "{{{}}} is missing, without which two hosts would have one name",
                place.key()
            ));
        }
    }
    let texts = pattern.places.iter().map(|(text, _)| text.as_str());
    let texts = texts.chain([pattern.end.as_str()]);
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !texts.clone().all(|text| text.bytes().all(is_plain)) {
        return Err(
            "beside {project}, {env} and {host} it has lower-case letters, digits and '-' only"
                .to_owned(),
        );
    }
    if texts.map(str::len).sum::<usize>() > MOST_TEXT {
        return Err(format!(
            "it has more than {MOST_TEXT} letters beside its placeholders, and a whole name has at most 63"
        ));
    }
    let separators = pattern.places.iter().skip(1).map(|(text, _)| text);
    for separator in separators {
        if !(separator.starts_with('-') && separator.ends_with('-')) {
            return Err("two placeholders need a '-' between them".to_owned());
        }
    }
    if !pattern.is_default()
        && pattern.places[0] == (String::new(), Place::Environment)
        && !pattern.places[1].0.starts_with("--")
    {
        return Err(format!(
            "it begins like `{}`, by which hosts are named that it could be confused with: begin with {{project}} or a fixed text, or write `--` after {{env}}",
            NamePattern::default()
        ));
    }
    if pattern.places[0].0.starts_with('-') || pattern.end.ends_with('-') {
        return Err("a name neither starts nor ends with '-'".to_owned());
    }
    Ok(pattern)
}

fn place(key: &str) -> Result<Place, String> {
    let found = Place::ALL.into_iter().find(|place| place.key() == key);
    found.ok_or_else(|| {
        let keys = Place::ALL.map(Place::key);
        let near = nearest(key, keys);
        let near = near.map(|near| format!(" (did you mean {{{near}}}?)"));
        format!(
            "unknown placeholder {{{key}}}, known: {{project}}, {{env}}, {{host}}{}",
            near.unwrap_or_default()
        )
    })
}

impl NamePattern {
    /// Whether it is `{env}-{host}`.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn has(&self, place: Place) -> bool {
        self.places.iter().any(|(_, own)| *own == place)
    }

    /// Returns the text between a placeholder and the next one.
    pub(super) fn separator_after(&self, place: Place) -> Option<&str> {
        let mut pairs = self.places.windows(2);
        let pair = pairs.find(|pair| pair[0].1 == place)?;
        Some(&pair[1].0)
    }

    /// Returns the pattern with `--` in place of each `-` between two placeholders.
    pub(super) fn with_double_separators(&self) -> Self {
        let mut double = self.clone();
        for (text, _) in double.places.iter_mut().skip(1) {
            if text == "-" {
                "--".clone_into(text);
            }
        }
        double
    }

    pub(super) fn render<'v>(&self, value: impl Fn(Place) -> &'v str) -> String {
        let mut name = String::new();
        for (text, place) in &self.places {
            name.push_str(text);
            name.push_str(value(*place));
        }
        name + &self.end
    }

    /// Returns the host that a name denotes by this pattern, for the project and environment.
    pub(super) fn host_of(
        &self,
        project: Option<&ProjectName>,
        environment: &EnvironmentName,
        node: &str,
    ) -> Option<HostName> {
        // No name contains it.
        const HOST: &str = "\0";
        if self.has(Place::Project) && project.is_none() {
            return None;
        }
        let whole = self.render(|place| match place {
            Place::Project => project.map_or("", ProjectName::as_str),
            Place::Environment => environment.as_str(),
            Place::Host => HOST,
        });
        let (before, after) = whole.split_once(HOST)?;
        let rest = node.strip_prefix(before)?.strip_suffix(after)?;
        HostName::new(rest).ok()
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (text, place) in &self.places {
            write!(f, "{text}{{{}}}", place.key())?;
        }
        f.write_str(&self.end)
    }
}

impl Serialize for NamePattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NamePattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parse_text(deserializer)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for NamePattern {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "NamePattern".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[a-z0-9{}-]+$" })
    }
}
