//! The envelope of `stagecraft.yml`: the chosen providers, and the places of their blocks.

use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Number, Value};

use super::block::ConfigBlock;
use super::document::Document;
use super::envelope::Envelope;
use super::error::{ConfigError, ConfigErrors, nearest};
use crate::limits::Limits;
use crate::money::MicroUsd;
use crate::name::ProjectName;
use crate::naming::Naming;

/// A loaded `stagecraft.yml`.
#[derive(Debug, Clone)]
pub struct Project {
    document: Arc<Document>,
    envelope: Arc<Envelope>,
}

impl Project {
    /// Reads the envelope.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] for unknown keys, wrong types, missing keys, unsupported keys, and an
    /// empty name of the expected account.
    pub fn new(document: Document) -> Result<Self, ConfigErrors> {
        let envelope = document
            .parse::<Option<Envelope>>(&[])?
            .flatten()
            .ok_or_else(|| document.error(&[], "the file is empty"))?;
        let cloud = envelope.cloud.as_ref();
        let account = cloud.and_then(|cloud| cloud.expect_account.as_ref());
        if account.is_some_and(|name| name.trim().is_empty()) {
            // An unset variable leads to this. It would guard nothing, although it seems to.
            let message =
                "must name an account: its id, the name of its team, or an e-mail address";
            return Err(document.error(&["cloud", "expect_account"], message).into());
        }
        let project = Self {
            document: Arc::new(document),
            envelope: Arc::new(envelope),
        };
        project.naming().check_project().map_err(|error| {
            let path = ["cloud", "name_pattern"];
            project.document.error(&path, error.to_string())
        })?;
        Ok(project)
    }

    /// Reads what is readable of a file with mistakes in its envelope, so that mistakes in the
    /// blocks of providers and steps are reported with them. For no other use.
    pub fn salvage(document: Document) -> Self {
        fn section<T: DeserializeOwned + JsonSchema>(document: &Document, key: &str) -> Option<T> {
            document.parse(&[key]).ok().flatten()
        }
        let envelope = Envelope {
            project: section(&document, "project"),
            cloud: section(&document, "cloud"),
            network: section(&document, "network"),
            infra: section(&document, "infra"),
            limits: section(&document, "limits"),
            ..Envelope::default()
        };
        Self {
            document: Arc::new(document),
            envelope: Arc::new(envelope),
        }
    }

    /// The file.
    pub fn document(&self) -> &Arc<Document> {
        &self.document
    }

    /// The project's name, if it has one.
    pub fn name(&self) -> Option<&ProjectName> {
        self.envelope.project.as_ref().map(|project| &project.name)
    }

    /// How hosts are named in cloud and network.
    pub fn naming(&self) -> Naming {
        let cloud = self.envelope.cloud.as_ref();
        let pattern = cloud.map(|cloud| cloud.name_pattern.clone());
        Naming::new(self.name().cloned(), pattern.unwrap_or_default())
    }

    /// Returns the keys of the envelope that are set.
    pub(super) fn envelope_values(&self) -> Vec<(Vec<String>, Value)> {
        let envelope = &self.envelope;
        let text = |value: Option<&str>| value.map_or(Value::Null, Value::from);
        let limits = envelope.limits.as_ref();
        let max_hosts = limits.and_then(|limits| limits.max_hosts);
        let max_monthly = limits.and_then(|limits| limits.max_monthly.clone());
        let env_file = envelope.env_file.as_ref();
        let env_file = env_file.map(|path| path.display().to_string());
        let cloud = envelope.cloud.as_ref();
        let pattern = cloud.map(|cloud| cloud.name_pattern.to_string());
        let values: [(&[&str], Value); 8] = [
            (&["env_file"], text(env_file.as_deref())),
            (
                &["project", "name"],
                text(self.name().map(ProjectName::as_str)),
            ),
            (&["cloud", "provider"], text(self.cloud().ok())),
            (&["cloud", "expect_account"], text(self.expect_account())),
            (&["cloud", "name_pattern"], text(pattern.as_deref())),
            (&["network", "provider"], text(self.network())),
            (
                &["limits", "max_hosts"],
                max_hosts.map_or(Value::Null, Value::from),
            ),
            (
                &["limits", "max_monthly"],
                max_monthly.map_or(Value::Null, Value::from),
            ),
        ];
        values
            .into_iter()
            .map(|(path, value)| (path.iter().map(|key| (*key).to_owned()).collect(), value))
            .collect()
    }

    /// The path of `env_file`.
    pub fn env_file(&self) -> Option<&Path> {
        self.envelope.env_file.as_deref()
    }

