//! A package as dpkg describes it.

use std::fmt;

/// A package as reported by dpkg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) name: String,
    /// In dpkg's form, with its epoch. Empty if dpkg does not know it.
    version: String,
    pub(super) is_held: bool,
    pub(super) state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Absent,
    Installed,
    /// Unpacked, half configured and similar.
    Unfinished,
}

impl Package {
    /// Parses a line such as `hi  docker-ce 5:27.5.1-1~debian.13~trixie`: see dpkg-query(1).
    pub(super) fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let mut letters = words.next()?.chars();
        let (wanted, state) = (letters.next()?, letters.next()?);
        let is_broken = letters.next().is_some();
        Some(Self {
            name: words.next()?.to_owned(),
            version: words.next().unwrap_or_default().to_owned(),
            is_held: wanted == 'h',
            state: match state {
                _ if is_broken => State::Unfinished,
                'i' => State::Installed,
                'U' | 'F' | 'H' | 'W' | 't' => State::Unfinished,
                _ => State::Absent,
            },
        })
    }

    /// The version without its epoch.
    pub(super) fn upstream(&self) -> &str {
        let epoch = self.version.split_once(':');
        epoch.map_or(&*self.version, |(_, version)| version)
    }
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(format!("{} {}", self.name, self.version).trim_end())
    }
}
