mod modes;

use proptest::prelude::*;

use super::*;
use crate::host::{HostFeatures, HostOptions, HostStatus};
use crate::money::MicroUsd;
use crate::name::{EnvironmentName, HostId, ProjectName, RoleName};
use crate::plan::{OperatorKey, SizeOffer, fixtures};

fn spec(name: &str, size: &str) -> HostSpec {
    HostSpec {
        name: HostName::new(name).unwrap(),
        role: RoleName::new("app").unwrap(),
        size: size.into(),
        region: "nyc1".into(),
        image: "ubuntu-22-04-x64".into(),
        options: HostOptions::default(),
    }
}

fn host(id: u64, name: &str, tags: &[&str]) -> Host {
    Host {
        id: HostId::new(id.to_string()),
        node: format!("staging-{name}"),
        name: HostName::new(name).ok(),
        role: None,
        size: "small".into(),
        region: "nyc1".into(),
        public_ipv4: None,
        private_ipv4: None,
        status: HostStatus::Active,
        disk_gb: None,
        vpc: None,
        cloud_project: None,
        image: None,
        features: None,
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
    }
}

const OURS: &[&str] = &[
    "Stagecraft",
    "stagecraft-ENV-staging",
    "stagecraft-role-App",
];
const OURS_IN_SHOP: &[&str] = &[
    "stagecraft",
    "stagecraft-env-staging",
    "stagecraft-project-shop",
    "stagecraft-role-app",
];
const PROTECTED: &[&str] = &[
    "stagecraft",
    "stagecraft-env-staging",
    "stagecraft-project-shop",
    "stagecraft-role-db",
    "Stagecraft-Protect",
];

fn facts(hosts: Vec<Host>) -> CloudFacts {
    CloudFacts {
        operator_key: Some(OperatorKey {
            name: "k".into(),
            fingerprint: "ff:00".into(),
        }),
        hosts,
        sizes: BTreeMap::from([(
            "small".to_owned(),
            SizeOffer {
                monthly: MicroUsd(6_000_000),
                hourly: MicroUsd(8_930),
                disk_gb: 25,
                regions: vec!["nyc1".into()],
            },
        )]),
        time: Some(1),
        ..fixtures::facts()
    }
}

fn plan(
    project: Option<&str>,
    declared: &[HostSpec],
    facts: &CloudFacts,
    mode: PlanMode,
) -> InfraPlan {
    let project = project.map(|name| ProjectName::new(name).unwrap());
    let request = PlanRequest::new(EnvironmentName::new("staging").unwrap(), mode);
    plan_hosts("cloud", &project.into(), declared, facts, &request).unwrap()
}

fn names(list: &[HostRef]) -> Vec<&str> {
    list.iter().map(|host| host.name.as_str()).collect()
}

#[test]
fn missing_hosts_are_created_and_tags_compare_without_case() {
    let facts = facts(vec![host(1, "app-1", OURS)]);
    let plan = plan(
        None,
        &[spec("app-2", "small"), spec("app-1", "small")],
        &facts,
        PlanMode::Reconcile,
    );
    assert_eq!(names(&plan.unchanged), ["app-1"]);
    assert_eq!(plan.create.len(), 1);
    assert_eq!(plan.create[0].node.as_str(), "staging-app-2");
    assert_eq!(
        plan.create[0].tags,
        [
            "stagecraft",
            "stagecraft-env-staging",
            "stagecraft-role-app"
        ]
    );
    assert_eq!(plan.cost.monthly_before, MicroUsd(6_000_000));
    assert_eq!(plan.cost.monthly_after, MicroUsd(12_000_000));
}

#[test]
fn host_of_our_name_without_our_tags_is_not_ours() {
    let facts = facts(vec![host(1, "app-1", &["stagecraft-env-staging"])]);
    let plan = plan(None, &[spec("app-1", "small")], &facts, PlanMode::Destroy);
    assert_eq!(names(&plan.unmanaged), ["app-1"]);
    assert!(plan.delete.is_empty());
}

#[test]
fn another_size_differs_and_needs_a_resize() {
    let facts = facts(vec![host(1, "app-1", OURS)]);
    let plan = plan(None, &[spec("app-1", "large")], &facts, PlanMode::Reconcile);
    assert!(plan.is_empty());
    assert_eq!(plan.differ[0].fields[0].takes, Remedy::Resize);
}

