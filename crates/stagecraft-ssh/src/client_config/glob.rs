//! Finds the files of an `Include` pattern, as `glob(3)` does.

use std::path::{Path, PathBuf};

/// The matching paths in byte order. The pattern must be absolute.
pub(super) fn glob(pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("/")];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        if !has_magic(part) {
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
                fits(part.as_bytes(), entry.as_bytes())
                    && (part.starts_with('.') || !entry.starts_with('.'))
            });
            next.extend(fitting.map(|entry| folder.join(entry)));
        }
        found = next;
    }
    let bytes = |path: &PathBuf| path.as_os_str().as_encoded_bytes().to_vec();
    found.sort_by_key(bytes);
    found.retain(|path| Path::exists(path));
    found
}

fn has_magic(part: &str) -> bool {
    part.contains(['*', '?', '[', '\\'])
}

/// Whether a pattern of `fnmatch(3)` matches the whole name.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut place) = (0, 0);
    // Position of the last star, and the end of its match.
    let mut star: Option<(usize, usize)> = None;
    while place < name.len() {
        let step = match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, place));
                at += 1;
                continue;
            }
            _ => one(&pattern[at..], name[place]),
        };
        match (step, star) {
            (Some(length), _) => {
                at += length;
                place += 1;
            }
            (None, Some((star_at, reach))) => {
                at = star_at + 1;
                place = reach + 1;
                star = Some((star_at, place));
            }
            (None, None) => return false,
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// The length of the pattern's first element, if it matches one byte.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [b'[', rest @ ..] => match set(rest, byte) {
            Some((is_in, length)) => is_in.then_some(length + 1),
            // Without its end it is a literal character.
            None => (byte == b'[').then_some(1),
        },
        [first, ..] => (*first == byte).then_some(1),
        [] => None,
    }
}

/// Whether a byte is in a set, and the set's length after its `[`. `None` if it does not end.
fn set(pattern: &[u8], byte: u8) -> Option<(bool, usize)> {
    let is_negated = matches!(pattern.first(), Some(b'!' | b'^'));
    let start = usize::from(is_negated);
    let mut at = start;
    let mut is_in = false;
    loop {
        match pattern.get(at)? {
            b']' if at > start => return Some((is_in != is_negated, at + 1)),
            b'[' if pattern.get(at + 1) == Some(&b':') => {
                let end = pattern[at + 2..].windows(2).position(|two| two == b":]")?;
                is_in |= is_of_class(&pattern[at + 2..at + 2 + end], byte);
                at += end + 4;
            }
            first => {
                let last = match (pattern.get(at + 1), pattern.get(at + 2)) {
                    (Some(b'-'), Some(last)) if *last != b']' => {
                        at += 2;
                        last
                    }
                    _ => first,
                };
                is_in |= (*first..=*last).contains(&byte);
                at += 1;
            }
        }
    }
}

fn is_of_class(class: &[u8], byte: u8) -> bool {
    match class {
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"alpha" => byte.is_ascii_alphabetic(),
        b"blank" => matches!(byte, b' ' | b'\t'),
        b"digit" => byte.is_ascii_digit(),
        b"lower" => byte.is_ascii_lowercase(),
        b"punct" => byte.is_ascii_punctuation(),
        b"space" => byte.is_ascii_whitespace(),
        b"upper" => byte.is_ascii_uppercase(),
        b"xdigit" => byte.is_ascii_hexdigit(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_fnmatch_says() {
        let table = [
            ("*.conf", "a.conf", true),
            ("*.conf", "a.config", false),
            ("[ab].conf", "b.conf", true),
            ("[!ab]", "c", true),
            ("[^ab]", "a", false),
            ("[a-c]x", "bx", true),
            ("[a-]", "-", true),
            ("[]a]", "]", true),
            ("[[:digit:]]", "7", true),
            ("[[:digit:]x]", "x", true),
            ("[", "[", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("*[0-9]*[0-9]", "a1b2", true),
            ("?", "", false),
        ];
        for (pattern, name, expected) in table {
            let is_fitting = fits(pattern.as_bytes(), name.as_bytes());
            assert_eq!(is_fitting, expected, "{pattern} {name}");
        }
    }
}
