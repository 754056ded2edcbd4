//! One line of a known hosts file.

use std::borrow::Cow;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

use super::PublicKeyLine;

/// The longest pattern that OpenSSH supports (`match_pattern_list` in its `match.c`).
const PATTERN_LIMIT: usize = 1023;

/// The marker before the hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    None,
    Authority,
    Revoked,
}

/// A line that is neither blank nor a comment.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) marker: Marker,
    pub(super) hosts: Hosts,
    pub(super) key: PublicKeyLine,
    pub(super) line: usize,
}

/// An invalid line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadLine;

/// The hosts of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hosts {
    /// Patterns, in lower case.
    Patterns(Vec<Vec<u8>>),
    /// The HMAC-SHA1 of a name with a salt.
    Hashed { salt: Vec<u8>, hash: Vec<u8> },
}

impl Hosts {
    fn parse(field: &[u8]) -> Result<Self, BadLine> {
        let Some(hashed) = field.strip_prefix(b"|") else {
            let patterns = field.split(|byte| *byte == b',');
            return Ok(Self::Patterns(
                patterns.map(<[u8]>::to_ascii_lowercase).collect(),
            ));
        };
        // `|1|salt|hash`
        let mut parts = hashed.split(|byte| *byte == b'|');
        let parts = (parts.next(), parts.next(), parts.next(), parts.next());
        let (Some(b"1"), Some(salt), Some(hash), None) = parts else {
            return Err(BadLine);
        };
        let decode = |part: &[u8]| BASE64.decode(part).map_err(|_| BadLine);
        let (salt, hash) = (decode(salt)?, decode(hash)?);
        // Both have the length of a SHA-1 hash (`host_hash` in `hostfile.c`).
        if salt.len() != 20 || hash.len() != 20 {
            return Err(BadLine);
        }
        Ok(Self::Hashed { salt, hash })
    }

    /// Whether the line matches `name`, which is in lower case.
    pub(super) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Hashed { salt, hash } => Hmac::<Sha1>::new_from_slice(salt)
                .is_ok_and(|mac| mac.chain_update(name).verify_slice(hash).is_ok()),
            Self::Patterns(patterns) => {
                let mut is_positive = false;
                for pattern in patterns {
                    let (is_negated, pattern) = match pattern.strip_prefix(b"!") {
                        Some(rest) => (true, rest),
                        None => (false, pattern.as_slice()),
                    };
                    if pattern.len() > PATTERN_LIMIT {
                        return false;
                    }
                    if is_match(pattern, name.as_bytes()) {
                        if is_negated {
                            return false;
                        }
                        is_positive = true;
                    }
                }
                is_positive
            }
        }
    }
}

/// Whether a pattern with `*` and `?` matches the whole text. Takes at most the product of both
/// lengths, whatever the pattern.
pub(crate) fn is_match(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut place) = (0, 0);
    // Position of the last star, and the end of its match.
    let mut star: Option<(usize, usize)> = None;
    while place < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, place));
                at += 1;
            }
            Some(b'?') => {
                at += 1;
                place += 1;
            }
            Some(byte) if *byte == text[place] => {
                at += 1;
                place += 1;
            }
            _ => match star {
                Some((star_at, reach)) => {
                    at = star_at + 1;
                    place = reach + 1;
                    star = Some((star_at, place));
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// The hosts of a line, separated from the text before and after them.
pub(super) struct Fields<'a> {
    pub(super) marker: Marker,
    pub(super) hosts: &'a [u8],
    /// Type, key and comment.
    pub(super) rest: &'a [u8],
}

/// Splits a line; `None` for a comment or an empty line.
pub(super) fn fields(line: &[u8]) -> Result<Option<Fields<'_>>, BadLine> {
    let mut line = skip_blanks(without_return(line));
    if line.is_empty() || line[0] == b'#' {
        return Ok(None);
    }
    let mut marker = Marker::None;
    if line[0] == b'@' {
        let (word, rest) = word(line);
        marker = match word {
            b"@cert-authority" => Marker::Authority,
            b"@revoked" => Marker::Revoked,
            _ => return Err(BadLine),
        };
        line = skip_blanks(rest);
        if line.first() == Some(&b'@') {
            return Err(BadLine);
        }
    }
    let (hosts, rest) = word(line);
    let rest = skip_blanks(rest);
    if hosts.is_empty() || rest.is_empty() || rest[0] == b'#' {
        return Err(BadLine);
    }
    Ok(Some(Fields {
        marker,
        hosts,
        rest,
    }))
}

/// Parses a line; `None` for a comment or an empty line.
pub(super) fn parse(line: &[u8], number: usize) -> Result<Option<Entry>, BadLine> {
    let Some(fields) = fields(line)? else {
        return Ok(None);
    };
    Ok(Some(Entry {
        marker: fields.marker,
        hosts: Hosts::parse(fields.hosts)?,
        key: key(fields.rest)?,
        line: number,
    }))
}

fn key(rest: &[u8]) -> Result<PublicKeyLine, BadLine> {
    let (kind, rest) = word(rest);
    let (encoded, _) = word(skip_blanks(rest));
    let kind = std::str::from_utf8(kind).map_err(|_| BadLine)?;
    PublicKeyLine::of_fields(kind, encoded).ok_or(BadLine)
}

/// The hosts of a line without `name`: `None` if it does not name it, or contains patterns. An
/// empty text if it names nothing else.
pub(super) fn hosts_without<'a>(hosts: &'a [u8], name: &str) -> Option<Cow<'a, [u8]>> {
    if hosts.starts_with(b"|") {
        let is_it = Hosts::parse(hosts).is_ok_and(|hosts| hosts.matches(name));
        return is_it.then_some(Cow::Borrowed(&[]));
    }
    let is_it = |part: &&[u8]| part.eq_ignore_ascii_case(name.as_bytes());
    let parts: Vec<&[u8]> = hosts.split(|byte| *byte == b',').collect();
    if !parts.iter().any(is_it) {
        return None;
    }
    let kept: Vec<&[u8]> = parts.into_iter().filter(|part| !is_it(part)).collect();
    Some(Cow::Owned(kept.join(&b',')))
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn skip_blanks(line: &[u8]) -> &[u8] {
    let start = line.iter().position(|byte| !is_blank(*byte));
    start.map_or(&[], |start| &line[start..])
}

fn word(line: &[u8]) -> (&[u8], &[u8]) {
    let end = line.iter().position(|byte| is_blank(*byte));
    line.split_at(end.unwrap_or(line.len()))
}
