//! The text of a file as the YAML scanner sees it.

use super::error::Location;

/// The lines of a text, as the YAML scanner counts them.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let breaks = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];
        let Some(end) = text.find(breaks) else {
            rest = None;
            return Some(text);
        };
        let width = if text[end..].starts_with("\r\n") {
            2
        } else {
            text[end..].chars().next().map_or(1, char::len_utf8)
        };
        rest = Some(&text[end + width..]);
        Some(&text[..end])
    })
}

/// Returns the tab that stopped the scanner: one at the place of the error, or in the
/// indentation of that line or the one before.
pub(super) fn tab_at(text: &str, at: Option<Location>) -> Option<Location> {
    let at = at?;
    let all: Vec<&str> = lines(text).take(at.line).collect();
    let here = all.get(at.line.checked_sub(1)?)?;
    if here.chars().nth(at.column.checked_sub(1)?) == Some('\t') {
        return Some(at);
    }
    let from = at.line.saturating_sub(2);
    all.iter()
        .enumerate()
        .skip(from)
        .rev()
        .find_map(|(index, line)| {
            let column = line.chars().take_while(|c| *c == ' ').count();
            let is_tab = line.chars().nth(column) == Some('\t');
            is_tab.then_some(Location {
                line: index + 1,
                column: column + 1,
            })
        })
}

/// Returns the most brackets and braces open at a time, with those in quotes and comments.
pub(super) fn open_brackets(text: &str) -> usize {
    let mut open = 0_usize;
    let mut most = 0;
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
}

/// Converts a place in the text of a literal block scalar (`key: |`) to one in the file.
///
/// `start` is where the value starts in the file. `None` for other forms of text, whose lines
/// are not those of the file.
pub(super) fn within(file: &str, start: Location, inside: Location) -> Option<Location> {
    let first = start.line.checked_sub(1)?;
    let mut lines = file.lines().skip(first);
    let header: String = lines.next()?.chars().skip(start.column - 1).collect();
    if !header.starts_with('|') {
        return None;
    }
    let content = lines.find(|line| !line.trim().is_empty())?;
    let indent = content.chars().take_while(|c| *c == ' ').count();
    Some(Location {
        line: start.line + inside.line,
        column: indent + inside.column,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_in_a_block_scalar_is_one_of_the_file() {
        let file = "hosts:\n  a:\n    data: |\n      #cloud-config\n      x: 1\n      y\n";
        let at = |line, column| Location { line, column };
        assert_eq!(within(file, at(3, 11), at(3, 1)), Some(at(6, 7)));
        assert_eq!(within("data: 'a b'\n", at(1, 7), at(1, 1)), None);
        assert_eq!(within("", at(7, 7), at(1, 1)), None);
    }
}
