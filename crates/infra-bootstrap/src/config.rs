//! The parts of `infra.bootstrap` that belong to no single step.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
#[cfg(feature = "yaml")]
use stagecraft_core::config::{ConfigBlock, ConfigErrors, EffectiveBlock, Project};
use stagecraft_core::config::{ConfigDuration, unsupported};
use stagecraft_core::{SecretKeyError, SecretKeys, SecretSource};

/// What `infra.bootstrap` says beside the steps' own blocks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct BootstrapConfig {
    /// How long a host may take to become ready.
    pub readiness: ReadinessConfig,
    /// How hosts are logged in to.
    pub ssh: SshSettings,
}

#[cfg(feature = "yaml")]
impl BootstrapConfig {
    /// The keys of `infra.bootstrap` that this type reads. All others belong to steps.
    pub const KEYS: &'static [&'static str] = &["readiness", "ssh"];

    /// Returns the schemas of [`KEYS`](Self::KEYS), for the schema of the whole file.
    pub fn schemas() -> [(&'static str, schemars::Schema); 2] {
        [
            ("readiness", schemars::schema_for!(ReadinessConfig)),
            ("ssh", schemars::schema_for!(SshSettings)),
        ]
    }

    /// Returns [`KEYS`](Self::KEYS) in effect.
    pub fn effective(
        project: &Project,
    ) -> Vec<(&'static str, Result<EffectiveBlock, ConfigErrors>)> {
        vec![
            (
                "readiness",
                project
                    .bootstrap_block("readiness")
                    .effective::<ReadinessConfig>(),
            ),
            (
                "ssh",
                project.bootstrap_block("ssh").effective::<SshSettings>(),
            ),
        ]
    }

    /// Reads both blocks from the project's file.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] with their places in the file.
    pub fn read(project: &Project) -> Result<Self, ConfigErrors> {
        let readiness = ReadinessConfig::read(&project.bootstrap_block("readiness"));
        let ssh = SshSettings::read(&project.bootstrap_block("ssh"));
        match (readiness, ssh) {
            (Ok(readiness), Ok(ssh)) => Ok(Self { readiness, ssh }),
            (readiness, ssh) => {
                let errors = readiness.err().into_iter().chain(ssh.err()).flatten();
                Err(ConfigErrors::new(errors).expect("one of them failed"))
            }
        }
    }
}

#[cfg(feature = "yaml")]
impl ReadinessConfig {
    fn read(block: &ConfigBlock) -> Result<Self, ConfigErrors> {
        let config: Self = block.parse()?;
        let values = [("interval", config.interval), ("deadline", config.deadline)];
        let zero = values.iter().filter(|(_, value)| value.get().is_zero());
        let errors = zero.map(|(key, _)| block.error(&[key], "must be longer than zero"));
        ConfigErrors::new(errors).map_or(Ok(config), Err)
    }
}

#[cfg(feature = "yaml")]
impl SshSettings {
    fn read(block: &ConfigBlock) -> Result<Self, ConfigErrors> {
        let settings: Self = block.parse()?;
        let mut errors = Vec::new();
        if settings.user.as_deref() == Some("") {
            errors.push(block.error(&["user"], "must not be empty"));
        }
        let secrets = [settings.passphrase(), settings.sudo_password()];
        errors
            .extend((secrets.into_iter()).filter_map(|read| Some(block.secret_error(read.err()?))));
        if settings.port == Some(0) {
            errors.push(block.error(&["port"], "must not be 0"));
        }
        let key = settings.private_key_path.as_deref();
        if key.is_some_and(|path| !is_key_path(path)) {
            let message = "must be the path of a file, never the key itself";
            errors.push(block.error(&["private_key_path"], message));
        }
        ConfigErrors::new(errors).map_or(Ok(settings), Err)
    }
}

/// How long a host may take to become ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ReadinessConfig {
    /// The pause between two looks at a host. One that goes on refusing connections is called in
    /// longer pauses, of up to 7 s. Default: `2s`.
    #[cfg_attr(feature = "schema", schemars(default = "interval_text"))]
    pub interval: ConfigDuration,
    /// The longest time for each of: an SSH session, the end of the first boot, a free package
    /// lock. Default: `5m`.
    #[cfg_attr(feature = "schema", schemars(default = "deadline_text"))]
    pub deadline: ConfigDuration,
    /// What is made of cloud-init's first boot. `wait`: its end is awaited, and a host on which it
    /// never ran is not ready. `ignore`: it is not looked at, for hosts whose cloud-init is
    /// switched off or broken on purpose; what is to be set up by user data may be missing then.
    /// Default: `wait`.
    pub cloud_init: CloudInit,
}

