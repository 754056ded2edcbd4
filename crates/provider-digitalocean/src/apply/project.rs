//! Putting hosts into the projects that they are declared to be in.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use stagecraft_core::{ApplyReport, ErrorKind, HostId, InfraPlan, Result};

use super::target::Target;
use super::{Apply, fail};
use crate::error::provider_error;
use crate::wire::{Assigned, Assignment, ResourcesPage};

/// The most hosts in one call.
const BATCH: usize = 50;
const FAILED: &str = "was not put into its project";

impl Apply<'_> {
    /// Puts those hosts that exist and are not there yet into their projects: what a run that
    /// was killed has left to do is done by the next.
    ///
    /// A create cannot name a project, so a new host is in the account's default one till then.
    pub(super) async fn put_into_projects(&self, plan: &InfraPlan, report: &mut ApplyReport) {
        let existing = plan.unchanged.iter();
        let existing = existing.chain(plan.differ.iter().map(|entry| &entry.host));
        let existing = existing.chain(plan.resize.iter().map(|entry| &entry.host));
        let existing = existing.filter_map(|host| Target::of(host, self.environment));
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
            if let Err(error) = self.leave_missing(project, &mut targets).await {
                if error.kind() == ErrorKind::Cancelled {
                    // Of the others it is likely that they are there.
                    let new: BTreeSet<&HostId> =
                        report.created.iter().map(|host| &host.id).collect();
                    targets.retain(|target| new.contains(&target.id));
                }
                for target in &targets {
                    fail(self.run, target.failure(FAILED, error.duplicate()), report);
                }
                continue;
            }
            for targets in targets.chunks(BATCH) {
                self.assign(project, targets, report).await;
            }
        }
    }

    /// Leaves those that are not in the project yet.
    async fn leave_missing(&self, project: &str, targets: &mut Vec<Target>) -> Result<()> {
        let path = format!("/v2/projects/{project}/resources");
        let there = self
            .client
            .list::<ResourcesPage>(self.run, &path, &[])
            .await
            .map_err(|error| error.into_error("list_project"))?;
        let there: BTreeSet<String> = there.into_iter().map(|resource| resource.urn).collect();
        targets.retain(|target| !there.contains(&urn(target)));
        Ok(())
    }

    async fn assign(&self, project: &str, targets: &[Target], report: &mut ApplyReport) {
        let urns: Vec<String> = targets.iter().map(urn).collect();
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
            let own = urn(target);
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

fn urn(target: &Target) -> String {
    format!("do:droplet:{}", target.id)
}
