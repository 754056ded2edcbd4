//! The `cloud.providers.digitalocean` block.

mod host;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stagecraft_core::config::{ConfigDuration, Location, UniqueMap};
use stagecraft_core::{
    EnvironmentName, HostName, HostSpec, Naming, NodeName, SecretKeyError, SecretKeys, SecretSource,
};

use self::host::KeyProblem;
pub use self::host::{HostConfig, UserData};
use crate::window::{FEWEST_REQUESTS, MOST_REQUESTS, RateConfig};

/// The default image.
const DEFAULT_IMAGE: &str = "ubuntu-22-04-x64";
/// Most hosts of one entry.
const COUNT_LIMIT: u32 = 1000;
/// Most hosts that one file may declare.
const TOTAL_LIMIT: u64 = 10_000;

/// The configuration of the `DigitalOcean` provider.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DigitalOceanConfig {
    /// The name of the variable that holds the API token, for example `DO_TOKEN`. The token
    /// itself never stands in the file. One of `token_env`, `token_file` and `token_cmd` is
    /// required.
    #[serde(default, alias = "tokenEnv")]
    pub token_env: Option<String>,
    /// A file that holds the API token and nothing else, relative to the configuration.
    #[serde(default, alias = "tokenFile")]
    pub token_file: Option<PathBuf>,
    /// A program and its arguments that print the API token, for example
    /// `[pass, show, digitalocean]`. No shell is involved.
    #[serde(default, alias = "tokenCmd")]
    pub token_cmd: Option<Vec<String>>,
    /// The name of the SSH key in the account that new hosts let in. It must exist.
    #[serde(alias = "sshKeyName")]
    pub ssh_key_name: String,
    /// The region of hosts that name none, for example `nyc3`.
    #[serde(default, alias = "defaultRegion")]
    pub default_region: Option<String>,
    /// The size of hosts that name none, for example `s-2vcpu-4gb`.
    #[serde(default, alias = "defaultSize")]
    pub default_size: Option<String>,
    /// The regions that hosts may be in. Any, if absent.
    #[serde(default)]
    pub regions: Option<Vec<String>>,
    /// The sizes that hosts may have. Any, if absent.
    #[serde(default)]
    pub sizes: Option<Vec<String>>,
    /// The hosts of each environment, by name.
    pub hosts: UniqueMap<EnvironmentName, UniqueMap<HostName, HostConfig>>,
    /// How often the API is asked while hosts come and go, and for how long.
    #[serde(default)]
    pub poll: PollConfig,
    /// How runs that work on the same environment are kept apart.
    #[serde(default)]
    pub lease: LeaseConfig,
    /// How many requests are sent in a time.
    #[serde(default)]
    pub rate: RateConfig,
}

/// How long things may take. Durations have a unit: `500ms`, `5s`, `10m`.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct PollConfig {
    /// The pause between two looks. Default: 5 s.
    pub interval: ConfigDuration,
    /// The time after which a host that is not ready, or not gone, is given up. Default: 10 min.
    pub deadline: ConfigDuration,
    /// How long the API's list may miss a host that was just accepted. Default: 4 s.
    #[serde(alias = "listLag")]
    pub list_lag: ConfigDuration,
}

impl Default for PollConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(5).into(),
            deadline: Duration::from_mins(10).into(),
            // "A couple of seconds" were seen (digitalocean/api-v2#202); the default is twice that.
            list_lag: Duration::from_secs(4).into(),
        }
    }
}

/// How runs that work on the same environment are kept apart. Durations have a unit.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct LeaseConfig {
    /// How often a run shows that it lives. Default: 20 s.
    pub interval: ConfigDuration,
    /// The time without a sign after which a run on another machine counts as gone. At least
    /// twice the interval. Default: 90 s.
    pub expiry: ConfigDuration,
}

impl Default for LeaseConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(20).into(),
            // Longer than one interval, a request that hangs until its timeout (30 s), and its
            // retry.
            expiry: Duration::from_secs(90).into(),
        }
    }
}

/// A problem that the types cannot reject: the keys below the block, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) path: Vec<String>,
    pub(crate) message: String,
    /// Whether the value must not be shown.
    pub(crate) is_secret: bool,
    /// The place within the value, if the value is a text.
    pub(crate) inside: Option<Location>,
    /// Whether the key is wrong, not its value.
    pub(crate) is_key: bool,
}

impl Problem {
    fn new(path: &[&str], message: impl Into<String>) -> Self {
        Self {
            path: path.iter().map(|key| (*key).to_owned()).collect(),
            message: message.into(),
            is_secret: false,
            inside: None,
            is_key: false,
        }
    }
}

/// Whether the text looks like a DigitalOcean token, given by mistake instead of a name.
fn is_token(text: &str) -> bool {
    ["dop_v1_", "doo_v1_", "dor_v1_"]
        .iter()
        .any(|prefix| text.starts_with(prefix))
}

pub(crate) type Declared = BTreeMap<EnvironmentName, Vec<HostSpec>>;

