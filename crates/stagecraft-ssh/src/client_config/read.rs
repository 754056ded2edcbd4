//! Reads the file and its includes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use stagecraft_core::{Error, ErrorKind, Result};

use super::{expand, glob, words};
use crate::file;

/// Size limit of a file, in bytes.
const SIZE_LIMIT: u64 = 1024 * 1024;
/// Deepest nesting of includes (`READCONF_MAX_DEPTH` of OpenSSH's `readconf.c`).
const DEPTH_LIMIT: usize = 16;
/// Most files read in all.
const FILE_LIMIT: usize = 1000;

/// Position of a line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    file: Arc<PathBuf>,
    number: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.number)
    }
}

/// One line that is neither blank nor a comment.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) place: Place,
    pub(super) item: Item,
}

/// The content of a line.
#[derive(Debug, Clone)]
pub(super) enum Item {
    /// Patterns of names.
    Host(Vec<String>),
    Match(Vec<Criterion>),
    Set(Setting),
    /// The included files.
    Include(Vec<Vec<Line>>),
    /// It is not supported, for this reason.
    Ignored(String),
}

#[derive(Debug, Clone)]
pub(super) struct Criterion {
    pub(super) is_negated: bool,
    /// In lower case.
    pub(super) key: String,
    /// Empty for `all`, `canonical` and `final`.
    pub(super) value: String,
}

#[derive(Debug, Clone)]
pub(super) struct Setting {
    /// The keyword in lower case.
    pub(super) key: String,
    /// The keyword as it is written.
    pub(super) word: String,
    pub(super) value: String,
}

/// Reads a file that must exist.
pub(super) fn file(path: &Path, home: &Path) -> Result<Vec<Line>> {
    let mut files = 0;
    if path.is_dir() {
        return Err(failed(path, std::io::ErrorKind::IsADirectory.into()));
    }
    read(path, home, 0, &mut files)?.ok_or_else(|| {
        let message = format!("ssh_config {} does not exist", path.display());
        Error::new(ErrorKind::Config, message)
    })
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    let message = format!("cannot read ssh_config {}", path.display());
    Error::new(ErrorKind::Config, message).with_source(error)
}

/// Reads a file. Returns `None` if it is missing or a directory, which `Include` ignores as OpenSSH
/// does.
fn read(path: &Path, home: &Path, depth: usize, files: &mut usize) -> Result<Option<Vec<Line>>> {
    let wrong = |message: String| Error::new(ErrorKind::Config, message);
    *files += 1;
    if depth > DEPTH_LIMIT || *files > FILE_LIMIT {
        return Err(wrong(format!(
            "ssh_config {} is included too deep or too often",
            path.display()
        )));
    }
    if path.is_dir() {
        return Ok(None);
    }
    let read_file = file::read(path, SIZE_LIMIT);
    let Some(content) = read_file.map_err(|error| failed(path, error))? else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&content);
    let shared = Arc::new(path.to_path_buf());
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let place = Place {
            file: Arc::clone(&shared),
            number: index + 1,
        };
        let at = |what: &str| wrong(format!("{place}: {what}"));
        let Some(words::Cut { keyword, words }) = words::cut(line).map_err(at)? else {
            continue;
        };
        let key = keyword.to_ascii_lowercase();
        let item = match key.as_str() {
            "host" | "match" | "include" if words.is_empty() => {
                return Err(at(&format!("{keyword} has no value")));
            }
            "host" if words.iter().any(String::is_empty) => {
                return Err(at("Host has an empty pattern"));
            }
            "host" => Item::Host(words),
            "match" => Item::Match(criteria(words).ok_or_else(|| at("a value is missing"))?),
            "include" => {
                let mut included = Vec::new();
                for pattern in &words {
                    match included_by(pattern, home) {
                        Ok(paths) => {
                            for path in paths {
                                included.extend(read(&path, home, depth + 1, files)?);
                            }
                        }
                        Err(what) => lines.push(Line {
                            place: place.clone(),
                            item: Item::Ignored(format!("Include {pattern} is ignored: {what}")),
                        }),
                    }
                }
                Item::Include(included)
            }
            _ => {
                let value = checked(&key, &keyword, words).map_err(|what| at(&what))?;
                Item::Set(Setting {
                    key,
                    word: keyword,
                    value,
                })
            }
        };
        lines.push(Line { place, item });
    }
    Ok(Some(lines))
}

