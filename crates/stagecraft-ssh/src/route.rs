//! Where a host is and how it is logged in to, from the settings and `ssh_config`.

use std::sync::OnceLock;

use stagecraft_core::{Error, ErrorKind, HostName, RemoteTarget, Result};

use crate::client_config::{Answers, ClientConfig};
use crate::config::{Fixed, Identity, SshConfig};
use crate::identity::flatten;
use crate::jump::JumpHost;

/// The most jump hosts before a host.
const CHAIN_LIMIT: usize = 8;

/// One server, and how it is logged in to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Login {
    /// What is connected to: a name or an address.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) identity: Identity,
    /// What `HostName` of a file says in place of the host's own address, in words.
    pub(crate) detour: Option<String>,
}

/// What is known of a login before the host has an address. What that may decide is left out.
#[derive(Debug)]
pub(crate) struct Foreseen {
    pub(crate) user: Option<String>,
    /// The keys for the host and for the jump hosts before it, each once.
    pub(crate) identities: Vec<Identity>,
    pub(crate) jumps: Vec<Login>,
}

/// The settings, with what a file says beside them.
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

    /// The login at a host, and the jump hosts before it.
    pub(crate) fn of_target(&self, target: &RemoteTarget) -> Result<(Login, Vec<JumpHost>)> {
        let address = target.address.to_string();
        let mut names: Vec<&str> = target.aliases.iter().map(String::as_str).collect();
        names.extend([target.host.as_str(), &address]);
        let answers = self.ask(&names)?;
        let chain = self.chain(&answers)?;
        let port = match answers.port {
            Some(port) if !self.is_fixed(Fixed::Port) => port,
            _ => self.config.port,
        };
        let detour = match (&answers.host_name, &self.config.client_config) {
            (Some(name), Some(file)) if *name != address => Some(format!(
                "HostName of {} leads there, in place of the host's own address {address}; \
                 infra.bootstrap.ssh.config_file names another file, or `none`",
                file.path.display()
            )),
            _ => None,
        };
        let login = Login {
            detour,
            host: answers.host_name.clone().unwrap_or(address),
            port,
            user: self.user(&answers),
            identity: self.identity(&answers),
        };
        Ok((login, self.whole(chain)?))
    }

    /// How a host is logged in to whose address is not known yet.
    pub(crate) fn foreseen(&self, host: &HostName, aliases: &[String]) -> Result<Foreseen> {
        let mut names: Vec<&str> = aliases.iter().map(String::as_str).collect();
        names.push(host.as_str());
        let answers = self.ask(&names)?;
        let is_open = |setting, keys: &[&str]| {
            let file = self.file.get().filter(|_| !self.is_fixed(setting));
            file.is_some_and(|file| file.asks_for_address(keys))
        };
        let user = (!is_open(Fixed::User, &["user"])).then(|| self.user(&answers));
        let mut jumps = Vec::new();
        if !is_open(Fixed::Jump, &["proxyjump", "proxycommand"]) {
            for jump in self.whole(self.chain(&answers)?)? {
                jumps.push(self.of_jump(&jump)?);
            }
        }
        let mut identities: Vec<Identity> = Vec::new();
        if !is_open(Fixed::Identity, &["identityfile"]) {
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

    fn user(&self, answers: &Answers) -> String {
        let named = answers.user.as_ref();
        let named = named.filter(|_| !self.is_fixed(Fixed::User));
        named.unwrap_or(&self.config.user).clone()
    }

    /// The jump hosts that are named before a host.
    fn chain(&self, answers: &Answers) -> Result<Vec<JumpHost>> {
        let named = if self.is_fixed(Fixed::Jump) {
            None
        } else {
            answers.jump()?
        };
        Ok(named.unwrap_or_else(|| self.config.jump.clone()))
    }

    /// The login at a jump host, by the name that it is given.
    pub(crate) fn of_jump(&self, jump: &JumpHost) -> Result<Login> {
        let answers = self.ask(&[&jump.host])?;
        Ok(Login {
            detour: None,
            host: answers
                .host_name
                .clone()
                .unwrap_or_else(|| jump.host.clone()),
            port: jump.port.or(answers.port).unwrap_or(22),
            user: (jump.user.clone())
                .or_else(|| answers.user.clone())
                .unwrap_or_else(|| self.config.user.clone()),
            identity: self.identity(&answers),
        })
    }

    /// Where a jump host is named, in words.
    pub(crate) fn source_of(&self, jump: &JumpHost) -> String {
        let file = self.config.client_config.as_ref();
        match file.filter(|_| !self.config.jump.contains(jump)) {
            Some(file) => format!(
                "the jump host is named by ProxyJump in {}; infra.bootstrap.ssh.jump names another, or `none`",
                file.path.display()
            ),
            None => "the jump host is named by infra.bootstrap.ssh.jump".to_owned(),
        }
    }

    /// The chain with the jump hosts that its first one needs itself.
    fn whole(&self, mut chain: Vec<JumpHost>) -> Result<Vec<JumpHost>> {
        while let Some(first) = chain.first() {
            let Some(mut before) = self.ask(&[&first.host])?.jump()? else {
                break;
            };
            // A `ProxyJump` for all hosts is not meant for the jump host itself.
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

    fn ask(&self, names: &[&str]) -> Result<Answers> {
        let Some(place) = &self.config.client_config else {
            return Ok(Answers::default());
        };
        let file = if let Some(file) = self.file.get() {
            file
        } else {
            let file = ClientConfig::load(&place.path, &place.home)?;
            self.file.get_or_init(|| file)
        };
        file.query(names, &self.config.user)
    }

    fn is_fixed(&self, setting: Fixed) -> bool {
        let file = self.config.client_config.as_ref();
        file.is_none_or(|file| file.fixed.contains(&setting))
    }

    /// The files that are named come first, then the agents. Files that do not exist are left
    /// out, as OpenSSH does.
    fn identity(&self, answers: &Answers) -> Identity {
        let files: Vec<Identity> = answers
            .identity_files
            .iter()
            .filter(|path| path.exists())
            .map(|path| Identity::File(path.clone()))
            .collect();
        if files.is_empty() || self.is_fixed(Fixed::Identity) {
            return self.config.identity.clone();
        }
        let usual = flatten(&self.config.identity).into_iter().cloned();
        let agents = usual.filter(|one| matches!(one, Identity::Agent(_)));
        Identity::Any(files.into_iter().chain(agents).collect())
    }
}
