//! Reading the file, and those that it includes.

use std::path::{Path, PathBuf};

use stagecraft_core::{Error, ErrorKind, Result};

use super::words;
use crate::file;
use crate::known_hosts::is_match;

/// The largest file, in bytes.
const SIZE_LIMIT: u64 = 1024 * 1024;
/// How deep files may include others (`READCONF_MAX_DEPTH` of OpenSSH's `readconf.c`).
const DEPTH_LIMIT: usize = 16;
/// The most files that are read in all.
const FILE_LIMIT: usize = 1000;

/// One line that says something.
#[derive(Debug, Clone)]
pub(super) enum Item {
    /// Patterns of names.
    Host(Vec<String>),
    /// Criteria with their values, in small letters.
    Match(Vec<(String, String)>),
    /// A keyword in small letters, and its value.
    Set(String, String),
    /// The files that are included.
    Include(Vec<Vec<Self>>),
}

/// Reads a file that must exist.
pub(super) fn file(path: &Path, home: &Path) -> Result<Vec<Item>> {
    let mut files = 0;
    read(path, home, 0, &mut files)?.ok_or_else(|| {
        let message = format!("ssh_config {} does not exist", path.display());
        Error::new(ErrorKind::Config, message)
    })
}

/// A path that may begin with `~/`, or be relative to the user's `.ssh`.
pub(super) fn beneath_home(path: &str, home: &Path) -> PathBuf {
    match path.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None => PathBuf::from(path),
    }
}

/// `None` if it does not exist.
fn read(path: &Path, home: &Path, depth: usize, files: &mut usize) -> Result<Option<Vec<Item>>> {
    let place = path.display();
    let wrong = |message: String| Error::new(ErrorKind::Config, message);
    let failed =
        |error: std::io::Error| wrong(format!("cannot read ssh_config {place}")).with_source(error);
    *files += 1;
    if depth > DEPTH_LIMIT || *files > FILE_LIMIT {
        return Err(wrong(format!(
            "ssh_config {place} is included too deep or too often"
        )));
    }
    let Some(content) = file::read(path, SIZE_LIMIT).map_err(failed)? else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&content);
    let mut items = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let at = |what: &str| wrong(format!("{place}:{}: {what}", index + 1));
        let Some((keyword, words)) = words::cut(line).map_err(at)? else {
            continue;
        };
        let item = match keyword.as_str() {
            "host" => Item::Host(words),
            "match" => Item::Match(criteria(words).ok_or_else(|| at("a value is missing"))?),
            "include" => {
                let mut included = Vec::new();
                for pattern in &words {
                    for path in glob(pattern, home) {
                        included.extend(read(&path, home, depth + 1, files)?);
                    }
                }
                Item::Include(included)
            }
            // A command is a text to the end of the line.
            "proxycommand" => Item::Set(keyword, words.join(" ")),
            _ => match words.into_iter().next() {
                Some(value) => Item::Set(keyword, value),
                None => continue,
            },
        };
        items.push(item);
    }
    Ok(Some(items))
}

/// Keywords with their values. `all`, `canonical` and `final` have none.
fn criteria(words: Vec<String>) -> Option<Vec<(String, String)>> {
    let mut criteria = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let (key, value) = match word.split_once('=') {
            Some((key, value)) => (key.to_ascii_lowercase(), Some(value.to_owned())),
            None => (word.to_ascii_lowercase(), None),
        };
        let is_lone = matches!(key.trim_start_matches('!'), "all" | "canonical" | "final");
        let value = match value {
            Some(value) => value,
            None if is_lone => String::new(),
            None => words.next()?,
        };
        criteria.push((key, value));
    }
    (!criteria.is_empty()).then_some(criteria)
}

/// The files that a pattern means, in their order. Stars stand in any part of the path.
fn glob(pattern: &str, home: &Path) -> Vec<PathBuf> {
    let pattern = match pattern.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None => home.join(".ssh").join(pattern),
    };
    let mut found = vec![PathBuf::new()];
    for part in pattern.components() {
        let name = part.as_os_str().to_string_lossy();
        if !name.contains(['*', '?']) {
            for path in &mut found {
                path.push(part);
            }
            continue;
        }
        let mut next = Vec::new();
        for folder in &found {
            let Ok(entries) = std::fs::read_dir(folder) else {
                continue;
            };
            let names = entries.flatten().map(|entry| entry.file_name());
            let fitting = names.filter(|entry| {
                let entry = entry.to_string_lossy();
                is_match(name.as_bytes(), entry.as_bytes())
                    && (name.starts_with('.') || !entry.starts_with('.'))
            });
            next.extend(fitting.map(|entry| folder.join(entry)));
        }
        next.sort();
        found = next;
    }
    found
}