#[test]
fn destroy_without_a_project_spares_undeclared_hosts() {
    let facts = facts(vec![host(1, "app-1", OURS), host(2, "old-1", OURS)]);
    let plan = plan(None, &[spec("app-1", "small")], &facts, PlanMode::Destroy);
    assert_eq!(names(&plan.delete), ["app-1"]);
    assert_eq!(names(&plan.undeclared), ["old-1"]);
}

#[test]
fn destroy_with_a_project_takes_all_of_the_projects_hosts_and_no_others() {
    let facts = facts(vec![
        host(1, "app-1", OURS_IN_SHOP),
        host(2, "old-1", OURS_IN_SHOP),
        host(3, "app-1", OURS_IN_SHOP),
        host(4, "app-9", OURS),
    ]);
    let plan = plan(
        Some("shop"),
        &[spec("app-1", "small")],
        &facts,
        PlanMode::Destroy,
    );
    assert_eq!(names(&plan.delete), ["app-1", "app-1", "old-1"]);
    assert_eq!(names(&plan.unmanaged), ["app-9"]);
}

#[test]
fn run_without_a_project_owns_no_host_of_a_project() {
    let facts = facts(vec![host(1, "app-1", OURS_IN_SHOP)]);
    let plan = plan(None, &[spec("app-1", "small")], &facts, PlanMode::Destroy);
    assert!(plan.delete.is_empty());
}

#[test]
fn two_hosts_of_one_name_are_duplicates_and_nothing_is_created() {
    let facts = facts(vec![host(9, "app-1", OURS), host(10, "app-1", OURS)]);
    let plan = plan(None, &[spec("app-1", "small")], &facts, PlanMode::Reconcile);
    assert_eq!(plan.duplicates.len(), 2);
    assert!(plan.is_empty() && plan.unchanged.is_empty());
}

fn any_host() -> impl Strategy<Value = Host> {
    let tags = prop_oneof![
        Just(OURS),
        Just(OURS_IN_SHOP),
        Just(PROTECTED),
        Just(&["stagecraft-env-staging"][..])
    ];
    (
        0..40_u64,
        "(app|db)-[1-4]",
        tags,
        prop_oneof!["small", "large"],
    )
        .prop_map(|(id, name, tags, size)| {
            let mut host = host(id, &name, tags);
            host.size = size;
            host
        })
}

fn any_declared() -> impl Strategy<Value = Vec<HostSpec>> {
    prop::collection::btree_set("(app|db)-[1-4]", 0..6)
        .prop_map(|names| names.iter().map(|name| spec(name, "small")).collect())
}

fn any_mode() -> impl Strategy<Value = PlanMode> {
    prop_oneof![
        Just(PlanMode::Reconcile),
        Just(PlanMode::Destroy),
        Just(PlanMode::Prune),
        Just(PlanMode::Reap),
        Just(PlanMode::Adopt),
        Just(PlanMode::Unprotect)
    ]
}