    /// The chosen cloud provider's id.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `cloud` is missing.
    pub fn cloud(&self) -> Result<&str, ConfigError> {
        self.envelope
            .cloud
            .as_ref()
            .map(|cloud| cloud.provider.as_str())
            .ok_or_else(|| self.document.error(&[], "missing key `cloud`"))
    }

    /// The only account to work in, if one is set: its id, its e-mail address or its team.
    pub fn expect_account(&self) -> Option<&str> {
        self.envelope.cloud.as_ref()?.expect_account.as_deref()
    }

    /// The limits of an environment.
    pub fn limits(&self) -> Limits {
        let Some(limits) = &self.envelope.limits else {
            return Limits::default();
        };
        let dollars = limits.max_monthly.as_ref().and_then(Number::as_f64);
        Limits {
            max_hosts: limits.max_hosts,
            max_monthly: dollars.map(MicroUsd::from_dollars),
        }
    }

    /// Returns the configuration of a cloud provider.
    pub fn cloud_block(&self, id: &str) -> ConfigBlock {
        self.block(&["cloud", "providers", id])
    }

    /// The chosen network provider's id, if any.
    pub fn network(&self) -> Option<&str> {
        self.envelope
            .network
            .as_ref()
            .map(|network| network.provider.as_str())
    }

    /// Returns the configuration of a network provider.
    pub fn network_block(&self, id: &str) -> ConfigBlock {
        self.block(&["network", "providers", id])
    }

    /// Returns the configuration under `infra.bootstrap.<key>`.
    pub fn bootstrap_block(&self, key: &str) -> ConfigBlock {
        self.block(&["infra", "bootstrap", key])
    }

    /// Whether `infra.bootstrap.<key>` is in the file.
    pub fn has_bootstrap(&self, key: &str) -> bool {
        self.envelope
            .infra
            .as_ref()
            .is_some_and(|infra| infra.bootstrap.contains_key(key))
    }

    /// Refuses every provider and every key of `infra.bootstrap` that nothing reads.
    ///
    /// # Errors
    ///
    /// One [`ConfigError`] for each of them.
    pub fn check_keys(&self, known: &KnownKeys<'_>) -> Result<(), ConfigErrors> {
        let mut errors = Vec::new();
        let mut check = |path: &[&str], name: &str, known: &[&str], what: &str| {
            // Locating each of them decodes the file again.
            if errors.len() < self.document.error_limit() && !known.contains(&name) {
                let list: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
                let message = format!("unknown {what} `{name}`, known: {}", list.join(", "));
                let near = nearest(name, known.iter().copied());
                errors.push(if path.last() == Some(&name) {
                    self.document.key_error(path, message, near)
                } else {
                    self.document.error_with_suggestion(path, message, near)
                });
            }
        };
        let cloud = self.envelope.cloud.as_ref();
        let cloud = cloud.map(|cloud| (&cloud.provider, &cloud.providers));
        let network = self.envelope.network.as_ref();
        let network = network.map(|network| (&network.provider, &network.providers));
        let sections = [
            ("cloud", cloud, known.clouds),
            ("network", network, known.networks),
        ];
        for (section, content, known) in sections {
            let Some((provider, providers)) = content else {
                continue;
            };
            let what = format!("{section} provider");
            check(&[section, "provider"], provider, known, &what);
            for id in providers.keys() {
                check(&[section, "providers", id], id, known, &what);
            }
        }
        for key in self
            .envelope
            .infra
            .iter()
            .flat_map(|infra| infra.bootstrap.keys())
        {
            check(&["infra", "bootstrap", key], key, known.bootstrap, "key");
        }
        ConfigErrors::new(errors).map_or(Ok(()), Err)
    }

    fn block(&self, path: &[&str]) -> ConfigBlock {
        ConfigBlock::new(Arc::clone(&self.document), path.iter().copied())
    }
}