/// What is made of cloud-init's first boot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CloudInit {
    /// Its end is awaited; a host on which it never ran is not ready.
    #[default]
    Wait,
    /// It is not looked at.
    Ignore,
}

impl Default for ReadinessConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(2).into(),
            deadline: Duration::from_mins(5).into(),
            cloud_init: CloudInit::Wait,
        }
    }
}

#[cfg(feature = "schema")]
fn interval_text() -> &'static str {
    "2s"
}

#[cfg(feature = "schema")]
fn deadline_text() -> &'static str {
    "5m"
}

/// How hosts are logged in to. Host keys are always verified: no key here turns that off.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct SshSettings {
    /// The login. Any other than `root` needs the right to run all commands by `sudo`.
    /// Default: what `~/.ssh/config` says, else `root`.
    pub user: Option<String>,
    /// The port. Default: what `~/.ssh/config` says, else 22; for a sandbox what the
    /// environment sets.
    pub port: Option<u16>,
    /// Jump hosts as OpenSSH writes them: `user@host:port`, several divided by commas, or
    /// `none`. Their keys must be in a file of known hosts. Default: what `~/.ssh/config`
    /// says.
    pub jump: Option<String>,
    /// The private key's file. Default: what `~/.ssh/config` says, else the SSH agent and the
    /// usual files.
    #[serde(alias = "privateKeyPath")]
    pub private_key_path: Option<PathBuf>,
    /// The name of the variable that holds the passphrase of an encrypted private key. Never
    /// the passphrase itself. At most one of `passphrase_env`, `passphrase_file` and
    /// `passphrase_cmd` may be given.
    #[serde(alias = "passphraseEnv")]
    pub passphrase_env: Option<String>,
    /// A file that holds the passphrase and nothing else, relative to the configuration.
    #[serde(alias = "passphraseFile")]
    pub passphrase_file: Option<PathBuf>,
    /// A program and its arguments that print the passphrase. No shell is involved.
    #[serde(alias = "passphraseCmd")]
    pub passphrase_cmd: Option<Vec<String>>,
    /// The name of the variable that holds the password that `sudo` asks for, if the login is
    /// not `root` and sudoers do not say `NOPASSWD`. Never the password itself. At most one of
    /// `sudo_password_env`, `sudo_password_file` and `sudo_password_cmd` may be given.
    #[serde(alias = "sudoPasswordEnv")]
    pub sudo_password_env: Option<String>,
    /// A file that holds the password and nothing else, relative to the configuration.
    #[serde(alias = "sudoPasswordFile")]
    pub sudo_password_file: Option<PathBuf>,
    /// A program and its arguments that print the password. No shell is involved.
    #[serde(alias = "sudoPasswordCmd")]
    pub sudo_password_cmd: Option<Vec<String>>,
    /// A file with the keys of jump hosts, beside `~/.ssh/known_hosts` and
    /// `/etc/ssh/ssh_known_hosts`.
    #[serde(alias = "knownHostsFile")]
    pub known_hosts_file: Option<PathBuf>,
    /// A file in the form of `ssh_config(5)`, or `none`. Default: `~/.ssh/config` if it
    /// exists; none for a sandbox.
    #[serde(alias = "configFile")]
    pub config_file: Option<PathBuf>,
    #[serde(
        alias = "extraArgs",
        deserialize_with = "unsupported",
        skip_serializing
    )]
    extra_args: Option<()>,
}

impl SshSettings {
    /// Returns the source of the passphrase of encrypted keys, if one is set.
    ///
    /// # Errors
    ///
    /// [`SecretKeyError`] if several sources are set, or a value is not of its kind.
    pub fn passphrase(&self) -> Result<Option<SecretSource>, SecretKeyError> {
        optional(SecretKeys {
            name: "passphrase",
            env: self.passphrase_env.as_deref(),
            file: self.passphrase_file.as_ref(),
            cmd: self.passphrase_cmd.as_deref(),
        })
    }

