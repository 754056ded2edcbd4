//! Looks up a project's variables and secrets: in the process, the file that `env_file` names, and
//! the files and commands that the configuration names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use stagecraft_core::{Error, ErrorKind, LoginKey, Lookup, Result, SecretSource, seconds};
use stagecraft_ssh::{Identity, public_keys};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::environment::{ProcessEnvironment, expand_home};

/// Size limit of a secret and of a file of variables, in bytes.
const LENGTH_LIMIT: u64 = 64 * 1024;
/// Deadline of a command: a person may have to unlock a password store.
const COMMAND_DEADLINE: Duration = Duration::from_mins(1);

/// Deadline of an agent listing its keys.
const AGENT_DEADLINE: Duration = Duration::from_secs(5);

const NO_TEXT: &str = "it is no text in UTF-8";

/// The variables and secrets of one project.
#[derive(Debug, Default)]
pub(crate) struct ProjectLookup {
    /// The directory of the configuration, to which paths are relative.
    directory: PathBuf,
    /// The variables of the file that `env_file` names.
    file: BTreeMap<String, String>,
    /// The keys that hosts must authorize. Unset if there will be no login.
    identity: OnceLock<Identity>,
    login_keys: OnceCell<Option<Vec<LoginKey>>>,
}

impl ProjectLookup {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            ..Self::default()
        }
    }

    /// Sets the login keys of hosts. Only the first call has an effect.
    pub(crate) fn set_identity(&self, identity: Identity) {
        self.identity.get_or_init(|| identity);
    }

    /// Reads a file of lines `NAME=value`. The process's own variables take precedence.
    ///
    /// # Errors
    ///
    /// The problem, without any of the file's contents: they may be secret.
    pub(crate) fn read_env_file(&mut self, path: &Path) -> Result<(), String> {
        let text = read_bounded(&self.directory.join(expand_home(path)), LENGTH_LIMIT)
            .map_err(|error| format!("cannot read it: {error}"))?;
        // The library would expand variables in the values, by its own rules.
        let text = String::from_utf8(text).map_err(|_| NO_TEXT.to_owned())?;
        let text = literal(text.strip_prefix('\u{feff}').unwrap_or(&text));
        for entry in dotenvy::from_read_iter(text.as_bytes()) {
            let (name, value) = entry.map_err(|error| match error {
                dotenvy::Error::LineParse(line, _) => {
                    let number = text.lines().position(|own| own.contains(line.trim()));
                    let place = number.map_or(String::new(), |number| format!(" {}", number + 1));
                    format!("line{place} of it is not `NAME=value`; quote a value with spaces")
                }
                _ => NO_TEXT.to_owned(),
            })?;
            self.file.insert(name, value);
        }
        Ok(())
    }

    async fn read_file(&self, path: &Path) -> Result<Vec<u8>> {
        let failed = |error: std::io::Error| {
            missing(format!("cannot read {}", path.display())).with_source(error)
        };
        let file = tokio::fs::File::open(self.directory.join(expand_home(path)))
            .await
            .map_err(failed)?;
        read_all(file).await.map_err(failed)
    }

    async fn run(&self, words: &[String]) -> Result<Vec<u8>> {
        let (program, arguments) = words
            .split_first()
            .ok_or_else(|| missing("no program is named"))?;
        let failed =
            |error: std::io::Error| missing(format!("cannot run `{program}`")).with_source(error);
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if !self.directory.as_os_str().is_empty() {
            command.current_dir(&self.directory);
        }
        let mut child = command.spawn().map_err(failed)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let ended = async {
            let (printed, told) = tokio::join!(read_all_of(stdout), read_all_of(stderr));
            Ok::<_, std::io::Error>((printed?, told?, child.wait().await?))
        };
        let (printed, told, status) = tokio::time::timeout(COMMAND_DEADLINE, ended)
            .await
            .map_err(|_| {
                let waited = seconds(COMMAND_DEADLINE);
                missing(format!("`{program}` did not end within {waited}"))
            })?
            .map_err(failed)?;
        if status.success() {
            return Ok(printed);
        }
        let told = String::from_utf8_lossy(&told);
        let last = told.lines().rev().find(|line| !line.trim().is_empty());
        Err(missing(match last {
            Some(line) => format!("`{program}` failed ({status}): {}", line.trim()),
            None => format!("`{program}` failed ({status})"),
        }))
    }
}

