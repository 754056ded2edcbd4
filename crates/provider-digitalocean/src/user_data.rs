//! User data of a new host: its first host key, and the user's own.

use std::collections::BTreeMap;
use std::fmt;

use data_encoding::{BASE64_MIME, HEXLOWER};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use stagecraft_core::HostKey;
use stagecraft_core::config::Location;

/// Largest user data that the API accepts, in bytes.
const LIMIT: usize = 64 * 1024;
/// Upper bound of the part with the host key, in bytes.
const OWN_PART: usize = 1024;
/// Cloud-config keys that would replace the pinned host key.
const RESERVED: &[&str] = &["ssh_keys", "ssh_deletekeys"];

/// Builds the cloud-init user data for a host key, together with the user's own.
///
/// cloud-init deletes the image's keys and writes these in their place before sshd starts (module
/// `cc_ssh`, keys `ssh_deletekeys` and `ssh_keys`). The user's part comes first: of two parts that
/// set the same key, cloud-init uses the later one.
pub(crate) fn user_data(key: &HostKey, own: Option<&str>) -> SecretString {
    let mut text =
        String::from("#cloud-config\nssh_deletekeys: true\nssh_keys:\n  ed25519_private: |\n");
    for line in key.private().expose_secret().lines() {
        text.extend(["    ", line, "\n"]);
    }
    text.extend(["  ed25519_public: ", key.public().trim(), "\n"]);
    let merged = match own.map(str::trim) {
        Some(own) => merge(own, kind(own).unwrap_or(Kind::Part("text/plain")), &text),
        None => text,
    };
    SecretString::from(merged)
}

/// Texts that may contain secrets, by file or digest. `Debug` shows only these keys.
#[derive(Default)]
pub(crate) struct Texts<K>(pub(crate) BTreeMap<K, String>);

impl<K: fmt::Debug> fmt::Debug for Texts<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A problem of user data. Contains at most one key or one character of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) message: String,
    /// Position in the text, if known.
    pub(crate) at: Option<Location>,
}

impl From<String> for Flaw {
    fn from(message: String) -> Self {
        Self { message, at: None }
    }
}

/// Checks that user data can be merged with Stagecraft's own, is accepted by the API, and is valid
/// for cloud-init: a `#cloud-config` must be YAML and contain a mapping.
pub(crate) fn check(text: &str) -> Result<(), Flaw> {
    let own = text.trim();
    let kind = kind(own)?;
    // https://github.com/digitalocean/terraform-provider-digitalocean/issues/767
    if let Some(c) = own.chars().find(|c| u32::from(*c) > 0xFFFF) {
        return Err(Flaw::from(format!(
            "user data holds the character U+{:X}; creates with characters above U+FFFF fail",
            u32::from(c)
        )));
    }
    if let Some(key) = reserved_key(own, kind) {
        return Err(Flaw::from(format!(
            "user data sets `{key}`; Stagecraft gives each host its host key, by which it is known"
        )));
    }
    let whole = merge(own, kind, "").len() + OWN_PART;
    if whole > LIMIT {
        return Err(Flaw::from(format!(
            "user data of {} bytes is {whole} bytes with what Stagecraft adds; DigitalOcean takes at most {LIMIT}",
            own.len()
        )));
    }
    #[cfg(feature = "yaml")]
    if kind == Kind::Part(CLOUD_CONFIG) {
        check_cloud_config(text, own)?;
    }
    Ok(())
}

/// cloud-init ignores a part that is not a YAML mapping, logs it, and continues.
#[cfg(feature = "yaml")]
fn check_cloud_config(text: &str, own: &str) -> Result<(), Flaw> {
    let Err(error) = stagecraft_core::config::check_mapping(own) else {
        return Ok(());
    };
    let before = text.len() - text.trim_start().len();
    let lines_before = text[..before].matches('\n').count();
    Err(Flaw {
        message: format!("user data is no valid cloud-config: {}", error.message),
        at: error.location.map(|at| Location {
            line: at.line + lines_before,
            column: at.column,
        }),
    })
}

/// The SHA-256 of user data, as 64 hexadecimal digits. Surrounding white space is ignored.
pub(crate) fn digest(own: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(own.trim()))
}

/// The format of user data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// One text, with its type in cloud-init.
    Part(&'static str),
    /// A MIME message, which may have parts of any kind.
    Message,
}

const CLOUD_CONFIG: &str = "text/cloud-config";

