//! What `config show` prints.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use stagecraft_core::config as core;

use super::VERSION;

/// What `config show` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ShowDocument {
    /// The version of this contract.
    #[schemars(extend("const" = VERSION))]
    v: u32,
    /// The configuration as it takes effect, in the shape of the file.
    config: Value,
    /// Every key, also those that are not set, sorted.
    settings: Vec<Setting>,
}

/// What `config show --why KEY` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct WhyDocument {
    /// The version of this contract.
    #[schemars(extend("const" = VERSION))]
    v: u32,
    #[serde(flatten)]
    setting: Setting,
}

/// One key of the configuration.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Setting {
    /// The keys that lead to it, joined by dots.
    pub(crate) key: String,
    /// Its value; `***` in place of what may be a secret. Null: it is not set.
    pub(crate) value: Value,
    /// Where the value comes from.
    pub(crate) source: Source,
    /// The key whose value it takes. Null unless `source` is `key`.
    pub(crate) taken_from: Option<String>,
    /// The file in which the value stands. Null if it stands in none.
    pub(crate) file: Option<String>,
    /// The line in that file, from 1.
    pub(crate) line: Option<usize>,
    /// The column in that line, from 1.
    pub(crate) column: Option<usize>,
    /// The variables that were put into the value, or that it is taken from.
    pub(crate) variables: Vec<String>,
}

/// Where a value comes from.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Source {
    /// It stands in the file.
    File,
    /// It is the value of another key.
    Key,
    /// It is the value of a variable of this program.
    Variable,
    /// It is the default.
    Default,
}

impl ShowDocument {
    pub(crate) fn new(config: Value, settings: Vec<Setting>) -> Self {
        Self {
            v: VERSION,
            config,
            settings,
        }
    }
}

impl WhyDocument {
    pub(crate) fn new(setting: Setting) -> Self {
        Self {
            v: VERSION,
            setting,
        }
    }
}

impl Setting {
    /// `variable` gives the setting its value instead of the default.
    pub(crate) fn new(setting: &core::Setting, file: &str, variable: Option<&str>) -> Self {
        let (source, taken_from, location, variables) = match (&setting.origin, variable) {
            (
                core::Origin::File {
                    location,
                    variables,
                },
                _,
            ) => (Source::File, None, Some(*location), variables.clone()),
            (
                core::Origin::Key {
                    path,
                    location,
                    variables,
                },
                _,
            ) => (
                Source::Key,
                Some(path.join(".")),
                *location,
                variables.clone(),
            ),
            (core::Origin::Default, Some(variable)) => {
                (Source::Variable, None, None, vec![variable.to_owned()])
            }
            (core::Origin::Default, None) => (Source::Default, None, None, Vec::new()),
        };
        Self {
            key: setting.key(),
            value: setting.value.clone(),
            source,
            taken_from,
            file: location.map(|_| file.to_owned()),
            line: location.map(|location| location.line),
            column: location.map(|location| location.column),
            variables,
        }
    }
}
