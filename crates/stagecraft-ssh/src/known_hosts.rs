//! Known hosts files, read and written as OpenSSH does (`sshd(8)`, the section on the format of
//! these files).
//!
//! Lines match as in OpenSSH, with two differences on purpose: lines of `@cert-authority` match
//! nothing, since host certificates are not accepted, and a line with a key of an unknown type
//! still counts, so that a revoked key stays revoked.

mod line;
mod write;

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use data_encoding::BASE64;
use stagecraft_core::{Error, ErrorKind, Fingerprint, Result};

use crate::file;
use line::{Entry, Marker};

pub(crate) use line::is_match;
pub use write::{update, update_all};

/// Size limit of a file, in bytes.
pub const SIZE_LIMIT: u64 = 8 * 1024 * 1024;

const DEFAULT_PORT: u16 = 22;

/// The host keys of one or several files.
#[derive(Debug, Clone, Default)]
pub struct KnownHosts {
    entries: Vec<Entry>,
    bad_lines: usize,
}

/// A key of a host in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownKey {
    /// The key.
    pub key: PublicKeyLine,
    /// Whether the line is marked `@revoked`: this key must never be accepted.
    pub is_revoked: bool,
    /// The number of the line in its file, from 1.
    pub line: usize,
}

impl KnownHosts {
    /// Reads a file. A missing file knows no host.
    ///
    /// Invalid lines are ignored and counted by [`bad_lines`](Self::bad_lines).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the file cannot be read or has more than [`SIZE_LIMIT`] bytes: its
    /// revoked keys would be unknown.
    pub fn load(path: &Path) -> Result<Self> {
        Ok(Self::parse(&read(path)?))
    }

    /// Parses the content of a file. Never fails, whatever the bytes.
    pub fn parse(content: &[u8]) -> Self {
        let mut known = Self::default();
        for (index, line) in content.split(|byte| *byte == b'\n').enumerate() {
            match line::parse(line, index + 1) {
                Ok(Some(entry)) => known.entries.push(entry),
                Ok(None) => {}
                Err(_) => known.bad_lines += 1,
            }
        }
        known
    }

    /// Adds the keys of another file.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.entries.extend(other.entries);
        self.bad_lines += other.bad_lines;
        self
    }

    /// The number of invalid lines.
    pub fn bad_lines(&self) -> usize {
        self.bad_lines
    }

    /// All keys of a host, by its name, address or alias, in the order of the lines.
    ///
    /// At a port other than 22 only lines count that name that port, or patterns that match
    /// `[host]:port`.
    pub fn lookup(&self, host: &str, port: u16) -> Vec<KnownKey> {
        let name = name_of(host, port);
        self.entries
            .iter()
            .filter(|entry| entry.marker != Marker::Authority && entry.hosts.matches(&name))
            .map(|entry| KnownKey {
                key: entry.key.clone(),
                is_revoked: entry.marker == Marker::Revoked,
                line: entry.line,
            })
            .collect()
    }
}

impl KnownHosts {
    /// Whether a line of `@cert-authority` matches a host. Such lines are not used.
    pub fn has_authority(&self, host: &str, port: u16) -> bool {
        let name = name_of(host, port);
        self.entries
            .iter()
            .any(|entry| entry.marker == Marker::Authority && entry.hosts.matches(&name))
    }
}

/// The name of a host in files: in lower case, with its port unless that is 22.
pub fn name_of(host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    if port == DEFAULT_PORT {
        host
    } else {
        format!("[{host}]:{port}")
    }
}

/// A public key as in a file: its type, and its wire form in base64.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKeyLine {
    kind: String,
    wire: Vec<u8>,
}

impl PublicKeyLine {
    /// Parses a key's wire form.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if it does not begin with the name of its type.
    pub fn of_wire(wire: impl Into<Vec<u8>>) -> Result<Self> {
        let wire = wire.into();
        match kind_of(&wire) {
            Some(kind) => Ok(Self {
                kind: kind.to_owned(),
                wire,
            }),
            None => Err(not_a_key()),
        }
    }

    /// The type, for example `ssh-ed25519`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The wire form.
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// The fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_wire(&self.wire)
    }

    /// Parses a type and base64, both without blanks.
    fn of_fields(kind: &str, encoded: &[u8]) -> Option<Self> {
        let wire = BASE64.decode(encoded).ok()?;
        (kind_of(&wire)? == kind).then(|| Self {
            kind: kind.to_owned(),
            wire,
        })
    }
}

impl fmt::Display for PublicKeyLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, BASE64.encode(&self.wire))
    }
}

impl FromStr for PublicKeyLine {
    type Err = Error;

    /// Parses the content of a `.pub` file: type, base64, optionally a comment.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for any other text.
    fn from_str(text: &str) -> Result<Self> {
        let mut words = text.split_ascii_whitespace();
        let key = words
            .next()
            .zip(words.next())
            .and_then(|(kind, encoded)| Self::of_fields(kind, encoded.as_bytes()));
        key.ok_or_else(not_a_key)
    }
}

fn not_a_key() -> Error {
    Error::new(ErrorKind::Config, "this is no public key of SSH")
}

/// The type at the start of a wire form: a length of four bytes and a text.
fn kind_of(wire: &[u8]) -> Option<&str> {
    let (length, rest) = wire.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (kind, rest) = rest.split_at_checked(length)?;
    let is_good = !rest.is_empty() && !kind.is_empty() && kind.iter().all(u8::is_ascii_graphic);
    std::str::from_utf8(kind).ok().filter(|_| is_good)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let content = file::read(path, SIZE_LIMIT).map_err(|error| {
        let message = format!("cannot read the known host keys in {}", path.display());
        Error::new(ErrorKind::Config, message).with_source(error)
    })?;
    Ok(content.unwrap_or_default())
}
