//! The user data of a new host: its first host key, and what the user wants beside it.

use data_encoding::{BASE64_MIME, HEXLOWER};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use stagecraft_core::HostKey;

/// The most user data that the API takes, in bytes.
const LIMIT: usize = 64 * 1024;
/// More than the part with a host key ever needs, in bytes.
const OWN_PART: usize = 1024;
/// Keys of a cloud-config that would give the host another host key than the one that is pinned.
const RESERVED: &[&str] = &["ssh_keys", "ssh_deletekeys"];

/// Writes the cloud-init user data for a host key, together with the user's own.
///
/// cloud-init deletes the image's keys and writes these in their place before sshd starts
/// (module `cc_ssh`, keys `ssh_deletekeys` and `ssh_keys`). The user's part comes first: of two
/// parts that set the same key, cloud-init takes the later one.
pub(crate) fn user_data(key: &HostKey, own: Option<&str>) -> SecretString {
    let mut text =
        String::from("#cloud-config\nssh_deletekeys: true\nssh_keys:\n  ed25519_private: |\n");
    for line in key.private().expose_secret().lines() {
        text.extend(["    ", line, "\n"]);
    }
    text.extend(["  ed25519_public: ", key.public().trim(), "\n"]);
    let merged = match own.map(str::trim) {
        Some(own) => merge(own, content_type(own).unwrap_or("text/plain"), &text),
        None => text,
    };
    SecretString::from(merged)
}

/// Whether user data can be merged with Stagecraft's own and is taken by the API.
///
/// The errors tell what is wrong, and nothing of the text but its first line's beginning.
pub(crate) fn check(own: &str) -> Result<(), String> {
    let own = own.trim();
    let kind = content_type(own)?;
    // https://github.com/digitalocean/terraform-provider-digitalocean/issues/767
    if let Some(c) = own.chars().find(|c| u32::from(*c) > 0xFFFF) {
        return Err(format!(
            "user data holds the character U+{:X}; creates with characters above U+FFFF fail",
            u32::from(c)
        ));
    }
    if let Some(key) = reserved_key(own) {
        return Err(format!(
            "user data sets `{key}`; Stagecraft gives each host its host key, by which it is known"
        ));
    }
    let whole = merge(own, kind, "").len() + OWN_PART;
    if whole > LIMIT {
        return Err(format!(
            "user data of {} bytes is {whole} bytes with what Stagecraft adds; DigitalOcean takes at most {LIMIT}",
            own.len()
        ));
    }
    Ok(())
}

/// The SHA-256 of user data, as 64 hexadecimal digits. White space around it does not count.
pub(crate) fn digest(own: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(own.trim()))
}

/// What cloud-init calls a text by its first line.
fn content_type(own: &str) -> Result<&'static str, String> {
    let first = own.lines().next().unwrap_or_default().trim_end();
    let word = first.split_whitespace().next().unwrap_or_default();
    let lower = first.to_ascii_lowercase();
    let is_message = |start: &&str| lower.starts_with(*start);
    if first.starts_with("#!") {
        Ok("text/x-shellscript")
    } else if first == "#cloud-config" {
        Ok("text/cloud-config")
    } else if word == "#include" {
        Ok("text/x-include-url")
    } else if word == "#include-once" {
        Ok("text/x-include-once-url")
    } else if lower.replace(' ', "") == "##template:jinja" {
        Ok("text/jinja2")
    } else if ["content-type:", "mime-version:"].iter().any(is_message) {
        Err("user data is a MIME message, which cannot be put into another; give one of its parts, or an `#include` of it".to_owned())
    } else {
        Err(
            "user data must begin with `#cloud-config`, `#!`, `#include`, `#include-once` or `## template: jinja`"
                .to_owned(),
        )
    }
}

/// A key of the top level that is Stagecraft's own, in user data that is YAML.
fn reserved_key(own: &str) -> Option<&'static str> {
    let is_content = |line: &&str| {
        let line = line.trim();
        !(line.is_empty()
            || line.starts_with(['#', '%'])
            || line.starts_with("{%")
            || line == "---")
    };
    let mut lines = own.lines().filter(is_content).peekable();
    let first = lines.peek()?;
    let top = first.len() - first.trim_start().len();
    let is_flow = first.trim_start().starts_with('{');
    let set = lines.find_map(|line| {
        let key = RESERVED.iter().find(|key| {
            // A whole mapping may stand on one line.
            let at = if is_flow { line.find(**key) } else { Some(top) };
            let rest = at.and_then(|at| line.get(at..)).unwrap_or_default();
            let rest = rest.trim_start_matches(['"', '\'']).strip_prefix(**key);
            let rest = rest.map(|rest| rest.trim_start_matches(['"', '\'']).trim_start());
            rest.is_some_and(|rest| rest.starts_with(':'))
        });
        key.copied()
    });
    set.filter(|_| !own.starts_with("#!"))
}

/// A MIME message of both parts, the user's first.
fn merge(own: &str, kind: &str, ours: &str) -> String {
    // ASCII is left readable. cloud-init misreads anything else that is not encoded.
    let (encoding, body) = if own.is_ascii() {
        ("7bit", own.to_owned())
    } else {
        ("base64", BASE64_MIME.encode(own.as_bytes()))
    };
    let mut boundary = format!("stagecraft-{}", &digest(own)[..16]);
    while own.contains(&boundary) || ours.contains(&boundary) {
        boundary.push('-');
    }
    format!(
        "Content-Type: multipart/mixed; boundary=\"{boundary}\"\nMIME-Version: 1.0\n\n\
         --{boundary}\nContent-Type: {kind}; charset=\"utf-8\"\n\
         Content-Transfer-Encoding: {encoding}\n\n{body}\n\
         --{boundary}\nContent-Type: text/cloud-config; charset=\"utf-8\"\n\
         Merge-Type: dict(replace)+list()+str()\n\n{ours}\n--{boundary}--\n"
    )
}

#[cfg(test)]
mod tests;
