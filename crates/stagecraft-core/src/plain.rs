//! Safe display of text from hosts and services.

/// The marker for the part of a text that was cut.
const CUT: &str = " [...]";

/// Whether a character can be shown unchanged.
///
/// Excludes control characters, newlines among them, with which a host could control the
/// terminal, and invisible ones that change the order or the look of the surrounding text.
pub fn is_plain(character: char) -> bool {
    !(character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        ))
}

/// Cuts the text after at most `limit` characters and marks the cut with `[...]`.
pub fn shorten(text: &str, limit: usize) -> String {
    if text.char_indices().nth(limit).is_none() {
        return text.to_owned();
    }
    let kept = limit.saturating_sub(CUT.len());
    let cut = CUT.chars().take(limit);
    text.chars().take(kept).chain(cut).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_at_characters_and_says_so() {
        assert_eq!(shorten("€€€€€€€€", 8), "€€€€€€€€");
        assert_eq!(shorten("€€€€€€€€€", 8), "€€ [...]");
        assert_eq!(shorten("€€€€", 3), " [.");
        assert_eq!(shorten("", 0), "");
    }

    #[test]
    fn invisible_characters_are_not_plain() {
        for character in "\0\t\n\r\u{1b}\u{7f}\u{9b}\u{202e}\u{2066}\u{200b}\u{feff}".chars() {
            assert!(!is_plain(character), "{character:?}");
        }
        assert!("aé€文🚀 ~".chars().all(is_plain));
    }
}