    /// Returns the source of the password for `sudo`, if one is set.
    ///
    /// # Errors
    ///
    /// Those of [`passphrase`](Self::passphrase).
    pub fn sudo_password(&self) -> Result<Option<SecretSource>, SecretKeyError> {
        optional(SecretKeys {
            name: "sudo_password",
            env: self.sudo_password_env.as_deref(),
            file: self.sudo_password_file.as_ref(),
            cmd: self.sudo_password_cmd.as_deref(),
        })
    }
}

/// Whether a path may be that of a private key. An empty one is not, nor is the text of a key,
/// which would be shown wherever the path is.
pub fn is_key_path(path: &Path) -> bool {
    let text = path.to_string_lossy();
    !text.is_empty() && !text.contains('\n') && !text.contains("PRIVATE KEY")
}

fn optional(keys: SecretKeys<'_>) -> Result<Option<SecretSource>, SecretKeyError> {
    if keys.env.is_none() && keys.file.is_none() && keys.cmd.is_none() {
        return Ok(None);
    }
    keys.source().map(Some)
}

#[cfg(test)]
#[cfg(feature = "yaml")]
mod tests {
    use stagecraft_core::config::{ConfigError, Document};

    use super::*;

    fn read(bootstrap: &str) -> Result<BootstrapConfig, ConfigError> {
        let text = format!("infra:\n  bootstrap:\n    docker: {{}}\n{bootstrap}");
        BootstrapConfig::read(&Project::new(Document::new("f.yml", text).unwrap()).unwrap())
            .map_err(|errors| errors.first().clone())
    }

    #[test]
    fn absent_blocks_give_the_defaults() {
        let config = read("").unwrap();
        assert_eq!(config, BootstrapConfig::default());
        assert_eq!(config.readiness.interval.get(), Duration::from_secs(2));
        assert_eq!(config.readiness.deadline.get(), Duration::from_mins(5));
        assert_eq!(config.ssh, SshSettings::default());
    }

    #[test]
    fn both_spellings_are_read() {
        for key in ["private_key_path", "privateKeyPath"] {
            let config = read(&format!(
                "    ssh: {{ user: admin, port: 2222, {key}: keys/id }}\n    readiness: {{ deadline: 10m }}\n"
            ))
            .unwrap();
            assert_eq!(config.ssh.port, Some(2222));
            assert_eq!(config.ssh.private_key_path, Some("keys/id".into()));
            assert_eq!(config.readiness.deadline.get(), Duration::from_mins(10));
        }
    }

    #[test]
    fn keys_without_effect_are_refused_in_both_spellings() {
        for key in ["extra_args: [x]", "extraArgs: []"] {
            let error = read(&format!("    ssh: {{ {key} }}\n")).unwrap_err();
            assert_eq!(error.message, "not supported yet", "{key}");
            assert_eq!(error.location.map(|at| at.line), Some(4));
        }
    }

    #[test]
    fn unknown_keys_and_useless_values_are_refused_with_their_place() {
        let error = read("    ssh: { usr: x }\n").unwrap_err();
        assert_eq!(error.suggestion.as_deref(), Some("user"));
        let error = read("    readiness:\n      interval: 0s\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "f.yml:5:17: infra.bootstrap.readiness.interval: must be longer than zero"
        );
        let error = read("    ssh: { passphrase_env: open sesame }\n").unwrap_err();
        assert!(!format!("{error:?}").contains("sesame"), "{error:?}");
        let error = read("    ssh: { passphrase_env: A, passphrase_file: b }\n").unwrap_err();
        assert!(error.message.starts_with("only one of"), "{error}");
        for key in [
            "''",
            "\"-----BEGIN OPENSSH PRIVATE KEY-----\\nhunter2\"",
            "|\n        c2VzYW1l\n        c2VzYW1l",
        ] {
            let text = format!("    ssh:\n      private_key_path: {key}\n");
            let error = read(&text).unwrap_err();
            assert_eq!(error.location.map(|at| at.line), Some(5), "{error}");
            let shown = format!("{error} {:?}", error.excerpt);
            assert!(shown.contains("never the key itself"), "{shown}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
        assert!(read("    ssh: { port: 0 }\n").is_err());
        assert!(read("    ssh: { user: '' }\n").is_err());
    }
}
