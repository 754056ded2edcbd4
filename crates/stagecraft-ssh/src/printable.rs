//! Text from a host, fit for a message.

/// Text from a host, short and without control characters.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(300)
        .collect()
}
