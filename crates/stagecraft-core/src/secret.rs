//! Sources of secrets.

use std::fmt;
use std::path::PathBuf;

use crate::config::is_variable_name;

/// The source of a secret. A configuration names it and never contains the secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretSource {
    /// An environment variable, by its name.
    Variable(String),
    /// A file that contains nothing else.
    File(PathBuf),
    /// A program and its arguments, whose output is the secret. No shell is involved.
    Command(Vec<String>),
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            // Its arguments may be long and confidential.
            Self::Command(words) => {
                write!(f, "command `{}`", words.first().map_or("", String::as_str))
            }
        }
    }
}

/// The keys `NAME_env`, `NAME_file` and `NAME_cmd` of a configuration, of which one is required.
#[derive(Debug, Clone, Copy)]
pub struct SecretKeys<'a> {
    /// The prefix of the keys, for example `token`.
    pub name: &'a str,
    /// The name of a variable.
    pub env: Option<&'a str>,
    /// The path of a file.
    pub file: Option<&'a PathBuf>,
    /// A program and its arguments.
    pub cmd: Option<&'a [String]>,
}

/// A mistake in the keys of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretKeyError {
    /// The key; `None` if the mistake concerns all of them.
    pub key: Option<String>,
    /// What is wrong.
    pub message: String,
    /// Whether the value may be the secret itself, and must not be shown.
    pub is_secret: bool,
}

impl SecretKeys<'_> {
    /// Returns the one source that is set.
    ///
    /// # Errors
    ///
    /// [`SecretKeyError`] if none or several are set, or a value is not of its kind.
    pub fn source(&self) -> Result<SecretSource, SecretKeyError> {
        let name = self.name;
        let key = |end: &str| format!("{name}_{end}");
        let error = |key, message| SecretKeyError {
            key,
            message,
            is_secret: false,
        };
        match (self.env, self.file, self.cmd) {
            (None, None, None) => Err(error(
                None,
                format!("{name}_env is required (or {name}_file, or {name}_cmd)"),
            )),
            (Some(""), None, None) => {
                Err(error(Some(key("env")), format!("{name}_env is required")))
            }
            (Some(variable), None, None) if is_variable_name(variable) => {
                Ok(SecretSource::Variable(variable.to_owned()))
            }
            (Some(_), None, None) => Err(SecretKeyError {
                is_secret: true,
                ..error(
                    Some(key("env")),
                    format!(
                        "{name}_env must be the name of a variable (letters, digits and '_'), never the {} itself",
                        name.replace('_', " ")
                    ),
                )
            }),
            (None, Some(path), None) if path.as_os_str().is_empty() => Err(error(
                Some(key("file")),
                format!("{name}_file must be the path of a file"),
            )),
            (None, Some(path), None) => Ok(SecretSource::File(path.clone())),
            (None, None, Some(words)) if words.first().is_none_or(String::is_empty) => Err(error(
                Some(key("cmd")),
                format!(
                    "{name}_cmd must be a program and its arguments, such as [pass, show, {name}]"
                ),
            )),
            (None, None, Some(words)) => Ok(SecretSource::Command(words.to_vec())),
            _ => Err(error(
                None,
                format!("only one of {name}_env, {name}_file and {name}_cmd may be given"),
            )),
        }
    }
}

/// Whether the name of a variable suggests a secret.
#[cfg(feature = "yaml")]
pub(crate) fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["TOKEN", "SECRET", "PASS", "KEY", "CREDENTIAL"]
        .iter()
        .any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(
        env: Option<&str>,
        file: Option<&str>,
        cmd: Option<&[&str]>,
    ) -> Result<SecretSource, SecretKeyError> {
        let file = file.map(PathBuf::from);
        let cmd = cmd.map(|words| {
            words
                .iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>()
        });
        SecretKeys {
            name: "token",
            env,
            file: file.as_ref(),
            cmd: cmd.as_deref(),
        }
        .source()
    }

    #[test]
    fn exactly_one_key_is_taken() {
        let variable = source(Some("TOKEN"), None, None).unwrap();
        assert_eq!(variable.to_string(), "environment variable TOKEN");
        let file = source(None, Some("token.txt"), None).unwrap();
        assert_eq!(file.to_string(), "file token.txt");
        let command = source(None, None, Some(&["pass", "show", "do"])).unwrap();
        assert_eq!(command.to_string(), "command `pass`");
        for (error, message) in [
            (
                source(None, None, None),
                "token_env is required (or token_file, or token_cmd)",
            ),
            (source(Some(""), None, None), "token_env is required"),
            (
                source(None, Some(""), None),
                "token_file must be the path of a file",
            ),
            (
                source(Some("A"), Some("b"), None),
                "only one of token_env, token_file and token_cmd may be given",
            ),
            (
                source(None, None, Some(&[])),
                "token_cmd must be a program and its arguments, such as [pass, show, token]",
            ),
        ] {
            assert_eq!(error.unwrap_err().message, message);
        }
    }

    #[test]
    fn secret_in_place_of_a_name_is_not_repeated() {
        let error = source(Some("dop-v1/abc"), None, None).unwrap_err();
        assert!(error.is_secret);
        assert!(!error.message.contains("abc"));
    }
}