/// The names that a build of Stagecraft accepts where the envelope is open.
#[derive(Debug, Clone, Copy)]
pub struct KnownKeys<'a> {
    /// The ids of the cloud providers.
    pub clouds: &'a [&'a str],
    /// The ids of the network providers.
    pub networks: &'a [&'a str],
    /// The keys of `infra.bootstrap`.
    pub bootstrap: &'a [&'a str],
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(text: &str) -> Result<Project, ConfigError> {
        Project::new(Document::new("stagecraft.yml", text).unwrap())
            .map_err(|errors| errors.first().clone())
    }

    #[test]
    fn unknown_top_level_key_names_its_place_and_the_nearest_key() {
        let error = project("cloud:\n  provider: x\nnetwrk: {}\n").unwrap_err();
        assert_eq!(error.location.map(|at| at.line), Some(3));
        assert_eq!(error.suggestion.as_deref(), Some("network"));
    }

    #[test]
    fn keys_of_later_versions_are_refused_as_not_supported_yet() {
        let error = project("cloud: { provider: x }\nservices:\n  web: {}\n").unwrap_err();
        assert_eq!(error.message, "not supported yet");
        assert_eq!(error.path, "services");
        assert_eq!(error.location.map(|at| at.line), Some(3));
    }

    #[test]
    fn wrong_type_and_missing_key_have_a_place() {
        let error = project("cloud: 7\n").unwrap_err();
        assert_eq!(error.location.map(|at| (at.line, at.column)), Some((1, 8)));
        let error = project("a: 1\n").unwrap_err();
        assert!(error.location.is_some());
        let error = project("network:\n  providers: {}\n").unwrap_err();
        assert!(
            error.message.contains("missing field `provider`"),
            "{error}"
        );
        assert_eq!(error.location.map(|at| at.line), Some(2));
        assert_eq!(project("").unwrap_err().message, "the file is empty");
    }

    #[test]
    fn limits_and_the_expected_account_are_read_and_absurd_prices_have_a_place() {
        let text = "cloud: { provider: x, expect_account: ops@example.com }\nlimits:\n";
        let limited = |rest: &str| project(&format!("{text}  {rest}\n"));
        let read = limited("{ max_hosts: 3, max_monthly: 99.5 }").unwrap();
        assert_eq!(read.expect_account(), Some("ops@example.com"));
        let expected = Limits {
            max_hosts: Some(3),
            max_monthly: Some(MicroUsd(99_500_000)),
        };
        assert_eq!(read.limits(), expected);
        assert_eq!(limited("{}").unwrap().limits(), Limits::default());
        for wrong in [
            "{ max_monthly: -1 }",
            "{ max_monthly: .nan }",
            "{ max_hosts: -1 }",
        ] {
            let error = limited(wrong).unwrap_err();
            assert_eq!(error.location.map(|at| at.line), Some(3), "{error}");
        }
    }

    #[test]
    fn name_patterns_that_could_name_two_hosts_alike_are_refused_at_their_place() {
        let with = |name: &str, pattern: &str| {
            let name = format!("project: {{ name: {name} }}\n");
            let name = if name.contains("none") { "" } else { &name };
            project(&format!(
                "cloud:\n  provider: x\n  name_pattern: \"{pattern}\"\n{name}"
            ))
        };
        let shop = with("shop", "{project}-{env}-{host}").unwrap();
        assert_eq!(
            shop.naming().pattern().to_string(),
            "{project}-{env}-{host}"
        );
        for (name, pattern, told) in [
            ("shop", "{host}", "{env} is missing"),
            ("shop", "{name}-{env}-{host}", "unknown placeholder {name}"),
            ("none", "{project}-{env}-{host}", "give project.name"),
            ("a-b", "{project}-{env}-{host}", "{project}--{env}--{host}"),
        ] {
            let error = with(name, pattern).unwrap_err();
            assert!(error.message.contains(told), "{error}");
            assert_eq!(error.path, "cloud.name_pattern");
            assert_eq!(error.location.map(|at| at.line), Some(3), "{error}");
        }
    }

    #[test]
    fn empty_name_of_the_expected_account_is_refused_at_its_place() {
        for name in ["\"\"", "' '", "\"\\t\""] {
            let text = format!("cloud:\n  provider: x\n  expect_account: {name}\n");
            let error = project(&text).unwrap_err();
            assert!(error.message.contains("must name an account"), "{error}");
            assert_eq!(error.path, "cloud.expect_account");
            assert_eq!(error.location.map(|at| at.line), Some(3), "{error}");
        }
    }

    #[test]
    fn every_unread_provider_and_step_is_reported() {
        let text = "cloud:\n  provider: digitalocaen\n  providers: { aws: {} }\ninfra:\n  bootstrap:\n    dokcer: {}\n";
        let known = KnownKeys {
            clouds: &["digitalocean"],
            networks: &["tailscale"],
            bootstrap: &["docker", "network", "ssh"],
        };
        let errors = project(text).unwrap().check_keys(&known).unwrap_err();
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "stagecraft.yml:2:13: cloud.provider: unknown cloud provider `digitalocaen`, known: `digitalocean` (did you mean `digitalocean`?)",
                "stagecraft.yml:3:16: cloud.providers.aws: unknown cloud provider `aws`, known: `digitalocean`",
                "stagecraft.yml:6:5: infra.bootstrap.dokcer: unknown key `dokcer`, known: `docker`, `network`, `ssh` (did you mean `docker`?)",
            ]
        );
    }
}
