//! The settings that count, from both sides in one form.

use std::path::Path;
use std::time::Duration;

use stagecraft_ssh::{AgentSocket, HostSettings, JumpHost};

use crate::openssh::World;

/// What is compared.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) fields: Vec<(&'static str, String)>,
}

/// What differs; `None` if nothing does.
pub(crate) fn difference(
    ours: &Result<View, String>,
    theirs: &Result<View, String>,
) -> Option<String> {
    match (ours, theirs) {
        // In words of their own.
        (Err(_), Err(_)) => None,
        (Ok(_), Err(error)) => Some(format!("ssh refuses: {error:?}")),
        (Err(error), Ok(_)) => Some(format!("only we refuse: {error:?}")),
        (Ok(ours), Ok(theirs)) => {
            let pairs = ours.fields.iter().zip(&theirs.fields);
            let differing = pairs.filter(|(ours, theirs)| ours != theirs);
            let texts: Vec<String> = differing
                .map(|(ours, theirs)| format!("{}: ours {:?}, ssh {:?}", ours.0, ours.1, theirs.1))
                .collect();
            (!texts.is_empty()).then(|| texts.join("; "))
        }
    }
}

impl View {
    pub(crate) fn of_settings(world: &World, settings: &HostSettings, host: &str) -> Self {
        let list = |paths: &[std::path::PathBuf]| format!("{paths:?}");
        let timeout = settings.connect_timeout.map(|time| time.as_secs());
        let name = settings.host_name.as_deref().unwrap_or(host);
        Self {
            fields: vec![
                ("hostname", name.to_ascii_lowercase()),
                (
                    "user",
                    settings.user.as_ref().unwrap_or(&world.user).clone(),
                ),
                ("port", settings.port.unwrap_or(22).to_string()),
                (
                    "identityfile",
                    match &settings.identity_files {
                        Some(files) => list(files),
                        None => "the usual".to_owned(),
                    },
                ),
                ("certificatefile", list(&settings.certificate_files)),
                ("identitiesonly", settings.identities_only.to_string()),
                (
                    "identityagent",
                    match &settings.identity_agent {
                        AgentSocket::Unset => world.variables["SSH_AUTH_SOCK"].clone(),
                        AgentSocket::Path(path) => path.display().to_string(),
                        _ => "none".to_owned(),
                    },
                ),
                (
                    "proxyjump",
                    format!("{:?}", settings.jump.as_deref().unwrap_or_default()),
                ),
                // It is not run, so only whether there is one counts.
                ("proxycommand", settings.proxy_command.is_some().to_string()),
                ("connecttimeout", format!("{timeout:?}")),
                ("hostkeyalias", format!("{:?}", settings.host_key_alias)),
            ],
        }
    }

    pub(crate) fn of_openssh(world: &World, path: &Path, host: &str) -> Result<Self, String> {
        let pairs = world.resolved(path, host)?;
        let all = |key: &str| -> Vec<&str> {
            let of_key = pairs.iter().filter(|(name, _)| name == key);
            of_key.map(|(_, value)| value.as_str()).collect()
        };
        let one = |key: &str| all(key).first().copied();
        let files = |key: &str| -> Result<String, String> {
            let named = all(key)
                .into_iter()
                .filter(|file| !file.eq_ignore_ascii_case("none"));
            let paths = named.map(|file| {
                world
                    .expanded(path, host, file)
                    .map(std::path::PathBuf::from)
            });
            Ok(format!("{:?}", paths.collect::<Result<Vec<_>, _>>()?))
        };
        // OpenSSH adds these only where nothing else is named.
        let is_usual = all("identityfile").contains(&"~/.ssh/id_xmss")
            || all("identityfile").contains(&"~/.ssh/id_ed25519_sk");
        let variable = |name: &str| match world.variables.get(name) {
            Some(value) => value.clone(),
            None => "none".to_owned(),
        };
        let agent = match one("identityagent") {
            None | Some("SSH_AUTH_SOCK") => variable("SSH_AUTH_SOCK"),
            Some(text) => match text.strip_prefix('$') {
                Some(name) => variable(name),
                None => text.to_owned(),
            },
        };
        let jump = match one("proxyjump") {
            // The command that OpenSSH builds of it runs in a shell, which takes quotes away.
            Some(text) => world.expanded(path, host, text)?.replace('"', ""),
            None => "none".to_owned(),
        };
        let timeout = one("connecttimeout").and_then(|time| time.parse().ok());
        let timeout = timeout.map(Duration::from_secs).map(|time| time.as_secs());
        let command = one("proxycommand");
        let alias = one("hostkeyalias").map(ToOwned::to_owned);
        let jump = match JumpHost::parse_chain(&jump) {
            Ok(jump) => format!("{jump:?}"),
            Err(error) => format!("{jump}: {error}"),
        };
        let text = |key| one(key).unwrap_or_default().to_owned();
        Ok(Self {
            fields: vec![
                ("hostname", text("hostname")),
                ("user", text("user")),
                ("port", text("port")),
                (
                    "identityfile",
                    if is_usual {
                        "the usual".to_owned()
                    } else {
                        files("identityfile")?
                    },
                ),
                ("certificatefile", files("certificatefile")?),
                (
                    "identitiesonly",
                    (one("identitiesonly") == Some("yes")).to_string(),
                ),
                ("identityagent", agent),
                ("proxyjump", jump),
                ("proxycommand", command.is_some().to_string()),
                ("connecttimeout", format!("{timeout:?}")),
                ("hostkeyalias", format!("{alias:?}")),
            ],
        })
    }
}
