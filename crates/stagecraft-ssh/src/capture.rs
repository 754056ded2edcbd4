//! A bounded copy of an output stream: its beginning and its end.

use std::collections::VecDeque;

/// Keeps the first and the last half of a stream, because the end of an output contains the reason
/// of a failure.
#[derive(Debug)]
pub(crate) struct Capture {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    head_limit: usize,
    tail_limit: usize,
    dropped: u64,
}

/// Room for the line that says how much is omitted.
const NOTE_LIMIT: usize = 64;

impl Capture {
    /// Creates a capture that returns at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        let head_limit = limit / 2;
        Self {
            head: Vec::new(),
            tail: VecDeque::new(),
            head_limit,
            tail_limit: limit.saturating_sub(head_limit + NOTE_LIMIT),
            dropped: 0,
        }
    }

    pub(crate) fn push(&mut self, data: &[u8]) {
        let room = self.head_limit - self.head.len();
        let (first, rest) = data.split_at(room.min(data.len()));
        self.head.extend_from_slice(first);
        self.tail.extend(rest);
        let excess = self.tail.len().saturating_sub(self.tail_limit);
        self.tail.drain(..excess);
        self.dropped += excess as u64;
    }

    /// The text, with U+FFFD for bytes that are not UTF-8.
    pub(crate) fn into_text(self) -> String {
        let mut tail = Vec::from(self.tail);
        if self.dropped == 0 {
            let mut whole = self.head;
            whole.append(&mut tail);
            return lossy(&whole);
        }
        let head = without_cut_end(&self.head);
        let tail = without_cut_start(&tail);
        let dropped = self.dropped + (self.head.len() - head.len()) as u64;
        format!(
            "{}\n[... {dropped} bytes left out ...]\n{}",
            lossy(head),
            lossy(tail)
        )
    }

    /// The last line that is not blank.
    pub(crate) fn last_line(&self) -> Option<String> {
        let bytes: Vec<u8> = self.head.iter().chain(&self.tail).copied().collect();
        lossy(&bytes)
            .lines()
            .rev()
            .find(|line| !line.trim().is_empty())
            .map(str::to_owned)
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Removes the first bytes of a character whose rest was dropped.
fn without_cut_end(bytes: &[u8]) -> &[u8] {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => &bytes[..error.valid_up_to()],
        _ => {
            // Earlier bytes may be invalid too: look at the last character alone.
            let back = bytes
                .iter()
                .rev()
                .take(4)
                .position(|byte| byte & 0xc0 != 0x80);
            match back.map(|back| bytes.len() - back - 1) {
                Some(start) if is_cut(&bytes[start..]) => &bytes[..start],
                _ => bytes,
            }
        }
    }
}

fn is_cut(character: &[u8]) -> bool {
    std::str::from_utf8(character).is_err_and(|error| error.error_len().is_none())
}

/// Removes the last bytes of a character whose beginning was dropped.
fn without_cut_start(bytes: &[u8]) -> &[u8] {
    let start = bytes
        .iter()
        .take(3)
        .take_while(|byte| *byte & 0xc0 == 0x80)
        .count();
    &bytes[start..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn captured(limit: usize, chunks: &[&[u8]]) -> String {
        let mut capture = Capture::new(limit);
        for chunk in chunks {
            capture.push(chunk);
        }
        capture.into_text()
    }

    #[test]
    fn short_output_is_kept_whole() {
        assert_eq!(captured(200, &[b"one\n", b"two\n"]), "one\ntwo\n");
    }

    #[test]
    fn long_output_keeps_beginning_and_end_and_says_what_is_missing() {
        let text = captured(200, &[b"begin", &[b'.'; 10_000], b"end"]);
        assert!(text.starts_with("begin..."), "{text}");
        assert!(text.ends_with("...end"), "{text}");
        assert!(text.contains("[... 9872 bytes left out ...]"), "{text}");
        assert!(text.len() <= 200, "{}", text.len());
    }

    #[test]
    fn what_is_not_utf8_is_replaced() {
        assert_eq!(captured(200, &[b"a\xffb"]), "a\u{fffd}b");
    }

    #[test]
    fn last_line_skips_blank_lines() {
        let mut capture = Capture::new(200);
        capture.push(b"one\ntwo\n\n  \n");
        assert_eq!(capture.last_line().as_deref(), Some("two"));
    }

    proptest! {
        #[test]
        fn text_never_breaks_in_a_character(filler in 0usize..8, count in 0usize..400) {
            let text = "x".repeat(filler) + &"€".repeat(count);
            let kept = captured(300, &[text.as_bytes()]);
            prop_assert_eq!(kept.matches('\u{fffd}').count(), 0);
            prop_assert!(kept.len() <= 300);
        }

        #[test]
        fn chunking_makes_no_difference(data in prop::collection::vec(any::<u8>(), 0..900), size in 1usize..50) {
            let chunks: Vec<&[u8]> = data.chunks(size).collect();
            prop_assert_eq!(captured(256, &chunks), captured(256, &[&data]));
        }
    }
}
