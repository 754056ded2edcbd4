//! The parts of cloud-init's user data that a host of the sandbox supports.

use base64::Engine as _;
use serde::Deserialize;
use ssh_key::{LineEnding, PrivateKey};

/// Supported settings of user data.
///
/// Everything else in it is ignored, and so is user data that is not a cloud-config: like
/// cloud-init, which logs it and continues.
#[derive(Debug, Default)]
pub(crate) struct CloudConfig {
    /// The host key of `ssh_keys`, if it has a usable ed25519 one.
    pub(crate) host_key: Option<HostKey>,
    /// The files of `write_files`, in order.
    pub(crate) files: Vec<File>,
}

/// An SSH host key with the texts of its two files.
#[derive(Clone)]
pub(crate) struct HostKey {
    /// OpenSSH's private key file.
    pub(crate) private: String,
    /// OpenSSH's public key file.
    pub(crate) public: String,
}

impl std::fmt::Debug for HostKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("HostKey")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

impl HostKey {
    /// Takes a private key in OpenSSH's format. Derives the public one if it is missing.
    pub(crate) fn new(private: &str, public: Option<&str>) -> Result<Self, ssh_key::Error> {
        let key = PrivateKey::from_openssh(private)?;
        let public = match public {
            Some(text) => text.trim().to_owned(),
            None => key.public_key().to_openssh()?,
        };
        Ok(Self {
            private: key.to_openssh(LineEnding::LF)?.to_string(),
            public: format!("{public}\n"),
        })
    }
}

/// A file that user data writes on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    /// Its absolute path.
    pub(crate) path: String,
    /// Its content.
    pub(crate) content: Vec<u8>,
    /// Its mode in octal digits.
    pub(crate) mode: String,
    /// Whether to append the content to the file.
    pub(crate) append: bool,
}

impl CloudConfig {
    /// Parses user data: a cloud-config, or a MIME multipart that contains one.
    ///
    /// A later part replaces the keys of an earlier one, as in cloud-init's default merge.
    pub(crate) fn parse(user_data: &str) -> Self {
        let mut merged = Self::default();
        for part in parts(user_data) {
            match serde_yaml::from_str::<Option<Document>>(&part) {
                Ok(document) => merged.merge(document.unwrap_or_default()),
                Err(error) => tracing::warn!(%error, "user data is not a valid cloud-config"),
            }
        }
        merged
    }