/// Prefixes of texts and their types in cloud-init: `INCLUSION_TYPES_MAP` of
/// `cloudinit/handlers/__init__.py`. It ignores case and uses the longest match.
const BEGINNINGS: [(&str, &str); 9] = [
    ("#cloud-config-archive", "text/cloud-config-archive"),
    ("#cloud-config-jsonp", "text/cloud-config-jsonp"),
    ("## template: jinja", "text/jinja2"),
    ("#cloud-boothook", "text/cloud-boothook"),
    ("#part-handler", "text/part-handler"),
    ("#include-once", "text/x-include-once-url"),
    ("#cloud-config", CLOUD_CONFIG),
    ("#include", "text/x-include-url"),
    ("#!", "text/x-shellscript"),
];

/// Detects the format of user data by its prefix.
fn kind(own: &str) -> Result<Kind, String> {
    let first = own.lines().next().unwrap_or_default().to_ascii_lowercase();
    if ["content-type:", "mime-version:"]
        .iter()
        .any(|start| first.starts_with(start))
    {
        return Ok(Kind::Message);
    }
    if first.replace(' ', "") == "##template:jinja" {
        return Ok(Kind::Part("text/jinja2"));
    }
    let mut known = BEGINNINGS.iter();
    match known.find(|(beginning, _)| first.starts_with(beginning)) {
        Some((beginning, _)) if is_longer_word(&first, beginning) => Err(format!(
            "the first line of user data is a comment that cloud-init takes for `{beginning}`, by which it begins; put what the text is before it"
        )),
        Some((_, name)) => Ok(Kind::Part(name)),
        None => Err(
            "user data must begin as cloud-init knows it: `#cloud-config`, `#!`, `#include`, `## template: jinja`, `#cloud-boothook`, `#cloud-config-archive`, `#part-handler`, or the headers of a MIME message"
                .to_owned(),
        ),
    }
}

/// Whether a line goes on with the word that begins it: `#includes nothing` is a list of addresses
/// to cloud-init. An address may follow `#include` without a space.
fn is_longer_word(line: &str, beginning: &str) -> bool {
    let rest = &line[beginning.len()..];
    let is_word = rest.starts_with(|c: char| c.is_alphanumeric());
    is_word && beginning != "#!" && !rest.starts_with("http")
}

/// Finds a top-level key reserved for Stagecraft, in user data that is YAML.
fn reserved_key(own: &str, kind: Kind) -> Option<&'static str> {
    const PROGRAMS: [&str; 3] = [
        "text/x-shellscript",
        "text/cloud-boothook",
        "text/part-handler",
    ];
    if PROGRAMS.iter().any(|program| kind == Kind::Part(program)) {
        return None;
    }
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
    lines.find_map(|line| {
        let key = RESERVED.iter().find(|key| {
            // A whole mapping may stand on one line.
            let at = if is_flow { line.find(**key) } else { Some(top) };
            let rest = at.and_then(|at| line.get(at..)).unwrap_or_default();
            let rest = rest.trim_start_matches(['"', '\'']).strip_prefix(**key);
            let rest = rest.map(|rest| rest.trim_start_matches(['"', '\'']).trim_start());
            rest.is_some_and(|rest| rest.starts_with(':'))
        });
        key.copied()
    })
}

/// A MIME message of both parts, the user's first.
fn merge(own: &str, kind: Kind, ours: &str) -> String {
    let part = match kind {
        // A nested message: cloud-init processes its parts one by one.
        Kind::Message => own.to_owned(),
        Kind::Part(kind) => {
            // ASCII stays readable. cloud-init misreads other text that is not encoded.
            let (encoding, body) = if own.is_ascii() {
                ("7bit", own.to_owned())
            } else {
                ("base64", BASE64_MIME.encode(own.as_bytes()))
            };
            format!(
                "Content-Type: {kind}; charset=\"utf-8\"\n\
                 Content-Transfer-Encoding: {encoding}\n\n{body}"
            )
        }
    };
    let mut boundary = format!("stagecraft-{}", &digest(own)[..16]);
    while own.contains(&boundary) || ours.contains(&boundary) {
        boundary.push('-');
    }
    format!(
        "Content-Type: multipart/mixed; boundary=\"{boundary}\"\nMIME-Version: 1.0\n\n\
         --{boundary}\n{part}\n\
         --{boundary}\nContent-Type: text/cloud-config; charset=\"utf-8\"\n\
         Merge-Type: dict(replace)+list()+str()\n\n{ours}\n--{boundary}--\n"
    )
}

#[cfg(test)]
mod tests;