/// Whether a keyword affects a host's address or login.
pub(super) fn counts(key: &str) -> bool {
    matches!(
        key,
        "hostname"
            | "user"
            | "port"
            | "identityfile"
            | "certificatefile"
            | "identitiesonly"
            | "identityagent"
            | "proxyjump"
            | "proxycommand"
            | "connecttimeout"
            | "hostkeyalias"
            | "tag"
    )
}

/// The value of a keyword. Keywords with an effect are checked for all hosts, as in OpenSSH.
fn checked(key: &str, keyword: &str, words: Vec<String>) -> Result<String, String> {
    if !counts(key) {
        return Ok(words.join(" "));
    }
    let [value] = <[String; 1]>::try_from(words).map_err(|words| match words.len() {
        0 => format!("{keyword} has no value"),
        _ => format!("{keyword} has more than one value; quote a value with blanks"),
    })?;
    let is_good = match key {
        "port" => port(&value).is_some(),
        "identitiesonly" => flag(&value).is_some(),
        "connecttimeout" => value == "none" || time(&value).is_some(),
        _ => !value.is_empty(),
    };
    if is_good {
        Ok(value)
    } else {
        Err(format!("{keyword} cannot be {value:?}"))
    }
}

/// Parses a port number, or the name of the only relevant service.
pub(super) fn port(text: &str) -> Option<u16> {
    if text == "ssh" {
        return Some(22);
    }
    text.parse().ok().filter(|port| *port != 0)
}

pub(super) fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" => Some(true),
        "no" | "false" => Some(false),
        _ => None,
    }
}

/// Parses a time of `sshd_config(5)`: seconds, or numbers with units, such as `1m30s`.
pub(super) fn time(text: &str) -> Option<Duration> {
    let mut seconds: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit());
        let (number, after) = rest.split_at(end.unwrap_or(rest.len()));
        let number: u64 = number.parse().ok()?;
        let mut letters = after.chars();
        let unit = match letters.next().map(|unit| unit.to_ascii_lowercase()) {
            None | Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            Some('d') => 86_400,
            Some('w') => 604_800,
            Some(_) => return None,
        };
        rest = letters.as_str();
        seconds = seconds.checked_add(number.checked_mul(unit)?)?;
    }
    let is_good = !text.is_empty() && i32::try_from(seconds).is_ok();
    is_good.then(|| Duration::from_secs(seconds))
}

/// Keywords with their values. `all`, `canonical` and `final` have none.
fn criteria(words: Vec<String>) -> Option<Vec<Criterion>> {
    let mut criteria = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let (key, value) = match word.split_once('=') {
            Some((key, value)) => (key.to_ascii_lowercase(), Some(value.to_owned())),
            None => (word.to_ascii_lowercase(), None),
        };
        let (is_negated, key) = match key.strip_prefix('!') {
            Some(key) => (true, key.to_owned()),
            None => (false, key),
        };
        let value = match value {
            Some(value) => value,
            None if matches!(key.as_str(), "all" | "canonical" | "final") => String::new(),
            None => words.next()?,
        };
        criteria.push(Criterion {
            is_negated,
            key,
            value,
        });
    }
    (!criteria.is_empty()).then_some(criteria)
}

/// The files of an `Include` pattern. A relative one begins in the user's `.ssh`.
///
/// # Errors
///
/// The problem with it.
fn included_by(pattern: &str, home: &Path) -> Result<Vec<PathBuf>, String> {
    let pattern = if pattern.starts_with('/') || pattern.starts_with('~') {
        pattern.to_owned()
    } else {
        format!("~/.ssh/{pattern}")
    };
    Ok(glob::glob(&expand::at_home(&pattern, home)?))
}
