//! The tag that pins a host key.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::process::output;

/// The start of the tag.
pub(super) const PREFIX: &str = "stagecraft-hostkey-";

/// The tag of a public key in OpenSSH's one-line form.
pub(super) fn tag(directory: &Path, key: &str) -> Result<String> {
    let file = directory.join("shown.pub");
    fs::write(&file, key)?;
    let told = output(Command::new("ssh-keygen").args(["-l", "-f"]).arg(&file))?;
    let encoded = told
        .split_whitespace()
        .find_map(|word| word.strip_prefix("SHA256:"))
        .context("`ssh-keygen -l` shows no fingerprint")?;
    let tail = base32(encoded).context("the fingerprint is not base64")?;
    Ok(format!("{PREFIX}{tail}"))
}

/// Base64 without padding as base32 in lower case without padding.
fn base32(base64: &str) -> Option<String> {
    let bits = base64.bytes().map(|byte| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    });
    let bits: Vec<u8> = bits
        .collect::<Option<Vec<u8>>>()?
        .into_iter()
        .flat_map(|six| (0..6).rev().map(move |at| six >> at & 1))
        .collect();
    // Bits that do not fill a byte are padding.
    let bits = &bits[..bits.len() / 8 * 8];
    let letters = bits.chunks(5).map(|five| {
        let value = (0..5).fold(0, |value, at| value << 1 | five.get(at).unwrap_or(&0));
        char::from(b"abcdefghijklmnopqrstuvwxyz234567"[usize::from(value)])
    });
    Some(letters.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_written_in_the_alphabet_of_tags() {
        // RFC 4648, section 10.
        assert_eq!(base32("Zm9vYmFy").as_deref(), Some("mzxw6ytboi"));
        assert_eq!(base32("Zm9v").as_deref(), Some("mzxw6"));
        assert_eq!(base32("Zm8").as_deref(), Some("mzxq"));
        assert_eq!(base32("Zm 8"), None);
    }
}
