//! Plans in files: reviewed now, applied later.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::facts::CloudFacts;
use super::host_changes::HostChanges;
use super::infra_plan::{InfraPlan, PLAN_VERSION};
use super::request::PlanRequest;
use crate::error::{Error, ErrorKind, Result};
use crate::host::Host;
use crate::name::HostId;
use crate::tags;

/// The version of the format of saved plans.
pub const SAVED_PLAN_VERSION: u32 = 2;

/// The largest saved plan, in bytes: enough for tens of thousands of hosts.
pub const SAVED_PLAN_LIMIT: usize = 16 * 1024 * 1024;

/// A plan, its request, and the facts that decide whether it still holds.
///
/// Account, endpoint, prices and declarations are in the plan itself. Changes without
/// consequence, such as a host that has booted meanwhile, are in neither.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedPlan {
    pub(super) request: PlanRequest,
    pub(super) plan: InfraPlan,
    pub(super) facts: Facts,
    /// The changes on existing hosts; `None` if they were not read.
    pub(super) hosts: Option<Vec<HostChanges>>,
}

/// The facts besides the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Facts {
    /// Every host with the environment's tag, sorted by id.
    pub(super) hosts: Vec<HostFact>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HostFact {
    pub(super) id: HostId,
    /// Its name within the environment, or its whole name if that is not ours.
    pub(super) name: String,
    pub(super) size: String,
    pub(super) region: String,
    /// The tags that identify its owner and its key: in lower case, sorted.
    pub(super) tags: Vec<String>,
}

/// The file, field by field.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    /// Covers all following fields, so that an edited file is noticed.
    digest: String,
    plan_id: String,
    request: PlanRequest,
    plan: InfraPlan,
    facts: Facts,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hosts: Option<Vec<HostChanges>>,
}

/// Decoded first: another version may have other fields.
#[derive(Debug, Deserialize)]
struct Head {
    version: u32,
}

impl SavedPlan {
    /// Combines a plan with the facts that it was computed from.
    pub fn new(request: PlanRequest, plan: InfraPlan, facts: &CloudFacts) -> Self {
        let mut hosts: Vec<HostFact> = facts.hosts.iter().map(HostFact::from).collect();
        hosts.sort_by(|a, b| a.id.cmp(&b.id));
        Self {
            request,
            plan,
            facts: Facts { hosts },
            hosts: None,
        }
    }

    /// Returns the plan with approval of exactly these changes on existing hosts.
    #[must_use]
    pub fn with_host_changes(mut self, mut changes: Vec<HostChanges>) -> Self {
        changes.retain(|own| !own.steps.is_empty());
        changes.sort_by(|a, b| (&a.host, &a.id).cmp(&(&b.host, &b.id)));
        self.hosts = Some(changes);
        self
    }

    /// Returns the changes on existing hosts that the plan approves: none if they were not read
    /// when it was saved.
    pub fn host_changes(&self) -> &[HostChanges] {
        self.hosts.as_deref().unwrap_or_default()
    }

    /// Returns the request of the plan.
    pub fn request(&self) -> &PlanRequest {
        &self.request
    }

    /// The plan.
    pub fn plan(&self) -> &InfraPlan {
        &self.plan
    }

    /// Encodes the file: JSON, the same bytes for the same plan and facts. It contains no secret.
    pub fn encode(&self) -> Vec<u8> {
        let file = File {
            version: SAVED_PLAN_VERSION,
            digest: self.digest(),
            plan_id: self.plan.id(),
            request: self.request.clone(),
            plan: self.plan.clone(),
            facts: self.facts.clone(),
            hosts: self.hosts.clone(),
        };
        let mut bytes = serde_json::to_vec_pretty(&file).expect(HOLDS_NOTHING_ODD);
        bytes.push(b'\n');
        bytes
    }

    /// Decodes the output of [`encode`](Self::encode), and nothing else: every byte must match.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if it is not a saved plan, of another version, too large, or was
    /// edited after it was written.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > SAVED_PLAN_LIMIT {
            return Err(refusal(format!(
                "it is larger than any saved plan, which has at most {SAVED_PLAN_LIMIT} bytes"
            )));
        }
        let head: Head = parse(bytes)?;
        if head.version != SAVED_PLAN_VERSION {
            return Err(refusal(format!(
                "it has version {} of saved plans, and this build reads only version {SAVED_PLAN_VERSION}",
                head.version
            )));
        }
        let file: File = parse(bytes)?;
        if file.plan.version != PLAN_VERSION {
            return Err(refusal(format!(
                "it holds version {} of plans, and this build reads only version {PLAN_VERSION}",
                file.plan.version
            )));
        }
        let saved = Self {
            request: file.request,
            plan: file.plan,
            facts: file.facts,
            hosts: file.hosts,
        };
        let is_one = saved.request.environment == saved.plan.environment
            && saved.request.mode == saved.plan.mode;
        if !is_one || file.plan_id != saved.plan.id() || file.digest != saved.digest() {
            return Err(refusal("it was changed after it was written"));
        }
        let written = saved.encode();
        if written != bytes {
            let same = written.iter().zip(bytes).take_while(|(a, b)| a == b);
            let line = 1 + same.filter(|(byte, _)| **byte == b'\n').count();
            return Err(refusal(format!(
                "it was changed after it was written, in line {line}"
            )));
        }
        Ok(saved)
    }

    fn digest(&self) -> String {
        let content = (&self.request, &self.plan, &self.facts);
        let bytes = match &self.hosts {
            Some(hosts) => serde_json::to_vec(&(content, hosts)),
            None => serde_json::to_vec(&content),
        };
        let bytes = bytes.expect(HOLDS_NOTHING_ODD);
        data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
    }
}

impl From<&Host> for HostFact {
    fn from(host: &Host) -> Self {
        let mut own: Vec<String> = host
            .tags
            .iter()
            .map(|tag| tag.to_ascii_lowercase())
            .filter(|tag| tag.starts_with(tags::STAGECRAFT_TAG))
            .collect();
        own.sort();
        Self {
            id: host.id.clone(),
            name: host.shown_name(),
            size: host.size.clone(),
            region: host.region.clone(),
            tags: own,
        }
    }
}

const HOLDS_NOTHING_ODD: &str = "a plan holds nothing that JSON cannot";

fn parse<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| refusal("it is no saved plan").with_source(error))
}

fn refusal(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, message).with_hint("plan again, and save the new plan")
}

#[cfg(test)]
mod tests;
