//! Reads what observing needs beside the hosts, and an apply beside its plan.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use secrecy::ExposeSecret as _;
use stagecraft_core::{
    CloudFacts, EnvironmentName, Error, ErrorKind, Finding, HostName, HostOptions, HostSpec,
    InfraPlan, Result, Run, SecretSource,
};

use super::DigitalOcean;
use crate::apply::Making;
use crate::client::Client;
use crate::clock::Clock;
use crate::config::{HostConfig, UserData};
use crate::error::provider_error;
use crate::user_data::Texts;
use crate::wire::{CloudProject, Concern, Vpc};
use crate::{around, findings, user_data};

impl DigitalOcean {
    /// The declared hosts, with the digests of the files that were read.
    pub(super) fn declared_with_files(
        &self,
        environment: &EnvironmentName,
    ) -> Result<Vec<HostSpec>> {
        let mut declared = self.declared_specs(environment)?;
        let files = &self.seen().files;
        for spec in &mut declared {
            let path = self.user_data_file(environment, &spec.name);
            let text = path.and_then(|path| files.0.get(path));
            if let Some(text) = text {
                spec.options.user_data_sha256 = Some(user_data::digest(text));
            }
        }
        Ok(declared)
    }

    /// Reads the files with user data of an environment's hosts, and has the run redact all user
    /// data.
    pub(super) async fn read_files(&self, run: &Run, environment: &EnvironmentName) -> Result<()> {
        let mut files = BTreeMap::new();
        for spec in self.declared_specs(environment)? {
            let entry = self.config.entry(environment, &spec.name);
            if let Some(text) = entry.and_then(|entry| entry.user_data.as_ref()) {
                run.conceal(&format!("user data of {}", spec.name), text.as_str());
            }
            let Some(path) = self.user_data_file(environment, &spec.name) else {
                continue;
            };
            if files.contains_key(path) {
                continue;
            }
            // Read as a secret, because user data often contains some.
            let source = SecretSource::File(path.clone());
            let text = run.secret(&source).await.map_err(|error| {
                let message = format!("cannot read the user data of host '{}'", spec.name);
                provider_error(error.kind(), message).with_source(error)
            })?;
            let text = text.map_or(String::new(), |text| text.expose_secret().to_owned());
            files.insert(path.clone(), text);
        }
        self.seen().files.0.extend(files);
        Ok(())
    }

    fn user_data_file(&self, environment: &EnvironmentName, host: &HostName) -> Option<&PathBuf> {
        let entry = self.config.entry(environment, host)?;
        entry.user_data_file.as_ref()
    }

    /// All user data of an environment by its digest, for files that were read.
    fn texts(&self, environment: &EnvironmentName) -> Texts<String> {
        let seen = self.seen();
        let hosts = self.config.hosts.get(environment).into_iter().flatten();
        let texts = hosts.filter_map(|(_, host)| {
            let file = host.user_data_file.as_ref();
            let text = file.and_then(|path| seen.files.0.get(path));
            let text = text.map(String::as_str);
            text.or(host.user_data.as_ref().map(UserData::as_str))
        });
        let by_digest = texts.map(|text| (user_data::digest(text), text.to_owned()));
        Texts(by_digest.collect())
    }