impl DigitalOceanConfig {
    /// Fills in the defaults of hosts. Returns for each filled key the key that the value comes
    /// from.
    #[cfg(feature = "yaml")]
    pub(crate) fn fill_in(&mut self) -> BTreeMap<Vec<String>, Vec<String>> {
        let mut taken_from = BTreeMap::new();
        let (size, region) = (&self.default_size, &self.default_region);
        for (environment, hosts) in self.hosts.iter_mut() {
            for (name, host) in hosts.iter_mut() {
                let defaults = [
                    ("size", &mut host.size, size),
                    ("region", &mut host.region, region),
                ];
                for (key, own, default) in defaults {
                    if own.is_none() {
                        own.clone_from(default);
                        let path = ["hosts", environment.as_str(), name.as_str(), key];
                        taken_from.insert(
                            path.map(str::to_owned).to_vec(),
                            vec![format!("default_{key}")],
                        );
                    }
                }
                host.image.get_or_insert_with(|| DEFAULT_IMAGE.to_owned());
            }
        }
        taken_from
    }

    /// The source of the API token.
    ///
    /// # Errors
    ///
    /// [`SecretKeyError`] if none or several keys give a source, or one is invalid.
    pub fn token(&self) -> Result<SecretSource, SecretKeyError> {
        // By its characters, a token could be the name of a variable.
        let env = self.token_env.as_deref();
        let keys = SecretKeys {
            name: "token",
            env: env.map(|name| if is_token(name) { "no name" } else { name }),
            file: self.token_file.as_ref(),
            cmd: self.token_cmd.as_deref(),
        };
        keys.source()
    }

    /// A configuration without hosts, with defaults for all optional keys.
    ///
    /// `token_env` is the name of the variable that holds the API token, `ssh_key_name` that of a
    /// key in the account. Both are checked by [`DigitalOcean::new`](crate::DigitalOcean::new).
    pub fn new(token_env: impl Into<String>, ssh_key_name: impl Into<String>) -> Self {
        Self {
            token_env: Some(token_env.into()),
            token_file: None,
            token_cmd: None,
            ssh_key_name: ssh_key_name.into(),
            default_region: None,
            default_size: None,
            regions: None,
            sizes: None,
            hosts: UniqueMap::default(),
            poll: PollConfig::default(),
            lease: LeaseConfig::default(),
            rate: RateConfig::default(),
        }
    }

    /// The entry that declares a host, by itself or as one of several.
    pub(crate) fn entry(
        &self,
        environment: &EnvironmentName,
        host: &HostName,
    ) -> Option<&HostConfig> {
        let hosts = self.hosts.get(environment)?;
        if let Some(entry) = hosts.get(host).filter(|entry| entry.count.is_none()) {
            return Some(entry);
        }
        let (name, number) = host.as_str().rsplit_once('-')?;
        let number: u32 = number.parse().ok()?;
        let entry = hosts.get(&HostName::new(name.to_owned()).ok()?)?;
        entry
            .count
            .is_some_and(|count| (1..=count).contains(&number))
            .then_some(entry)
    }

    /// Declares a host. Replaces one of the same name in the same environment.
    #[must_use]
    pub fn with_host(
        mut self,
        environment: EnvironmentName,
        name: HostName,
        host: HostConfig,
    ) -> Self {
        self.hosts
            .entry(environment)
            .or_default()
            .insert(name, host);
        self
    }

    /// Resolves defaults and counts. Fails if the configuration cannot be applied.
    pub(crate) fn declared(&self, naming: &Naming) -> Result<Declared, Vec<Problem>> {
        let mut problems = self.check_keys();
        self.check_total()?;
        let mut declared = Declared::new();
        let mut nodes: BTreeMap<NodeName, (EnvironmentName, HostName)> = BTreeMap::new();
        for (environment, hosts) in &self.hosts {
            let mut specs = Vec::new();
            for (name, host) in hosts {
                let place = ["hosts", environment.as_str(), name.as_str()];
                match self.specs(name, host, place) {
                    Ok(made) => specs.extend(made),
                    Err(problem) => problems.push(problem),
                }
            }
            specs.sort_by(|a, b| a.name.cmp(&b.name));
            for pair in specs.windows(2).filter(|pair| pair[0].name == pair[1].name) {
                problems.push(Problem::new(
                    &["hosts", environment.as_str()],
                    format!("two entries make a host `{}`", pair[0].name),
                ));
            }
            for spec in &specs {
                let place = ["hosts", environment.as_str(), spec.name.as_str()];
                match naming.node(environment, &spec.name) {
                    // Reported once already, where it stands.
                    Err(error) if error.is_of_project() => {}
                    Err(error) if error.is_of_environment() => {
                        problems.push(Problem {
                            is_key: true,
                            ..Problem::new(&place[..2], error.to_string())
                        });
                        break;
                    }
                    Err(error) => problems.push(Problem::new(&place, error.to_string())),
                    Ok(node) => {
                        let owner = (environment.clone(), spec.name.clone());
                        if let Some((other, host)) = nodes.insert(node.clone(), owner)
                            && other != *environment
                        {
                            problems.push(Problem::new(
                                &place,
                                format!("`{node}` would also be the name of `{host}` in environment `{other}`"),
                            ));
                        }
                    }
                }
            }
            declared.insert(environment.clone(), specs);
        }
        if problems.is_empty() {
            Ok(declared)
        } else {
            Err(problems)
        }
    }

