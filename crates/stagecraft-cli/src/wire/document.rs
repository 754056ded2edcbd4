//! What commands print that have one answer.

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;
use stagecraft_core as core;
use stagecraft_core::config::schema_keys;

use super::VERSION;
use super::host::Host;
use super::plan::Planned;
use super::step::HostReport;

/// What `infra plan` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PlanDocument {
    /// The version of this contract.
    #[schemars(extend("const" = VERSION))]
    v: u32,
    #[serde(flatten)]
    planned: Planned,
    /// Whether the plan cannot be carried out as it is. The exit code is then that of the
    /// command which would refuse it: 7 for a guard, otherwise 2.
    refused: bool,
    /// What each step would change on the hosts that exist, by name. Only with `--hosts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    hosts: Option<Vec<HostReport>>,
}

/// What `infra hosts` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct HostsDocument {
    /// The version of this contract.
    #[schemars(extend("const" = VERSION))]
    v: u32,
    /// The environment.
    environment: String,
    /// Its hosts, sorted by name.
    hosts: Vec<Host>,
    /// The names of those that the file does not declare: `infra prune` deletes them.
    undeclared: Vec<String>,
    /// What these cost a month; `null` if there are none or the cloud does not tell.
    #[schemars(extend("x-unit" = "millionths of a US dollar"))]
    undeclared_monthly: Option<i64>,
}

/// What `config validate` prints of a configuration without mistakes.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ConfigDocument {
    /// The version of this contract.
    #[schemars(extend("const" = VERSION))]
    v: u32,
    /// Always true: mistakes are a line with a result instead.
    valid: bool,
    /// The environments that were checked.
    environments: Vec<ConfigEnvironment>,
}

/// An environment of a configuration.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ConfigEnvironment {
    /// Its name.
    pub(crate) name: String,
    /// How many hosts it declares.
    pub(crate) hosts: usize,
}

/// What `providers` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ProvidersDocument {
    /// The version of this contract.
    #[schemars(extend("const" = VERSION))]
    v: u32,
    /// What is built in, by kind, then id.
    providers: Vec<Provider>,
}

/// A provider or host step of the program.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Provider {
    /// What it is.
    pub(crate) kind: ProviderKind,
    /// Its id, which is also its key in the configuration.
    pub(crate) id: String,
    /// What it is, in one line.
    pub(crate) summary: String,
    /// The crate that it comes from.
    pub(crate) origin: String,
    /// The version of that crate.
    pub(crate) version: String,
    /// Whether its behaviour may still change between minor versions.
    pub(crate) experimental: bool,
    /// What it can do beyond the least.
    pub(crate) capabilities: Vec<String>,
    /// The keys of its configuration. Only where one provider was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) keys: Option<Vec<ProviderKey>>,
}

/// A key of a provider's configuration.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ProviderKey {
    /// The keys that lead to it, joined by dots; `*` stands for a name that the user chooses.
    key: String,
    /// The type of its value.
    #[serde(rename = "type")]
    kind: String,
    /// Whether it must be given where the mapping around it is.
    required: bool,
    /// What it means.
    description: String,
}

/// What a provider is.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ProviderKind {
    /// It makes and removes hosts.
    Cloud,
    /// It joins hosts to a private network.
    Network,
    /// It ensures one thing on every host.
    Step,
}

/// What `version` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct VersionDocument {
    /// The version of this contract.
    #[schemars(extend("const" = VERSION))]
    v: u32,
    /// The version of the program.
    version: String,
}

/// What `init` prints. One of `written` and `text` is there.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct InitDocument {
    /// The version of this contract.
    #[schemars(extend("const" = VERSION))]
    v: u32,
    /// The file that was written. Null in a dry run.
    written: Option<String>,
    /// What would be written. Null unless it is a dry run.
    text: Option<String>,
}

/// What `sandbox` prints once it serves.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SandboxDocument {
    /// The version of this contract.
    #[schemars(extend("const" = VERSION))]
    v: u32,
    /// The variables under which commands meet the sandbox, by name.
    variables: BTreeMap<String, String>,
}

