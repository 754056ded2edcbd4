use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::host::{HostOptions, HostSpec, HostStatus};
use crate::money::MicroUsd;
use crate::name::{EnvironmentName, HostName, ProjectName, RoleName};
use crate::plan::stale::TOLD;
use crate::plan::{Account, OperatorKey, PlanChange, PlanMode, SizeOffer, plan_hosts};

/// All inputs of a plan, small enough to be changed one by one.
#[derive(Debug, Clone)]
struct World {
    account: &'static str,
    endpoint: &'static str,
    project: Option<&'static str>,
    key: &'static str,
    price: i64,
    mode: PlanMode,
    declared: Vec<HostSpec>,
    hosts: Vec<Host>,
}

impl World {
    /// `app-1` and `db-1` exist, `app-2` is to be created, `web` belongs to another project.
    fn new() -> Self {
        Self {
            account: "a",
            endpoint: "https://api.example.com",
            project: Some("shop"),
            key: "ff:00",
            price: 6_000_000,
            mode: PlanMode::Reconcile,
            declared: vec![spec("app-1"), spec("app-2"), spec("db-1")],
            hosts: vec![
                host(1, "app-1", &OURS),
                host(2, "db-1", &OURS),
                host(3, "web", &OURS[..1]),
            ],
        }
    }

    fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut world = Self::new();
        change(&mut world);
        world
    }

    fn saved(&self) -> SavedPlan {
        let offer = SizeOffer {
            monthly: MicroUsd(self.price),
            hourly: MicroUsd(self.price / 672),
            disk_gb: 25,
            regions: vec!["nyc1".into()],
        };
        let facts = CloudFacts {
            account: Account {
                id: self.account.into(),
                name: format!("{}@example.com", self.account),
                team: None,
            },
            endpoint: self.endpoint.into(),
            host_limit: Some(10),
            operator_key: Some(OperatorKey {
                name: "k".into(),
                fingerprint: self.key.into(),
            }),
            hosts: self.hosts.clone(),
            sizes: BTreeMap::from([("small".to_owned(), offer)]),
            backup_percent: None,
            time: None,
        };
        let environment = EnvironmentName::new("staging").unwrap();
        let request = PlanRequest::new(environment, self.mode);
        let project = self.project.map(|name| ProjectName::new(name).unwrap());
        let plan = plan_hosts("cloud", &project.into(), &self.declared, &facts, &request);
        SavedPlan::new(request, plan.unwrap(), &facts)
    }
}

const OURS: [&str; 3] = [
    "stagecraft-env-staging",
    "Stagecraft",
    "stagecraft-project-shop",
];

