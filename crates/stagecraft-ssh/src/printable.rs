//! Makes text from a host safe for messages.

/// Text from a host, shortened and without control characters.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(300)
        .collect()
}