impl From<Planned> for PlanDocument {
    fn from(planned: Planned) -> Self {
        Self {
            v: VERSION,
            planned,
            refused: false,
            hosts: None,
        }
    }
}

impl PlanDocument {
    /// Whether the plan would be refused.
    pub(crate) fn refused(mut self, refused: bool) -> Self {
        self.refused = refused;
        self
    }

    /// With what would be changed on the hosts.
    pub(crate) fn with_hosts(mut self, hosts: &[&infra_bootstrap::HostReport]) -> Self {
        self.hosts = Some(hosts.iter().copied().map(HostReport::from).collect());
        self
    }
}

impl HostsDocument {
    /// The hosts that exist, and those that are declared.
    pub(crate) fn new(
        environment: &core::EnvironmentName,
        hosts: &[core::Host],
        declared: &[core::HostSpec],
    ) -> Self {
        let listed = |host: &core::Host| {
            let mut specs = declared.iter();
            let spec = specs.find(|spec| host.name.as_ref() == Some(&spec.name));
            Host::declared(host, spec)
        };
        Self {
            v: VERSION,
            environment: environment.to_string(),
            hosts: hosts.iter().map(listed).collect(),
            undeclared: Vec::new(),
            undeclared_monthly: None,
        }
    }

    /// With the hosts that the file does not declare, and what they cost a month.
    pub(crate) fn undeclared(
        mut self,
        hosts: &[&core::Host],
        monthly: Option<core::MicroUsd>,
    ) -> Self {
        self.undeclared = hosts.iter().map(|host| host.shown_name()).collect();
        self.undeclared_monthly = monthly.map(|amount| amount.0);
        self
    }
}

impl ConfigDocument {
    pub(crate) fn new(environments: impl IntoIterator<Item = ConfigEnvironment>) -> Self {
        Self {
            v: VERSION,
            valid: true,
            environments: environments.into_iter().collect(),
        }
    }
}

impl ProvidersDocument {
    pub(crate) fn new(providers: impl IntoIterator<Item = Provider>) -> Self {
        Self {
            v: VERSION,
            providers: providers.into_iter().collect(),
        }
    }
}

impl From<&core::Descriptor> for Provider {
    fn from(descriptor: &core::Descriptor) -> Self {
        Self {
            kind: match descriptor.kind() {
                core::Kind::Cloud => ProviderKind::Cloud,
                core::Kind::Network => ProviderKind::Network,
                core::Kind::Step => ProviderKind::Step,
            },
            id: descriptor.id.to_owned(),
            summary: descriptor.summary.to_owned(),
            origin: descriptor.origin.to_owned(),
            version: descriptor.version.to_owned(),
            experimental: descriptor.is_experimental,
            capabilities: descriptor
                .capabilities
                .iter()
                .map(|capability| (*capability).to_owned())
                .collect(),
            keys: None,
        }
    }
}

impl Provider {
    /// With the keys of its configuration.
    pub(crate) fn with_keys(descriptor: &core::Descriptor) -> Self {
        let keys = schema_keys(&(descriptor.schema)().to_value());
        let keys = keys.into_iter().map(|key| ProviderKey {
            key: key.key,
            kind: key.kind,
            required: key.is_required,
            description: key.description,
        });
        Self {
            keys: Some(keys.collect()),
            ..Self::from(descriptor)
        }
    }
}

impl VersionDocument {
    pub(crate) fn new(version: &str) -> Self {
        Self {
            v: VERSION,
            version: version.to_owned(),
        }
    }
}

impl InitDocument {
    /// A file was written.
    pub(crate) fn written(path: &Path) -> Self {
        Self {
            v: VERSION,
            written: Some(path.display().to_string()),
            text: None,
        }
    }

    /// A dry run: this would be written.
    pub(crate) fn dry_run(text: String) -> Self {
        Self {
            v: VERSION,
            written: None,
            text: Some(text),
        }
    }
}

impl SandboxDocument {
    pub(crate) fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self {
            v: VERSION,
            variables: variables.into_iter().collect(),
        }
    }
}