proptest! {
    #[test]
    fn plans_are_sorted_whole_and_independent_of_order(
        hosts in prop::collection::vec(any_host(), 0..12),
        declared in any_declared(),
        mode in any_mode(),
        project in prop_oneof![Just(None), Just(Some("shop"))],
        seed in any::<prop::sample::Index>(),
    ) {
        let mut hosts = hosts;
        hosts.sort_by(|a, b| a.id.cmp(&b.id));
        hosts.dedup_by(|a, b| a.id == b.id);
        let forward = plan(project, &declared, &facts(hosts.clone()), mode);

        let mut rotated = hosts.clone();
        if !rotated.is_empty() {
            let by = seed.index(rotated.len());
            rotated.rotate_left(by);
        }
        rotated.reverse();
        let mut backward = declared.clone();
        backward.reverse();
        let again = plan(project, &backward, &facts(rotated), mode);
        prop_assert_eq!(forward.id(), again.id());
        prop_assert_eq!(&forward, &again);

        // Every observed host is in exactly one list.
        let differing: Vec<HostRef> = forward.differ.iter().map(|entry| entry.host.clone()).collect();
        let resized: Vec<HostRef> = forward.resize.iter().map(|entry| entry.host.clone()).collect();
        let mut ids: Vec<&HostId> = [
            &forward.delete, &forward.undeclared, &forward.unchanged,
            &forward.unmanaged, &forward.duplicates, &forward.protected, &differing, &resized,
        ]
        .into_iter()
        .flatten()
        .map(|host| &host.id)
        .collect();
        ids.sort();
        let mut expected: Vec<&HostId> = hosts.iter().map(|host| &host.id).collect();
        expected.sort();
        prop_assert_eq!(ids, expected);

        for list in [&forward.delete, &forward.undeclared, &forward.unchanged, &forward.unmanaged] {
            prop_assert!(list.is_sorted());
        }
        prop_assert!(forward.create.is_sorted_by(|a, b| a.spec.name < b.spec.name));
        prop_assert!(mode.deletes() || forward.delete.is_empty());
        prop_assert!(mode == PlanMode::Reconcile || forward.create.is_empty());
        let is_protected = |host: &HostRef| hosts.iter().any(|own| own.id == host.id && own.has_tag("stagecraft-protect"));
        prop_assert!(!forward.delete.iter().any(is_protected));
    }

    #[test]
    fn selection_never_does_more_than_the_whole_plan_would(
        hosts in prop::collection::vec(any_host(), 0..12),
        declared in any_declared(),
        mode in any_mode(),
        project in prop_oneof![Just(None), Just(Some("shop"))],
        names in prop::collection::btree_set("(app|db)-[1-4]", 0..3),
        roles in prop::collection::btree_set("app|db|cache", 0..3),
    ) {
        let mut hosts = hosts;
        hosts.sort_by(|a, b| a.id.cmp(&b.id));
        hosts.dedup_by(|a, b| a.id == b.id);
        for host in &mut hosts {
            host.role = tags::role_of(&host.tags);
        }
        let facts = facts(hosts);
        let whole = plan(project, &declared, &facts, mode);
        let project = project.map(|name| ProjectName::new(name).unwrap());
        let mut request = PlanRequest::new(EnvironmentName::new("staging").unwrap(), mode);
        request.hosts = names.iter().map(|name| HostName::new(name).unwrap()).collect();
        request.roles = roles.iter().map(|role| RoleName::new(role).unwrap()).collect();
        let part = plan_hosts("cloud", &project.clone().into(), &declared, &facts, &request).unwrap();
        for (part, whole) in [
            (&part.delete, &whole.delete),
            (&part.protected, &whole.protected),
            (&part.undeclared, &whole.undeclared),
            (&part.unchanged, &whole.unchanged),
            (&part.duplicates, &whole.duplicates),
        ] {
            prop_assert!(part.iter().all(|host| whole.contains(host)));
        }
        prop_assert!(part.create.iter().all(|entry| whole.create.contains(entry)));
        prop_assert!(part.retag.iter().all(|entry| whole.retag.contains(entry)));
        prop_assert!(part.differ.iter().all(|entry| whole.differ.contains(entry)));
    }

    #[test]
    fn plan_after_its_own_creates_is_empty(declared in any_declared()) {
        let first = plan(Some("shop"), &declared, &facts(Vec::new()), PlanMode::Reconcile);
        prop_assert_eq!(first.create.len(), declared.len());
        let made = first.create.iter().enumerate().map(|(id, entry)| {
            let tags: Vec<&str> = entry.tags.iter().map(String::as_str).collect();
            host(id as u64, entry.spec.name.as_str(), &tags)
        });
        let second = plan(Some("shop"), &declared, &facts(made.collect()), PlanMode::Reconcile);
        prop_assert!(second.is_empty());
        prop_assert_eq!(second.unchanged.len(), declared.len());
    }

    #[test]
    fn plan_survives_its_wire_form(hosts in prop::collection::vec(any_host(), 0..6), declared in any_declared()) {
        let plan = plan(None, &declared, &facts(hosts), PlanMode::Reconcile);
        let text = serde_json::to_string(&plan).unwrap();
        let back: InfraPlan = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(back.id(), plan.id());
    }
}