    /// Finds user data that the API or cloud-init would refuse, in files that were read.
    pub(super) fn check_user_data<'h>(
        &self,
        environment: &EnvironmentName,
        hosts: impl Iterator<Item = (&'h HostName, &'h HostOptions)>,
    ) -> Vec<Finding> {
        let texts = self.texts(environment);
        let check = |(host, options): (&HostName, &HostOptions)| {
            let text = options.user_data_sha256.as_ref();
            let text = text.map(|digest| texts.0.get(digest))?;
            let file = self.user_data_file(environment, host);
            findings::check_user_data(host, file.map(PathBuf::as_path), text.map(String::as_str))
        };
        hosts.filter_map(check).collect()
    }

    /// Spells the VPCs of hosts as the declarations do. One call, and none if no host declares one.
    pub(super) async fn spell_vpcs(
        &self,
        client: &Client,
        run: &Run,
        environment: &EnvironmentName,
        facts: &mut CloudFacts,
    ) -> Result<()> {
        let declared = self.declared_specs(environment).unwrap_or_default();
        if declared.iter().any(|spec| spec.options.vpc.is_some()) {
            let vpcs = self.list_vpcs(client, run).await?;
            around::spell_vpcs(&mut facts.hosts, &declared, &vpcs);
            self.seen().vpcs = Some(vpcs);
        }
        Ok(())
    }

    /// Sets whether hosts are in their declared projects. No call if none declares one.
    pub(super) async fn spell_projects(
        &self,
        client: &Client,
        run: &Run,
        environment: &EnvironmentName,
        facts: &mut CloudFacts,
    ) -> Result<()> {
        self.seen().projects = None;
        let mut declared = self.declared_specs(environment).unwrap_or_default();
        declared.retain(|spec| spec.options.cloud_project.is_some());
        let exists = |spec: &HostSpec| {
            let mut hosts = facts.hosts.iter();
            hosts.any(|host| host.name.as_ref() == Some(&spec.name))
        };
        if !declared.iter().any(exists) {
            return Ok(());
        }
        let projects = self.list_projects(client, run).await?;
        around::spell_projects(client, run, &mut facts.hosts, &declared, &projects).await?;
        self.seen().projects = Some(projects);
        Ok(())
    }

    async fn vpcs(&self, client: &Client, run: &Run) -> Result<Vec<Vpc>> {
        let known = self.seen().vpcs.clone();
        match known {
            Some(vpcs) => Ok(vpcs),
            None => self.list_vpcs(client, run).await,
        }
    }

    async fn list_vpcs(&self, client: &Client, run: &Run) -> Result<Vec<Vpc>> {
        let is_declared = |name: &str| self.is_any_declared(name, |host| host.vpc.as_ref());
        around::list_vpcs(client, run, Concern::Named(&is_declared)).await
    }

    async fn list_projects(&self, client: &Client, run: &Run) -> Result<Vec<CloudProject>> {
        let is_declared = |name: &str| self.is_any_declared(name, |host| host.project.as_ref());
        around::list_projects(client, run, Concern::Named(&is_declared)).await
    }

    /// Whether any host declares this name or id.
    fn is_any_declared(&self, name: &str, of: impl Fn(&HostConfig) -> Option<&String>) -> bool {
        let hosts = self.config.hosts.values().flat_map(|hosts| hosts.values());
        let mut declared = hosts.filter_map(of);
        declared.any(|declared| declared.eq_ignore_ascii_case(name))
    }

    /// Checks the options of hosts.
    pub(super) async fn check_options(
        &self,
        client: &Client,
        run: &Run,
        facts: &CloudFacts,
        plan: &InfraPlan,
    ) -> Result<Vec<Finding>> {
        let mut all = findings::check_resizes(facts, plan);
        let created = plan.create.iter().map(|entry| &entry.spec);
        let created = created.map(|spec| (&spec.name, &spec.options));
        all.extend(self.check_user_data(&plan.environment, created));
        if plan
            .create
            .iter()
            .any(|entry| entry.spec.options.vpc.is_some())
        {
            let vpcs = self.vpcs(client, run).await?;
            all.extend(around::check_vpcs(&plan.create, &vpcs));
        }
        let in_projects = in_projects(plan);
        if !in_projects.is_empty() {
            let seen = self.seen().projects.clone();
            let projects = match seen {
                Some(seen) => seen,
                None => self.list_projects(client, run).await?,
            };
            all.extend(around::check_projects(&in_projects, &projects));
            self.seen().projects = Some(projects);
        }
        Ok(all)
    }

    /// Resolves the names in a plan. Reads only what was not read before.
    pub(super) async fn prepare(
        &self,
        client: &Client,
        run: &Run,
        plan: &InfraPlan,
    ) -> Result<Making> {
        let environment = &plan.environment;
        let clock = self.seen().clock;
        let options = || plan.create.iter().map(|entry| &entry.spec.options);
        let wanted: BTreeSet<&String> = options().filter_map(|own| own.vpc.as_ref()).collect();
        let mut vpcs = BTreeMap::new();
        if !wanted.is_empty() {
            let known = self.vpcs(client, run).await?;
            for name in wanted {
                let vpc = around::find_vpc(&known, name).ok_or_else(|| missing("VPC", name))?;
                vpcs.insert(name.clone(), vpc.id.clone());
            }
        }
        let mut user_data = self.texts(environment);
        let is_known = |digest: &String| user_data.0.contains_key(digest);
        if !options()
            .filter_map(|own| own.user_data_sha256.as_ref())
            .all(is_known)
        {
            self.read_files(run, environment).await?;
            user_data = self.texts(environment);
        }
        let in_projects = in_projects(plan);
        let mut projects = BTreeMap::new();
        if !in_projects.is_empty() {
            let seen = self.seen().projects.take();
            let known = match seen {
                Some(known) => known,
                None => self.list_projects(client, run).await?,
            };
            for (host, name) in in_projects {
                let project = around::find_project(&known, &name);
                let project = project.ok_or_else(|| missing("project", &name))?;
                projects.insert(host, project.id.clone());
            }
        }
        Ok(Making {
            clock: clock.unwrap_or_else(Clock::own),
            vpcs,
            user_data,
            projects,
        })
    }
}

/// The hosts that a plan assigns to a project, with its declared name.
fn in_projects(plan: &InfraPlan) -> BTreeMap<HostName, String> {
    let new = plan.create.iter().filter_map(|entry| {
        let project = entry.spec.options.cloud_project.clone()?;
        Some((entry.spec.name.clone(), project))
    });
    let existing = plan.retag.iter().filter_map(|entry| {
        let name = HostName::new(entry.host.name.clone()).ok()?;
        Some((name, entry.project.clone()?))
    });
    new.chain(existing).collect()
}

fn missing(what: &str, name: &str) -> Error {
    let message = format!("{what} `{name}` does not exist in the account");
    provider_error(ErrorKind::NotFound, message)
}
