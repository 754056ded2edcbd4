//! Assigns hosts to their declared projects.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use stagecraft_core::{ApplyReport, ErrorKind, HostFailure, HostName, InfraPlan, Result};

use super::target::Target;
use super::{Apply, fail};
use crate::around::{droplet_urn, project_urns};
use crate::error::provider_error;
use crate::wire::{Assigned, Assignment};

/// Most hosts in one call.
const BATCH: usize = 50;
const FAILED: &str = "was not put into its project";

impl Apply<'_> {
    /// Assigns new hosts to their projects, and the existing hosts that the plan lists. The next
    /// plan covers what a killed run left undone.
    ///
    /// A create cannot name a project, so until then a new host is in the account's default
    /// project.
    pub(super) async fn put_into_projects(&self, plan: &InfraPlan, report: &mut ApplyReport) {
        // A host that could not be tagged may have a new owner.
        let lost: BTreeSet<&HostName> = report.failed.iter().map(|failure| &failure.host).collect();
        let listed = plan.retag.iter().filter(|entry| entry.project.is_some());
        let existing = listed.filter_map(|entry| Target::of(&entry.host, self.environment));
        let existing = existing.filter(|target| {
            !lost.contains(&target.name) && !report.not_tried.contains(&target.name)
        });
        let created = report.created.iter().filter_map(|host| {
            Some(Target {
                name: host.name.clone()?,
                node: host.node.clone(),
                id: host.id.clone(),
            })
        });
        let mut by_project: BTreeMap<&str, Vec<Target>> = BTreeMap::new();
        for target in existing.chain(created).collect::<Vec<_>>() {
            if let Some(project) = self.making.projects.get(&target.name) {
                by_project.entry(project).or_default().push(target);
            }
        }
        for (project, mut targets) in by_project {
            let all = targets.clone();
            if let Err(error) = self.leave_missing(project, &mut targets).await {
                for target in &targets {
                    fail(self.run, target.failure(FAILED, error.duplicate()), report);
                }
                continue;
            }
            for targets in targets.chunks(BATCH) {
                self.assign(project, targets, report).await;
            }
            note_done(plan, &all, report);
        }
    }

    /// Keeps only the hosts that are not in the project yet.
    async fn leave_missing(&self, project: &str, targets: &mut Vec<Target>) -> Result<()> {
        let there = project_urns(self.client, self.run, project).await?;
        targets.retain(|target| !there.contains(&droplet_urn(&target.id)));
        Ok(())
    }

    async fn assign(&self, project: &str, targets: &[Target], report: &mut ApplyReport) {
        let urns: Vec<String> = targets.iter().map(|own| droplet_urn(&own.id)).collect();
        let path = format!("/v2/projects/{project}/resources");
        let sent = async {
            self.run.before_write().await?;
            self.client
                .dated::<Assigned>(
                    self.run,
                    Method::POST,
                    &path,
                    Some(&Assignment { resources: &urns }),
                )
                .await
                .map_err(|error| error.into_error("assign_project"))
        };
        let answer = match sent.await {
            Ok(answer) => answer.body,
            Err(error) => {
                for target in targets {
                    fail(self.run, target.failure(FAILED, error.duplicate()), report);
                }
                return;
            }
        };
        for target in targets {
            let own = droplet_urn(&target.id);
            let status = answer.resources.iter().find(|resource| resource.urn == own);
            let status = status.map_or("no status", |resource| &resource.status);
            if !matches!(status, "ok" | "assigned" | "already_assigned") {
                let error = provider_error(
                    ErrorKind::Rejected,
                    format!("API error: the project took it with `{status}`"),
                )
                .with_hint("the host runs; run the command again to put it there");
                fail(self.run, target.failure(FAILED, error), report);
            }
        }
    }
}

/// Reports the existing hosts that are in their planned project, each once.
fn note_done(plan: &InfraPlan, targets: &[Target], report: &mut ApplyReport) {
    for target in targets {
        let mut entries = plan.retag.iter();
        let Some(entry) = entries.find(|entry| entry.host.id == target.id) else {
            continue;
        };
        let has_failed = |failure: &HostFailure| failure.id.as_ref() == Some(&target.id);
        if !report.failed.iter().any(has_failed) && !report.retagged.contains(&entry.host) {
            report.retagged.push(entry.host.clone());
        }
    }
}