    /// Rejects a file with too many hosts before they are expanded.
    fn check_total(&self) -> Result<(), Vec<Problem>> {
        let entries = self.hosts.values().flat_map(|hosts| hosts.values());
        let total: u64 = entries.map(|host| u64::from(host.count.unwrap_or(1))).sum();
        if total <= TOTAL_LIMIT {
            return Ok(());
        }
        let message = format!("{total} hosts in all; at most {TOTAL_LIMIT} can be declared");
        Err(vec![Problem::new(&["hosts"], message)])
    }

    fn check_keys(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Err(error) = self.token() {
            let path: Vec<&str> = error.key.iter().map(String::as_str).collect();
            problems.push(Problem {
                is_secret: error.is_secret,
                ..Problem::new(&path, error.message)
            });
        }
        if self.ssh_key_name.trim().is_empty() {
            problems.push(Problem::new(&["ssh_key_name"], "ssh_key_name is required"));
        }
        for (key, value) in [
            ("default_size", &self.default_size),
            ("default_region", &self.default_region),
        ] {
            if value.as_ref().is_some_and(|value| value.trim().is_empty()) {
                problems.push(Problem::new(&[key], format!("{key} must not be empty")));
            }
        }
        if self.hosts.is_empty() {
            problems.push(Problem::new(&["hosts"], "hosts configuration is required"));
        }
        for (block, key, value) in [
            ("poll", "interval", self.poll.interval),
            ("poll", "deadline", self.poll.deadline),
            ("poll", "list_lag", self.poll.list_lag),
            ("lease", "interval", self.lease.interval),
            ("lease", "expiry", self.lease.expiry),
            ("rate", "window", self.rate.window),
        ] {
            if value.get().is_zero() {
                problems.push(Problem::new(&[block, key], "must be longer than zero"));
            }
        }
        if !(FEWEST_REQUESTS..=MOST_REQUESTS).contains(&self.rate.requests) {
            let message = format!("must be from {FEWEST_REQUESTS} to {MOST_REQUESTS}");
            problems.push(Problem::new(&["rate", "requests"], message));
        }
        if self.lease.expiry.get() < self.lease.interval.get() * 2 {
            problems.push(Problem::new(
                &["lease", "expiry"],
                "must be at least twice lease.interval",
            ));
        }
        problems
    }

    fn specs(
        &self,
        name: &HostName,
        host: &HostConfig,
        place: [&str; 3],
    ) -> Result<Vec<HostSpec>, Problem> {
        let at = |key| [place[0], place[1], place[2], key];
        let pick = |key: &'static str,
                    own: &Option<String>,
                    default: &Option<String>,
                    allowed: &Option<Vec<String>>| {
            let Some(value) = own.as_ref().or(default.as_ref()) else {
                return Err(Problem::new(
                    &place,
                    format!("no {key}: give the host one, or set default_{key}"),
                ));
            };
            if let Some(allowed) = allowed
                && !allowed.contains(value)
            {
                return Err(Problem::new(
                    &at(key),
                    format!(
                        "{key} `{value}` is not among the allowed {key}s: {}",
                        allowed.join(", ")
                    ),
                ));
            }
            Ok(value.clone())
        };
        for (key, value) in [
            ("size", &host.size),
            ("region", &host.region),
            ("image", &host.image),
        ] {
            if value.as_ref().is_some_and(|value| value.trim().is_empty()) {
                return Err(Problem::new(&at(key), format!("{key} must not be empty")));
            }
        }
        let size = pick("size", &host.size, &self.default_size, &self.sizes)?;
        let region = pick("region", &host.region, &self.default_region, &self.regions)?;
        let image = host
            .image
            .clone()
            .unwrap_or_else(|| DEFAULT_IMAGE.to_owned());
        let options = host.options().map_err(|KeyProblem { key, flaw }| Problem {
            inside: flaw.at,
            ..Problem::new(&at(key), flaw.message)
        })?;
        let spec = |name| HostSpec {
            name,
            role: host.role.clone(),
            size: size.clone(),
            region: region.clone(),
            image: image.clone(),
            options: options.clone(),
        };
        match host.count {
            None => Ok(vec![spec(name.clone())]),
            Some(count) if count <= COUNT_LIMIT => (1..=count)
                .map(|number| {
                    HostName::new(format!("{name}-{number}"))
                        .map(spec)
                        .map_err(|error| Problem::new(&at("count"), error.to_string()))
                })
                .collect(),
            Some(_) => Err(Problem::new(
                &at("count"),
                format!("at most {COUNT_LIMIT} hosts in one entry"),
            )),
        }
    }
}

#[cfg(test)]
#[cfg(feature = "yaml")]
mod tests;