fn spec(name: &str) -> HostSpec {
    HostSpec {
        name: HostName::new(name).unwrap(),
        role: RoleName::new("app").unwrap(),
        size: "small".into(),
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

fn told(change: impl FnOnce(&mut World)) -> Vec<String> {
    let changes = World::new().saved().changes(&World::with(change).saved());
    changes.iter().map(ToString::to_string).collect()
}

#[test]
fn every_change_that_matters_is_told_by_its_cause() {
    let cases: [(Vec<String>, &str); 16] = [
        (
            told(|world| world.account = "b"),
            "account is b@example.com (id b), the plan was made for a@example.com (id a)",
        ),
        (
            told(|world| world.endpoint = "https://y"),
            "endpoint is https://y, the plan was made for https://api.example.com",
        ),
        (
            told(|world| world.key = "ff:11"),
            "operator's key is ff:11, the plan was made for ff:00",
        ),
        (
            told(|world| drop(world.hosts.remove(0))),
            "host `app-1` (id 1) is gone",
        ),
        (
            told(|world| world.hosts.push(host(7, "app-2", &OURS))),
            "host `app-2` (id 7) is new",
        ),
        (
            told(|world| world.hosts.push(host(7, "app-1", &OURS))),
            "host `app-1` (id 7) is new",
        ),
        (
            told(|world| world.hosts.push(host(7, "x", &[]))),
            "host `x` (id 7) is new",
        ),
        (
            told(|world| world.hosts[1].size = "large".into()),
            "size of host `db-1` (id 2) changed from small to large",
        ),
        (
            told(|world| world.hosts[0].region = "ams3".into()),
            "region of host `app-1` (id 1) changed from nyc1 to ams3",
        ),
        (
            told(|world| drop(world.hosts[0].tags.pop())),
            "tags of host `app-1` (id 1) changed from stagecraft, stagecraft-env-staging, \
             stagecraft-project-shop to stagecraft, stagecraft-env-staging",
        ),
        (
            told(|world| world.declared.push(spec("app-3"))),
            "the configuration now declares `app-3`, the plan does not",
        ),
        (
            told(|world| drop(world.declared.remove(0))),
            "the configuration no longer declares `app-1`",
        ),
        (
            told(|world| world.declared[0].size = "large".into()),
            "the configuration now declares size large for `app-1`, the plan has small",
        ),
        (
            told(|world| world.declared[1].image = "debian".into()),
            "the configuration now declares image debian for `app-2`, the plan has \
             ubuntu-22-04-x64",
        ),
        (
            told(|world| world.declared[1].role = RoleName::new("db").unwrap()),
            "the configuration now declares role db for `app-2`, the plan has app",
        ),
        (
            told(|world| world.price = 7_000_000),
            "price of small changed from $6.00 to $7.00 a month",
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found, [expected]);
    }
}

#[test]
fn foreign_account_is_told_before_all_else() {
    let told = told(|world| {
        world.account = "b";
        world.project = None;
        world.hosts.clear();
    });
    assert!(told[0].starts_with("account is b@"), "{told:?}");
    assert!(told[1].starts_with("project is none"), "{told:?}");
    assert!(told[2].contains("is gone"), "{told:?}");
}

#[test]
fn another_member_of_the_same_account_may_carry_a_plan_out() {
    let made = World::new().saved();
    let mut now = made.clone();
    now.plan.account.name = "colleague@example.com".into();
    assert!(made.check(&now).is_ok());
    now.plan.account.id = "b".into();
    assert!(made.check(&now).is_err());
}

#[test]
fn what_moves_without_consequence_is_no_change() {
    let told = told(|world| {
        world.hosts.reverse();
        world.declared.reverse();
        let host = &mut world.hosts[0];
        host.status = HostStatus::New;
        host.tags.push("backup".into());
        host.tags = host.tags.iter().map(|tag| tag.to_lowercase()).collect();
    });
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn hosts_of_another_project_make_no_plan_stale() {
    let tags = [
        "stagecraft",
        "stagecraft-env-staging",
        "stagecraft-project-blog",
    ];
    let told = told(|world| world.hosts.push(host(77, "app-1", &tags)));
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn stale_plan_is_refused_with_each_change_as_a_cause() {
    let planned = World::new().saved();
    assert!(planned.check(&World::new().saved()).is_ok());
    let now = World::with(|world| {
        world.declared.push(spec("app-3"));
        world.hosts.remove(1);
    });
    let error = planned.check(&now.saved()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stale);
    let id = planned.plan().id();
    assert_eq!(
        error.chain(),
        [
            format!(
                "plan {} is stale: 2 things have changed since it was made",
                &id[..12]
            ),
            "host `db-1` (id 2) is gone".to_owned(),
            "the configuration now declares `app-3`, the plan does not".to_owned(),
        ]
    );
    assert_eq!(error.context(), [("plan_id", id)]);
}

#[test]
fn long_lists_of_changes_are_cut_and_say_so() {
    let now = World::with(|world| {
        world.hosts = (100..200)
            .map(|id| host(id, &format!("x-{id}"), &OURS))
            .collect();
    });
    let error = World::new().saved().check(&now.saved()).unwrap_err();
    let chain = error.chain();
    assert_eq!(chain.len(), 1 + TOLD + 1);
    assert_eq!(chain.last().unwrap(), "and 53 more changes");
}

#[test]
fn other_versions_and_other_files_are_refused_by_what_they_are() {
    let text = String::from_utf8(World::new().saved().encode()).unwrap();
    let edited = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1).into_bytes()
    };
    let cases = [
        (
            edited("\"version\": 2", "\"version\": 1"),
            "it has version 1",
        ),
        (
            edited("\"version\": 2", "\"version\": 3"),
            "it has version 3",
        ),
        (b"project: shop\n".to_vec(), "it is no saved plan"),
        (b"{\"v\": 1, \"plan\": {}}".to_vec(), "it is no saved plan"),
        (Vec::new(), "it is no saved plan"),
        (
            edited("\"request\"", "\"extra\": 1, \"request\""),
            "it is no saved plan",
        ),
        (edited("\"small\"", "\"large\""), "it was changed"),
        (
            edited("    \"version\": 2", "    \"version\": 9"),
            "it holds version 9",
        ),
        // Only the form changes: an extra blank in line 3.
        (edited("\"digest\": ", "\"digest\":  "), "in line 3"),
        (
            [text.as_bytes(), b"\n"].concat(),
            "it was changed after it was written",
        ),
        (vec![b' '; SAVED_PLAN_LIMIT + 1], "it is larger"),
    ];
    for (bytes, expected) in cases {
        let error = SavedPlan::decode(&bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(expected), "{error}: {expected}");
    }
}

/// Whether two plans do the same to the same hosts. Hosts of other projects may differ.
fn acts_alike(plan: &InfraPlan, other: &InfraPlan) -> bool {
    let without = |plan: &InfraPlan| InfraPlan {
        unmanaged: Vec::new(),
        ..plan.clone()
    };
    without(plan) == without(other)
}

#[test]
fn host_of_others_that_comes_or_goes_is_no_change() {
    let with = World::with(|world| world.hosts.push(host(9, "app-9", &OURS[..2]))).saved();
    let none = World::new().saved();
    assert_ne!(with, none);
    assert_eq!(with.changes(&none), []);
    assert_eq!(none.changes(&with), []);
}

fn any_world() -> impl Strategy<Value = World> {
    let declared = prop::collection::btree_map(0..5_u8, (any::<bool>(), any::<bool>()), 0..5);
    let hosts = prop::collection::btree_map(0..6_u64, (0..5_u8, any::<bool>(), 0..4_usize), 0..6);
    let whole = (any::<[bool; 3]>(), 5..7_i64);
    (declared, hosts, whole).prop_map(|(declared, hosts, ([project, key, account], price))| {
        World::with(|world| {
            world.project = project.then_some("shop");
            world.key = if key { "ff:00" } else { "ff:11" };
            world.account = if account { "a" } else { "b" };
            world.price = price;
            let size = |small| if small { "small" } else { "large" }.to_owned();
            world.declared = declared
                .into_iter()
                .map(|(name, (small, role))| HostSpec {
                    role: RoleName::new(if role { "app" } else { "db" }).unwrap(),
                    size: size(small),
                    ..spec(&format!("app-{name}"))
                })
                .collect();
            world.hosts = hosts
                .into_iter()
                .map(|(id, (name, small, tags))| Host {
                    size: size(small),
                    ..host(id, &format!("app-{name}"), &OURS[..tags])
                })
                .collect();
        })
    })
}

proptest! {
    #[test]
    fn saved_plans_are_read_as_they_were_and_written_as_the_same_bytes(
        world in any_world(),
        mode in prop_oneof![Just(PlanMode::Reconcile), Just(PlanMode::Destroy), Just(PlanMode::Prune)],
    ) {
        let saved = World { mode, ..world.clone() }.saved();
        let bytes = saved.encode();
        prop_assert_eq!(&SavedPlan::decode(&bytes).unwrap(), &saved);
        let mut shuffled = World { mode, ..world };
        shuffled.hosts.reverse();
        shuffled.declared.reverse();
        prop_assert_eq!(shuffled.saved().encode(), bytes);
    }

    #[test]
    fn file_with_a_flipped_bit_or_cut_short_is_refused(
        world in any_world(),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let mut bytes = world.saved().encode();
        let at = at.index(bytes.len());
        prop_assert!(SavedPlan::decode(&bytes[..at]).is_err());
        bytes[at] ^= 1 << bit;
        let error = SavedPlan::decode(&bytes).unwrap_err();
        prop_assert_eq!(error.kind(), ErrorKind::Config);
    }

    #[test]
    fn changes_are_sorted_none_if_nothing_changed_and_always_in_words(
        before in any_world(),
        after in any_world(),
    ) {
        let (before, after) = (before.saved(), after.saved());
        let changes = before.changes(&after);
        prop_assert!(!changes.is_empty() || acts_alike(&before.plan, &after.plan));
        prop_assert!(changes.is_empty() || before != after);
        prop_assert!(changes.is_sorted());
        prop_assert!(!changes.contains(&PlanChange::Other), "{:?}", changes);
        prop_assert!(before.changes(&before).is_empty());
    }
}

#[test]
fn changed_options_are_told_one_by_one_under_their_names_in_the_file() {
    let saved = World::new().saved();
    let mut now = saved.clone();
    let entry = now.plan.create.first_mut().expect("a host to be created");
    let host = entry.spec.name.clone();
    let options = &mut entry.spec.options;
    options.protect = true;
    options.ttl_seconds = Some(3600);
    options.own_tags = vec!["web".to_owned()];
    let changes = saved.changes(&now);
    let texts: Vec<String> = changes.iter().map(ToString::to_string).collect();
    let declares = "the configuration now declares";
    let expected = [
        ("protect true", "false"),
        ("tags web", "none"),
        ("ttl 3600s", "none"),
    ];
    let expected = expected
        .map(|(now, planned)| format!("{declares} {now} for `{host}`, the plan has {planned}"));
    assert_eq!(texts, expected);
}
