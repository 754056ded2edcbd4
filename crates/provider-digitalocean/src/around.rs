//! Placement of hosts: VPCs and projects, declared by name or id.

use std::collections::{BTreeMap, BTreeSet};

use stagecraft_core::{CreateEntry, Finding, Host, HostId, HostName, HostSpec, Result, Run};

use crate::client::Client;
use crate::wire::{CloudProject, Concern, ProjectsPage, ResourcesPage, Vpc, VpcsPage};

pub(crate) async fn list_vpcs(
    client: &Client,
    run: &Run,
    concern: Concern<'_>,
) -> Result<Vec<Vpc>> {
    client
        .list::<VpcsPage>(run, "/v2/vpcs", &[], concern)
        .await
        .map_err(|error| error.into_error("list_vpcs"))
}

pub(crate) async fn list_projects(
    client: &Client,
    run: &Run,
    concern: Concern<'_>,
) -> Result<Vec<CloudProject>> {
    client
        .list::<ProjectsPage>(run, "/v2/projects", &[], concern)
        .await
        .map_err(|error| error.into_error("list_projects"))
}

/// Finds the VPC of a declaration.
pub(crate) fn find_vpc<'v>(vpcs: &'v [Vpc], declared: &str) -> Option<&'v Vpc> {
    vpcs.iter()
        .find(|vpc| is_meant(declared, &vpc.id, &vpc.name))
}

/// Finds the project of a declaration.
pub(crate) fn find_project<'p>(
    projects: &'p [CloudProject],
    declared: &str,
) -> Option<&'p CloudProject> {
    projects
        .iter()
        .find(|project| is_meant(declared, &project.id, &project.name))
}

fn is_meant(declared: &str, id: &str, name: &str) -> bool {
    declared == name || declared.eq_ignore_ascii_case(id)
}

/// Spells the VPCs of declared hosts as the declarations do, and names those of other hosts.
pub(crate) fn spell_vpcs(hosts: &mut [Host], declared: &[HostSpec], vpcs: &[Vpc]) {
    let declared: BTreeMap<&HostName, &str> = declared
        .iter()
        .filter_map(|spec| Some((&spec.name, spec.options.vpc.as_deref()?)))
        .collect();
    for host in hosts {
        let Some(own) = host.vpc.as_mut() else {
            continue;
        };
        let wanted = host.name.as_ref().and_then(|name| declared.get(name));
        let spelled = wanted.filter(|wanted| {
            find_vpc(vpcs, wanted).is_some_and(|vpc| vpc.id.eq_ignore_ascii_case(own))
        });
        if let Some(spelled) = spelled {
            *own = (*spelled).to_owned();
        } else if let Some(vpc) = find_vpc(vpcs, own) {
            own.clone_from(&vpc.name);
        }
    }
}

/// Finds declared VPCs that do not exist, or not in the host's region.
pub(crate) fn check_vpcs(create: &[CreateEntry], vpcs: &[Vpc]) -> Vec<Finding> {
    let check = |entry: &CreateEntry| {
        let (declared, region) = (entry.spec.options.vpc.as_ref()?, &entry.spec.region);
        let message = match find_vpc(vpcs, declared) {
            Some(vpc) if vpc.region == *region => return None,
            Some(vpc) => format!(
                "VPC `{declared}` is in region `{}`, not in `{region}`",
                vpc.region
            ),
            None => format!("VPC `{declared}` does not exist"),
        };
        let here = vpcs.iter().filter(|vpc| vpc.region == *region);
        let known = known(here.map(|vpc| vpc.name.as_str()));
        Some(Finding {
            host: Some(entry.spec.name.clone()),
            message,
            hint: Some(format!("VPCs in {region}: {known}")),
            is_guard: false,
        })
    };
    create.iter().filter_map(check).collect()
}

/// Sets whether hosts are in their declared projects. Reads one list per declared project that
/// exists.
pub(crate) async fn spell_projects(
    client: &Client,
    run: &Run,
    hosts: &mut [Host],
    declared: &[HostSpec],
    projects: &[CloudProject],
) -> Result<()> {
    let declared: BTreeMap<&HostName, &str> = declared
        .iter()
        .filter_map(|spec| Some((&spec.name, spec.options.cloud_project.as_deref()?)))
        .collect();
    let wanted = |host: &Host| declared.get(host.name.as_ref()?).copied();
    let of_hosts: BTreeSet<&str> = hosts.iter().filter_map(wanted).collect();
    let mut members = BTreeMap::new();
    for name in of_hosts {
        if let Some(project) = find_project(projects, name) {
            members.insert(name, project_urns(client, run, &project.id).await?);
        }
    }
    for host in hosts {
        let Some(name) = wanted(host) else { continue };
        let urns = members.get(name);
        let is_there = urns.is_some_and(|urns| urns.contains(&droplet_urn(&host.id)));
        host.cloud_project = Some(if is_there { name } else { "" }.to_owned());
    }
    Ok(())
}

/// Lists the resources of a project.
pub(crate) async fn project_urns(
    client: &Client,
    run: &Run,
    project: &str,
) -> Result<BTreeSet<String>> {
    let path = format!("/v2/projects/{project}/resources");
    let there = client
        .list::<ResourcesPage>(run, &path, &[], Concern::Nobody)
        .await;
    let there = there.map_err(|error| error.into_error("list_project"))?;
    Ok(there.into_iter().map(|resource| resource.urn).collect())
}

/// A droplet's URN in projects.
pub(crate) fn droplet_urn(id: &HostId) -> String {
    format!("do:droplet:{id}")
}

/// Finds declared projects that do not exist.
pub(crate) fn check_projects(
    in_projects: &BTreeMap<HostName, String>,
    projects: &[CloudProject],
) -> Vec<Finding> {
    let check = |(host, declared): (&HostName, &String)| {
        if find_project(projects, declared).is_some() {
            return None;
        }
        let known = known(projects.iter().map(|project| project.name.as_str()));
        Some(Finding {
            host: Some(host.clone()),
            message: format!("project `{declared}` does not exist in the account"),
            hint: Some(format!("projects: {known}")),
            is_guard: false,
        })
    };
    in_projects.iter().filter_map(check).collect()
}

/// The names, sorted and cut to a readable number.
fn known<'n>(names: impl Iterator<Item = &'n str>) -> String {
    const MOST: usize = 20;
    let names: BTreeSet<&str> = names.collect();
    let mut shown: Vec<&str> = names.iter().copied().take(MOST).collect();
    if names.is_empty() {
        return "none".to_owned();
    }
    if names.len() > MOST {
        shown.push("...");
    }
    shown.join(", ")
}
