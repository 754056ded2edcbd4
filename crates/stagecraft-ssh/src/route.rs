//! Resolves the address and login of a host from the settings and `ssh_config`.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use stagecraft_core::{Error, ErrorKind, HostName, RemoteTarget, Result, Run};

use crate::client_config::{AgentSocket, Asked, ClientConfig, HostSettings, expanded_jump};
use crate::config::{Fixed, Identity, SshConfig};
use crate::identity::flatten;
use crate::jump::JumpHost;
use crate::key_file::beside;

/// Most jump hosts before a host.
const CHAIN_LIMIT: usize = 8;

/// Keywords that may name login keys.
const IDENTITY_KEYWORDS: [&str; 4] = [
    "identityfile",
    "certificatefile",
    "identitiesonly",
    "identityagent",
];

/// One server and its login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Login {
    /// The name or address to connect to.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) identity: Identity,
    /// `HostName` of a file, used instead of the host's own address, as text for messages.
    pub(crate) detour: Option<String>,
    /// Its name in known hosts files, if it differs.
    pub(crate) key_name: Option<String>,
    /// Timeout of the TCP connection, if the file sets it.
    pub(crate) connect_timeout: Option<Duration>,
    /// Unsupported lines of the file for this host.
    pub(crate) warnings: Vec<String>,
}

/// What is known of a login before the host has an address. Excludes what the address may decide.
#[derive(Debug)]
pub(crate) struct Foreseen {
    pub(crate) user: Option<String>,
    /// The keys for the host and for the jump hosts before it, without duplicates.
    pub(crate) identities: Vec<Identity>,
    pub(crate) jumps: Vec<Login>,
}

/// The settings, together with those of a file.
#[derive(Debug)]
pub(crate) struct Routes {
    config: SshConfig,
    file: OnceLock<ClientConfig>,
}

impl Routes {
    pub(crate) fn new(config: SshConfig) -> Self {
        Self {
            config,
            file: OnceLock::new(),
        }
    }

    pub(crate) fn config(&self) -> &SshConfig {
        &self.config
    }

    /// The login at a host, and the jump hosts before it. The warnings are those of all of them.
    pub(crate) fn of_target(
        &self,
        run: &Run,
        target: &RemoteTarget,
    ) -> Result<(Login, Vec<JumpHost>)> {
        let address = target.address.to_string();
        let mut names: Vec<&str> = target.aliases.iter().map(String::as_str).collect();
        names.extend([target.host.as_str(), &address]);
        let answers = self.ask_for_host(run, &names)?;
        let chain = self.whole(run, self.chain(&names, &answers)?)?;
        let detour = match (&answers.host_name, &self.config.client_config) {
            (Some(name), Some(file)) if *name != address => Some(format!(
                "HostName of {} leads there, in place of the host's own address {address}; \
                 infra.bootstrap.ssh.config_file names another file, or `none`",
                file.path.display()
            )),
            _ => None,
        };
        let mut login = Login {
            detour,
            identity: self.identity(&answers),
            host: answers.host_name.unwrap_or(address),
            port: answers.port.unwrap_or(self.config.port),
            user: answers.user.unwrap_or_else(|| self.config.user.clone()),
            key_name: answers.host_key_alias,
            connect_timeout: answers.connect_timeout,
            warnings: answers.warnings,
        };
        for jump in &chain {
            let warnings = self.of_jump(run, jump)?.warnings;
            let known = |warning: &String| login.warnings.contains(warning);
            let further: Vec<String> = warnings.into_iter().filter(|one| !known(one)).collect();
            login.warnings.extend(further);
        }
        Ok((login, chain))
    }

    /// The login at a host whose address is not known yet.
    pub(crate) fn foreseen(
        &self,
        run: &Run,
        host: &HostName,
        aliases: &[String],
    ) -> Result<Foreseen> {
        let mut names: Vec<&str> = aliases.iter().map(String::as_str).collect();
        names.push(host.as_str());
        let answers = self.ask_for_host(run, &names)?;
        let is_open = |setting, keys: &[&str]| {
            let file = self.file.get().filter(|_| !self.is_fixed(setting));
            file.is_some_and(|file| file.asks_for_address(keys))
        };
        let user = answers.user.as_ref().unwrap_or(&self.config.user);
        let user = (!is_open(Fixed::User, &["user"])).then(|| user.clone());
        let mut jumps = Vec::new();
        if !is_open(Fixed::Jump, &["proxyjump", "proxycommand"]) {
            for jump in self.whole(run, self.chain(&names, &answers)?)? {
                jumps.push(self.of_jump(run, &jump)?);
            }
        }
        let mut identities: Vec<Identity> = Vec::new();
        if !is_open(Fixed::Identity, &IDENTITY_KEYWORDS) {
            identities.push(self.identity(&answers));
        }
        for jump in &jumps {
            if !identities.contains(&jump.identity) {
                identities.push(jump.identity.clone());
            }
        }
        Ok(Foreseen {
            user,
            identities,
            jumps,
        })
    }

    /// The jump hosts that are named before a host.
    fn chain(&self, names: &[&str], answers: &HostSettings) -> Result<Vec<JumpHost>> {
        let of_file = if self.is_fixed(Fixed::Jump) {
            None
        } else {
            answers.chain()?
        };
        if let Some(chain) = of_file {
            return Ok(chain);
        }
        let text = |name: Option<&&str>| name.copied().map(ToOwned::to_owned);
        let token = |token| match token {
            'h' => answers.host_name.clone().or_else(|| text(names.last())),
            'n' => text(names.first()),
            'p' => Some(answers.port.unwrap_or(self.config.port).to_string()),
            'r' => Some(answers.user.as_ref().unwrap_or(&self.config.user).clone()),
            _ => None,
        };
        let jumps = self.config.jump.iter();
        jumps.map(|jump| expanded_jump(jump, token)).collect()
    }