#[async_trait]
impl Lookup for ProjectLookup {
    fn get(&self, name: &str) -> Option<String> {
        // An empty variable does not hide the file's value.
        let own = ProcessEnvironment.get(name);
        match (own, self.file.get(name)) {
            (Some(own), _) if !own.is_empty() => Some(own),
            (own, in_file) => in_file.cloned().or(own),
        }
    }

    async fn read(&self, source: &SecretSource) -> Result<String> {
        if let Some(value) = sandbox_secret(source) {
            return Ok(value);
        }
        let bytes = match source {
            SecretSource::Variable(name) => self.get(name).unwrap_or_default().into_bytes(),
            SecretSource::File(path) => self.read_file(path).await?,
            SecretSource::Command(words) => self.run(words).await?,
        };
        String::from_utf8(bytes).map_err(|_| missing(format!("{source} gives no text in UTF-8")))
    }

    /// Read once: a second query of an agent could return other keys.
    async fn login_keys(&self) -> Option<Vec<LoginKey>> {
        let identity = self.identity.get()?;
        let read = || public_keys(identity, AGENT_DEADLINE);
        self.login_keys.get_or_init(read).await.clone()
    }
}

/// The variable with replacements for secrets of files and commands under a sandbox: an object from
/// [`sandbox_name`] to value.
pub(crate) const SANDBOX_SECRETS: &str = "STAGECRAFT_SANDBOX_SECRETS";

/// The name of a source in [`SANDBOX_SECRETS`].
pub(crate) fn sandbox_name(source: &SecretSource) -> String {
    format!("{source:?}")
}

/// Under a sandbox a real secret must not be read: it would be sent to the sandbox.
fn sandbox_secret(source: &SecretSource) -> Option<String> {
    let text = ProcessEnvironment.get(SANDBOX_SECRETS)?;
    let mut secrets: BTreeMap<String, String> = serde_json::from_str(&text).ok()?;
    secrets.remove(&sandbox_name(source))
}

/// Reads a regular file up to a limit.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?
        .take(limit + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(std::io::Error::other(format!(
            "it is larger than {} KiB",
            limit / 1024
        )));
    }
    Ok(bytes)
}

/// The lines with every `$` escaped.
fn literal(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let value = line.split_once('=').map_or("", |(_, value)| value);
        if value.trim_start().starts_with('\'') {
            return line.to_owned();
        }
        let mut literal = String::with_capacity(line.len());
        let mut is_escaped = false;
        for c in line.chars() {
            if c == '$' && !is_escaped {
                literal.push('\\');
            }
            is_escaped = c == '\\' && !is_escaped;
            literal.push(c);
        }
        literal
    });
    let lines: Vec<String> = lines.collect();
    lines.join("\n")
}

async fn read_all_of(stream: Option<impl AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    match stream {
        Some(stream) => read_all(stream).await,
        None => Ok(Vec::new()),
    }
}

async fn read_all(stream: impl AsyncRead + Unpin) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream
        .take(LENGTH_LIMIT + 1)
        .read_to_end(&mut bytes)
        .await?;
    if bytes.len() as u64 > LENGTH_LIMIT {
        return Err(std::io::Error::other("longer than 64 KiB"));
    }
    Ok(bytes)
}

fn missing(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::SecretMissing, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_in_a_file_of_variables_are_plain() {
        let directory = tempfile::tempdir().unwrap();
        let text = "A=pa$sw0rd\nB=\"a$HOME\"\nC='x$y'\nD=a\\$b\nexport E=${HOME}\n# $\n";
        std::fs::write(directory.path().join("v.env"), text).unwrap();
        let mut lookup = ProjectLookup::new(directory.path().to_path_buf());
        lookup.read_env_file(Path::new("v.env")).unwrap();
        let values: Vec<&str> = lookup.file.values().map(String::as_str).collect();
        assert_eq!(values, ["pa$sw0rd", "a$HOME", "x$y", "a$b", "${HOME}"]);
    }

    #[test]
    fn endless_file_of_variables_is_refused() {
        let mut lookup = ProjectLookup::default();
        let error = lookup.read_env_file(Path::new("/dev/zero")).unwrap_err();
        assert!(error.contains("larger than 64 KiB"), "{error}");
    }
}
