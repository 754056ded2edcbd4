//! Builder of a provider that is configured in code, without YAML.

use std::collections::BTreeMap;

use stagecraft_core::{Error, ErrorKind, PollPolicy, Result, RoleName};

use crate::config::{InstallMethod, LoginServer, Tag, TailnetDomain, TailscaleConfig};
use crate::error::ID;
use crate::provider::Tailscale;
use crate::session::Waits;
use crate::version::ClientVersion;

impl Tailscale {
    /// Starts a provider that is configured in code. Reads, sends and checks nothing yet.
    ///
    /// `auth_key_env` is the name of the variable that holds the auth key, `tailnet_domain` the
    /// tailnet's `MagicDNS` suffix.
    pub fn builder(
        auth_key_env: impl Into<String>,
        tailnet_domain: impl Into<String>,
    ) -> TailscaleBuilder {
        TailscaleBuilder::new(auth_key_env.into(), tailnet_domain.into())
    }
}

/// Builder of a [`Tailscale`] provider. [`build`](Self::build) checks the values.
#[derive(Debug, Clone)]
#[must_use]
pub struct TailscaleBuilder {
    auth_key_env: String,
    tailnet_domain: String,
    default_tags: Vec<String>,
    role_tags: Vec<(String, String)>,
    method: InstallMethod,
    min_version: Option<String>,
    login_server: Option<String>,
    accept_dns: bool,
    waits: Waits,
}

impl TailscaleBuilder {
    pub(crate) fn new(auth_key_env: String, tailnet_domain: String) -> Self {
        Self {
            auth_key_env,
            tailnet_domain,
            default_tags: Vec::new(),
            role_tags: Vec::new(),
            method: InstallMethod::default(),
            min_version: None,
            login_server: None,
            accept_dns: false,
            waits: Waits::default(),
        }
    }

    /// Adds a tag for every node, for example `tag:stagecraft`.
    pub fn default_tag(mut self, tag: impl Into<String>) -> Self {
        self.default_tags.push(tag.into());
        self
    }

    /// Adds a tag for the nodes of one role.
    pub fn role_tag(mut self, role: impl Into<String>, tag: impl Into<String>) -> Self {
        self.role_tags.push((role.into(), tag.into()));
        self
    }

    /// Sets whether a missing client is installed. Default: it is.
    pub fn install_method(mut self, method: InstallMethod) -> Self {
        self.method = method;
        self
    }

    /// Sets the oldest accepted version. Default: any.
    pub fn min_version(mut self, version: impl Into<String>) -> Self {
        self.min_version = Some(version.into());
        self
    }

    /// Sets the control server. Default: Tailscale's own.
    pub fn login_server(mut self, url: impl Into<String>) -> Self {
        self.login_server = Some(url.into());
        self
    }

    /// Sets whether hosts use the tailnet's DNS settings. Default: they do not.
    pub fn accept_dns(mut self, accept: bool) -> Self {
        self.accept_dns = accept;
        self
    }

    /// Sets the wait for a node that is connecting. Default: every 2 s, up to 30 s.
    pub fn connect_wait(mut self, policy: PollPolicy) -> Self {
        self.waits.connect = policy;
        self
    }

    /// Sets the wait for a daemon that was just started. Default: every second, up to 20 s.
    pub fn daemon_wait(mut self, policy: PollPolicy) -> Self {
        self.waits.daemon = policy;
        self
    }

    /// Checks all values and builds the provider. Reads no secret and does no I/O.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for the first value that breaks a rule.
    pub fn build(self) -> Result<Tailscale> {
        let domain: TailnetDomain = self.tailnet_domain.parse().map_err(refused)?;
        let mut config = TailscaleConfig::new(self.auth_key_env, domain);
        for tag in self.default_tags {
            config.default_tags.push(tag.parse().map_err(refused)?);
        }
        let mut role_tags: BTreeMap<RoleName, Vec<Tag>> = BTreeMap::new();
        for (role, tag) in self.role_tags {
            let role = RoleName::new(role).map_err(refused)?;
            role_tags
                .entry(role)
                .or_default()
                .push(tag.parse().map_err(refused)?);
        }
        config.role_tags = role_tags;
        config.install.method = self.method;
        config.install.min_version = self
            .min_version
            .map(|version| version.parse::<ClientVersion>().map_err(refused))
            .transpose()?;
        config.login_server = self
            .login_server
            .map(|url| url.parse::<LoginServer>().map_err(refused))
            .transpose()?;
        config.accept_dns = self.accept_dns;
        Ok(Tailscale::new(config)?.with_waits(self.waits))
    }
}

fn refused(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(
        ErrorKind::Config,
        "tailscale provider: invalid configuration",
    )
    .with_provider(ID)
    .with_operation("build")
    .with_source(error)
}