    /// The login at a jump host, by its configured name.
    pub(crate) fn of_jump(&self, run: &Run, jump: &JumpHost) -> Result<Login> {
        let answers = self.ask(run, &[&jump.host], jump.user.as_deref(), jump.port)?;
        Ok(Login {
            detour: None,
            identity: self.identity(&answers),
            host: answers.host_name.unwrap_or_else(|| jump.host.clone()),
            port: answers.port.unwrap_or(22),
            user: answers.user.unwrap_or_else(|| self.config.user.clone()),
            key_name: answers.host_key_alias,
            connect_timeout: answers.connect_timeout,
            warnings: answers.warnings,
        })
    }

    /// Where a jump host is configured, as text for messages.
    pub(crate) fn source_of(&self, jump: &JumpHost) -> String {
        let file = self.config.client_config.as_ref();
        let is_ours = self.is_fixed(Fixed::Jump) || self.config.jump.contains(jump);
        match file.filter(|_| !is_ours) {
            Some(file) => format!(
                "the jump host is named by ProxyJump in {}; infra.bootstrap.ssh.jump names another, or `none`",
                file.path.display()
            ),
            None => "the jump host is named by infra.bootstrap.ssh.jump".to_owned(),
        }
    }

    /// The chain, extended by the jump hosts that its first one requires.
    fn whole(&self, run: &Run, mut chain: Vec<JumpHost>) -> Result<Vec<JumpHost>> {
        while let Some(first) = chain.first() {
            let answers = self.ask(run, &[&first.host], first.user.as_deref(), first.port)?;
            let Some(mut before) = answers.chain()? else {
                break;
            };
            // A `ProxyJump` for all hosts does not apply to the jump host itself.
            if before.is_empty() || before.iter().any(|jump| jump.host == first.host) {
                break;
            }
            before.append(&mut chain);
            chain = before;
            if chain.len() > CHAIN_LIMIT {
                let message = format!("more than {CHAIN_LIMIT} jump hosts before one host");
                return Err(Error::new(ErrorKind::Config, message)
                    .with_hint("ProxyJump of ssh_config may go round in circles"));
            }
        }
        Ok(chain)
    }

    /// The file's settings for the host. Deliberate choices act like `-l` and `-p` of `ssh`, which
    /// criteria and tokens see as well.
    fn ask_for_host(&self, run: &Run, names: &[&str]) -> Result<HostSettings> {
        let user = self
            .is_fixed(Fixed::User)
            .then_some(self.config.user.as_str());
        let port = self.is_fixed(Fixed::Port).then_some(self.config.port);
        self.ask(run, names, user, port)
    }

    fn ask(
        &self,
        run: &Run,
        names: &[&str],
        chosen_user: Option<&str>,
        chosen_port: Option<u16>,
    ) -> Result<HostSettings> {
        let Some(place) = &self.config.client_config else {
            return Ok(HostSettings {
                user: chosen_user.map(ToOwned::to_owned),
                port: chosen_port,
                ..HostSettings::default()
            });
        };
        let file = if let Some(file) = self.file.get() {
            file
        } else {
            let file = ClientConfig::load(&place.path, &place.home)?;
            self.file.get_or_init(|| file)
        };
        file.query(&Asked {
            names,
            user: &self.config.user,
            port: self.config.port,
            chosen_user,
            chosen_port,
            variables: &|name| run.variable(name),
        })
    }

    fn is_fixed(&self, setting: Fixed) -> bool {
        let file = self.config.client_config.as_ref();
        file.is_none_or(|file| file.fixed.contains(&setting))
    }

    /// Named certificates and files come first, then the agents. Missing files are ignored, as in
    /// OpenSSH, unless there is no other.
    fn identity(&self, answers: &HostSettings) -> Identity {
        if self.is_fixed(Fixed::Identity) {
            return self.config.identity.clone();
        }
        let (usual_agents, usual_files): (Vec<_>, Vec<_>) = flatten(&self.config.identity)
            .into_iter()
            .cloned()
            .partition(|one| matches!(one, Identity::Agent(_) | Identity::NamedAgent(_)));
        let agents = match &answers.identity_agent {
            AgentSocket::Unset => usual_agents,
            AgentSocket::None => Vec::new(),
            AgentSocket::Path(path) => vec![Identity::Agent(path.clone())],
        };
        let agents = agents.into_iter().map(|agent| match agent {
            Identity::Agent(socket) if answers.identities_only => Identity::NamedAgent(socket),
            other => other,
        });
        let certificates = answers.certificate_files.iter().cloned();
        let certificates = certificates.map(Identity::Certificate);
        let Some(named) = &answers.identity_files else {
            let rest = agents.chain(usual_files);
            return Identity::Any(certificates.chain(rest).collect());
        };
        let mut files: Vec<&PathBuf> = named.iter().filter(|path| may_be_used(path)).collect();
        if files.is_empty() {
            files = named.iter().collect();
        }
        let files = files.into_iter().cloned().map(Identity::File);
        Identity::Any(certificates.chain(files).chain(agents).collect())
    }
}

/// Whether a key exists, or its public half, for which an agent may have the other.
fn may_be_used(path: &Path) -> bool {
    path.exists() || beside(path, ".pub").exists()
}