    fn merge(&mut self, document: Document) {
        if let Some(private) = document.ssh_keys.ed25519_private {
            match HostKey::new(&private, document.ssh_keys.ed25519_public.as_deref()) {
                Ok(key) => self.host_key = Some(key),
                Err(error) => tracing::warn!(%error, "the host key in user data cannot be used"),
            }
        }
        if let Some(entries) = document.write_files {
            self.files = entries.into_iter().filter_map(WriteFile::decode).collect();
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Document {
    ssh_keys: SshKeys,
    write_files: Option<Vec<WriteFile>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SshKeys {
    ed25519_private: Option<String>,
    ed25519_public: Option<String>,
}

#[derive(Debug, Deserialize)]
struct WriteFile {
    path: String,
    #[serde(default)]
    content: String,
    #[serde(default)]
    encoding: Option<String>,
    #[serde(default)]
    permissions: Option<String>,
    #[serde(default)]
    append: bool,
}

impl WriteFile {
    fn decode(self) -> Option<File> {
        let content = match self.encoding.as_deref() {
            None | Some("text/plain") => self.content.into_bytes(),
            Some("b64" | "base64") => decode_base64(&self.content)?,
            Some(other) => {
                tracing::warn!(encoding = other, "a file's encoding is not supported");
                return None;
            }
        };
        let mode = self.permissions.unwrap_or_else(|| "0644".to_owned());
        let valid = !mode.is_empty() && mode.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
        Some(File {
            path: self.path,
            content,
            mode: if valid { mode } else { "0644".to_owned() },
            append: self.append,
        })
    }
}

/// The cloud-configs in user data.
fn parts(user_data: &str) -> Vec<String> {
    if user_data.starts_with("#cloud-config") {
        return vec![user_data.to_owned()];
    }
    let message = user_data.replace("\r\n", "\n");
    let (headers, body) = split(&message);
    let Some(boundary) = header(headers, "content-type")
        .filter(|value| value.to_ascii_lowercase().starts_with("multipart/"))
        .and_then(|value| boundary(&value))
    else {
        return Vec::new();
    };
    let delimiter = format!("\n--{boundary}");
    let body = format!("\n{body}");
    body.split(delimiter.as_str())
        .skip(1)
        .take_while(|part| !part.starts_with("--"))
        .filter_map(|part| cloud_config_in(part.trim_start_matches([' ', '\t'])))
        .collect()
}

/// The text of a part of a multipart message if it is a cloud-config.
fn cloud_config_in(part: &str) -> Option<String> {
    let (headers, body) = split(part.strip_prefix('\n').unwrap_or(part));
    let encoding = header(headers, "content-transfer-encoding").unwrap_or_default();
    let text = if encoding.eq_ignore_ascii_case("base64") {
        String::from_utf8(decode_base64(body)?).ok()?
    } else {
        body.to_owned()
    };
    let content_type = header(headers, "content-type").unwrap_or_default();
    let declared = content_type
        .to_ascii_lowercase()
        .starts_with("text/cloud-config");
    (declared || text.starts_with("#cloud-config")).then_some(text)
}

/// Splits a MIME entity at its first empty line.
fn split(entity: &str) -> (&str, &str) {
    entity
        .strip_prefix('\n')
        .map(|body| ("", body))
        .or_else(|| entity.split_once("\n\n"))
        .unwrap_or((entity, ""))
}

/// A header's value, with folded lines joined.
fn header(headers: &str, name: &str) -> Option<String> {
    let mut lines = headers.lines();
    let first = lines.by_ref().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.trim()
            .eq_ignore_ascii_case(name)
            .then(|| value.trim().to_owned())
    })?;
    let folded = lines.take_while(|line| line.starts_with([' ', '\t']));
    Some(folded.fold(first, |value, line| format!("{value} {}", line.trim())))
}

fn boundary(content_type: &str) -> Option<String> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        key.trim()
            .eq_ignore_ascii_case("boundary")
            .then(|| value.trim().trim_matches('"').to_owned())
    })
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let compact: String = text.split_whitespace().collect();
    base64::engine::general_purpose::STANDARD
        .decode(compact)
        .ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use ssh_key::private::Ed25519Keypair;

    fn key() -> (String, String) {
        let key = PrivateKey::from(Ed25519Keypair::from_seed(&[7; 32]));
        (
            key.to_openssh(LineEnding::LF).unwrap().to_string(),
            key.public_key().to_openssh().unwrap(),
        )
    }

    fn document() -> String {
        let (private, public) = key();
        let private = private.replace('\n', "\n    ");
        format!(
            "#cloud-config\nruncmd: [\"true\"]\nssh_keys:\n  ed25519_private: |\n    {private}\n  \
             ed25519_public: {public} root@host\n"
        )
    }

    #[test]
    fn the_host_key_is_taken_as_cloud_init_would() {
        let config = CloudConfig::parse(&document());
        let found = config.host_key.unwrap();
        assert_eq!(found.private, key().0);
        assert_eq!(found.public, format!("{} root@host\n", key().1));
    }

    #[test]
    fn the_public_key_is_derived_if_it_is_missing() {
        let found = HostKey::new(&key().0, None).unwrap();
        assert_eq!(found.public, format!("{}\n", key().1));
    }

    #[test]
    fn a_multipart_message_yields_its_cloud_config() {
        for newline in ["\n", "\r\n"] {
            let message = format!(
                "Content-Type: multipart/mixed;\n boundary=\"=b=\"\nMIME-Version: 1.0\n\n--=b=\n\
                 Content-Type: text/x-shellscript\n\n#!/bin/sh\necho\n--=b=\n\
                 Content-Type: text/cloud-config; charset=\"utf-8\"\n\n{}\n--=b=--\n",
                document()
            )
            .replace('\n', newline);
            assert!(CloudConfig::parse(&message).host_key.is_some());
        }
    }

    #[test]
    fn a_part_in_base64_is_decoded() {
        let encoded = base64::engine::general_purpose::STANDARD.encode(document());
        let message = format!(
            "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\
             Content-Transfer-Encoding: base64\nContent-Type: text/cloud-config\n\n{encoded}\n--b--"
        );
        assert!(CloudConfig::parse(&message).host_key.is_some());
    }

    #[test]
    fn files_are_read_with_mode_and_encoding() {
        let config = CloudConfig::parse(
            "#cloud-config\nwrite_files:\n- path: /etc/a\n  content: b\n- path: /etc/c\n  \
             encoding: b64\n  content: ZGU=\n  permissions: '0600'\n  append: true\n",
        );
        let expected = [
            ("/etc/a", "b", "0644", false),
            ("/etc/c", "de", "0600", true),
        ]
        .map(|(path, content, mode, append)| File {
            path: path.to_owned(),
            content: content.as_bytes().to_vec(),
            mode: mode.to_owned(),
            append,
        });
        assert_eq!(config.files, expected);
    }

    #[test]
    fn other_user_data_asks_for_nothing() {
        for text in [
            "",
            "#!/bin/sh\ntrue\n",
            "#cloud-config\n",
            "#cloud-config\n- [",
            "a: b",
        ] {
            let config = CloudConfig::parse(text);
            assert!(
                config.host_key.is_none() && config.files.is_empty(),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn parsing_damaged_user_data_never_panics(
            is_multipart: bool,
            at in 0usize..900,
            length in 0usize..40,
            put in "(\\[{1,300}|--b|\n\n|: |&a |\\*a|\r\n|=|\"|\\PC){0,6}",
        ) {
            let mut text: Vec<char> = if is_multipart {
                format!("Content-Type: multipart/mixed; boundary=\"b\"\n\n--b\nContent-Type: text/cloud-config\n\n{}\n--b--", document())
            } else {
                document()
            }.chars().collect();
            let at = at.min(text.len());
            let end = (at + length).min(text.len());
            text.splice(at..end, put.chars());
            let _config = CloudConfig::parse(&text.into_iter().collect::<String>());
        }
    }
}
