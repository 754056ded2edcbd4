//! Modes other than reconcile and destroy, and changes of hosts in place.

use super::*;

const NOW: i64 = 1_795_000_000;

fn with(tags: &[&str], more: &str) -> Vec<String> {
    let mut tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
    tags.push(more.to_owned());
    tags
}

fn tagged(id: u64, name: &str, tags: Vec<String>) -> Host {
    Host {
        tags,
        ..host(id, name, &[])
    }
}

fn asked(
    project: Option<&str>,
    declared: &[HostSpec],
    facts: &CloudFacts,
    request: &PlanRequest,
) -> InfraPlan {
    let project = project.map(|name| ProjectName::new(name).unwrap());
    plan_hosts("cloud", &project.into(), declared, facts, request).unwrap()
}

fn request(mode: PlanMode) -> PlanRequest {
    PlanRequest::new(EnvironmentName::new("staging").unwrap(), mode)
}

fn resizing(resize: ResizeMode) -> PlanRequest {
    PlanRequest {
        resize,
        ..request(PlanMode::Reconcile)
    }
}

#[test]
fn protected_hosts_are_told_and_never_deleted() {
    let facts = facts(vec![
        host(1, "db-1", PROTECTED),
        host(2, "old-1", PROTECTED),
    ]);
    for mode in [PlanMode::Destroy, PlanMode::Prune, PlanMode::Reap] {
        let plan = plan(Some("shop"), &[spec("db-1", "small")], &facts, mode);
        assert!(plan.delete.is_empty(), "{mode:?}");
    }
    let plan = plan(Some("shop"), &[], &facts, PlanMode::Destroy);
    assert_eq!(names(&plan.protected), ["db-1", "old-1"]);
    assert!(plan.protected.iter().all(|host| host.protection.by_tag));
}

#[test]
fn reap_takes_hosts_whose_time_is_over_by_the_clouds_clock_and_no_others() {
    let over = with(OURS_IN_SHOP, &tags::expires_tag(NOW));
    let later = with(OURS_IN_SHOP, &tags::expires_tag(NOW + 1));
    let mut facts = facts(vec![
        tagged(1, "app-1", over.clone()),
        tagged(2, "app-2", later),
        host(3, "app-3", OURS_IN_SHOP),
        tagged(4, "old-1", over),
    ]);
    let declared = ["app-1", "app-2"].map(|name| with_ttl(name, Some(60)));
    let reap = |facts: &CloudFacts| asked(Some("shop"), &declared, facts, &request(PlanMode::Reap));
    facts.time = None;
    let unknown = plan_hosts(
        "cloud",
        &Naming::default(),
        &declared,
        &facts,
        &request(PlanMode::Reap),
    );
    assert_eq!(unknown.unwrap_err().kind(), ErrorKind::Protocol);
    facts.time = Some(NOW);
    let plan = reap(&facts);
    assert_eq!(names(&plan.delete), ["app-1", "old-1"]);
    assert_eq!(plan.delete[0].expires_at, Some(NOW));
    let without_project = asked(None, &declared, &facts, &request(PlanMode::Reap));
    assert!(without_project.delete.is_empty());
}

fn with_ttl(name: &str, ttl_seconds: Option<u64>) -> HostSpec {
    let mut spec = spec(name, "small");
    spec.options.ttl_seconds = ttl_seconds;
    spec
}

fn end(at: i64, ttl_seconds: Option<u64>) -> String {
    Expiry { at, ttl_seconds }.tag()
}

#[test]
fn reap_holds_what_the_file_does_not_end_and_releases_it_by_name_only() {
    let over = |id, name| tagged(id, name, with(OURS_IN_SHOP, &end(NOW, Some(60))));
    let mut facts = facts(vec![
        over(1, "app-1"),
        over(2, "app-2"),
        over(3, "app-3"),
        over(4, "app-4"),
        over(5, "old-1"),
    ]);
    facts.time = Some(NOW);
    let mut protected = with_ttl("app-4", None);
    protected.options.protect = true;
    let declared = [
        with_ttl("app-1", None),
        with_ttl("app-2", Some(61)),
        with_ttl("app-3", Some(59)),
        protected,
    ];
    let mut plan = asked(Some("shop"), &declared, &facts, &request(PlanMode::Reap));
    assert_eq!(names(&plan.delete), ["app-3", "old-1"]);
    assert_eq!(names(&plan.protected), ["app-4"]);
    let held: Vec<_> = plan.held.iter().map(|own| own.ends_at).collect();
    assert_eq!(held, [None, Some(NOW + 1)]);
    assert_eq!(plan.cost.monthly_after, MicroUsd(18_000_000));
    assert_eq!(plan.hosts_now(), 5);

    let id = HostId::new("1");
    for typed in ["", "app-2", "staging", "APP-1"] {
        assert!(plan.release(&id, typed).is_err(), "{typed}");
    }
    assert!(plan.release(&HostId::new("5"), "old-1").is_err());
    assert_eq!(plan.held.len(), 2);
    plan.release(&id, "app-1").unwrap();
    assert_eq!(names(&plan.delete), ["app-1", "app-3", "old-1"]);
    assert_eq!(plan.held.len(), 1);
    assert_eq!(plan.cost.monthly_after, MicroUsd(12_000_000));
}

#[test]
fn end_follows_the_declared_duration_from_the_same_moment() {
    /// The tags of a host, the declared duration, and the new end if it changes.
    type Case<'c> = (&'c [&'c str], Option<u64>, Option<Option<i64>>);
    let recorded = end(NOW, Some(60));
    let cases: [Case<'_>; 8] = [
        (&[&recorded], Some(60), None),
        (&[&recorded.to_ascii_uppercase()], Some(60), None),
        (&[&recorded], Some(90), Some(Some(NOW + 30))),
        (&[&recorded], Some(20), Some(Some(NOW - 40))),
        (&[&recorded], None, Some(None)),
        // Set by another build, or by hand.
        (&[&end(NOW, None)], Some(90), Some(Some(NOW))),
        // Interrupted between adding the new tag and removing the old one, both ways.
        (
            &[&recorded, &end(NOW + 30, Some(90))],
            Some(90),
            Some(Some(NOW + 30)),
        ),
        (
            &[&recorded, &end(NOW - 40, Some(20))],
            Some(20),
            Some(Some(NOW - 40)),
        ),
    ];
    for (ends, declared, to) in cases {
        let mut tags: Vec<String> = OURS_IN_SHOP.iter().map(|tag| (*tag).to_owned()).collect();
        tags.extend(ends.iter().map(|tag| (*tag).to_owned()));
        let facts = facts(vec![tagged(1, "app-1", tags.clone())]);
        let declared = [with_ttl("app-1", declared)];
        let plan = asked(
            Some("shop"),
            &declared,
            &facts,
            &request(PlanMode::Reconcile),
        );
        let Some(to) = to else {
            assert!(plan.is_empty(), "{ends:?}");
            continue;
        };
        let entry = &plan.retag[0];
        assert_eq!(entry.expiry.unwrap().to, to, "{ends:?}");
        assert_eq!(entry.ttl_seconds, None);
        // Once applied, it is the only end, and nothing is left to do.
        tags.retain(|tag| !entry.remove.contains(tag));
        tags.extend(entry.add.iter().cloned());
        assert_eq!(Expiry::of(&tags).map(|end| end.at), to);
        let facts = self::facts(vec![tagged(1, "app-1", tags)]);
        let again = request(PlanMode::Reconcile);
        let again = asked(Some("shop"), &declared, &facts, &again);
        assert!(again.is_empty(), "{ends:?}");
    }
}

#[test]
fn backups_count_in_prices_and_costs_if_the_cloud_tells_what_they_cost() {
    let backed_up = |id, name: &str| Host {
        features: Some(HostFeatures {
            backups: true,
            ..HostFeatures::default()
        }),
        ..host(id, name, OURS_IN_SHOP)
    };
    let mut facts = facts(vec![backed_up(1, "app-1"), host(2, "app-2", OURS_IN_SHOP)]);
    let mut large = facts.sizes["small"].clone();
    large.monthly = MicroUsd(12_000_000);
    facts.sizes.insert("large".to_owned(), large);
    let mut new = spec("app-3", "small");
    new.options.backups = true;
    let declared = [spec("app-1", "large"), spec("app-2", "small"), new];
    let resizing = resizing(ResizeMode::KeepDisk);
    let without = asked(Some("shop"), &declared, &facts, &resizing);
    assert_eq!(without.cost.monthly_after, MicroUsd(24_000_000));
    assert!(without.leaves_backups_out(&facts));

    facts.backup_percent = Some(30);
    let plan = asked(Some("shop"), &declared, &facts, &resizing);
    assert_eq!(plan.create[0].monthly, Some(MicroUsd(7_800_000)));
    let part = plan.create[0].backups_monthly;
    assert_eq!(part, Some(MicroUsd(1_800_000)));
    assert_eq!(plan.unchanged[0].monthly, Some(MicroUsd(6_000_000)));
    assert_eq!(plan.unchanged[0].backups_monthly, None);
    assert_eq!(plan.resize[0].host.monthly, Some(MicroUsd(7_800_000)));
    assert_eq!(plan.resize[0].to_monthly, Some(MicroUsd(15_600_000)));
    assert_eq!(plan.cost.monthly_before, MicroUsd(13_800_000));
    assert_eq!(plan.cost.monthly_after, MicroUsd(29_400_000));
    assert!(!plan.leaves_backups_out(&facts));
}

#[test]
fn another_image_is_shown_and_neither_a_difference_nor_work() {
    let of = |id, name: &str, image: Option<&str>| Host {
        image: image.map(ToOwned::to_owned),
        ..host(id, name, OURS_IN_SHOP)
    };
    let facts = facts(vec![
        of(1, "app-1", Some("ubuntu-22-04-x64")),
        of(2, "app-2", Some("debian-13-x64")),
        of(3, "app-3", None),
    ]);
    let declared = ["app-1", "app-2", "app-3"].map(|name| spec(name, "small"));
    let plan = plan(Some("shop"), &declared, &facts, PlanMode::Reconcile);
    assert_eq!(plan.unchanged.len(), 3);
    assert!(!plan.has_pending());
    assert_eq!(plan.other_image.len(), 1);
    let other = &plan.other_image[0];
    assert_eq!(other.host.name, "app-2");
    assert_eq!(other.declared, "ubuntu-22-04-x64");
    assert_eq!(other.actual, "debian-13-x64");
}

#[test]
fn file_protects_each_host_of_a_name_from_every_mode_that_deletes() {
    let over = |id| tagged(id, "db-1", with(OURS_IN_SHOP, &end(NOW, None)));
    let mut facts = facts(vec![over(1), over(2)]);
    facts.time = Some(NOW);
    let mut spec = spec("db-1", "small");
    spec.options.protect = true;
    for mode in [PlanMode::Destroy, PlanMode::Reap] {
        let plan = plan(Some("shop"), &[spec.clone()], &facts, mode);
        assert_eq!(plan.delete.len() + plan.held.len(), 0, "{mode:?}");
        assert_eq!(plan.protected.len(), 2);
        assert!(plan.protected.iter().all(|host| host.protection.by_file));
        assert!(plan.check_protection().is_err());
    }
}

#[test]
fn adopt_tags_the_named_host_unless_it_is_somebody_elses_or_ambiguous() {
    let strange = |id, name: &str, tags: &[&str]| host(id, name, tags);
    let facts = facts(vec![
        strange(1, "app-1", &["web"]),
        strange(2, "app-2", &["stagecraft-env-prod"]),
        strange(3, "app-3", &[]),
        strange(4, "app-3", &[]),
        strange(
            5,
            "app-4",
            &["stagecraft", "stagecraft-env-staging", "stagecraft-role-db"],
        ),
    ]);
    let declared: Vec<_> = ["app-1", "app-2", "app-3", "app-4"]
        .map(|name| spec(name, "small"))
        .to_vec();
    let plan = asked(Some("shop"), &declared, &facts, &request(PlanMode::Adopt));
    let adopted: Vec<_> = plan
        .retag
        .iter()
        .map(|entry| entry.host.name.as_str())
        .collect();
    assert_eq!(adopted, ["app-1", "app-4"]);
    assert_eq!(
        plan.retag[0].add,
        [
            "stagecraft",
            "stagecraft-env-staging",
            "stagecraft-project-shop",
            "stagecraft-role-app"
        ]
    );
    assert_eq!(
        plan.retag[1].add,
        ["stagecraft-project-shop", "stagecraft-role-app"]
    );
    assert_eq!(plan.retag[1].remove, ["stagecraft-role-db"]);
    assert_eq!(plan.unmanaged.len(), 5);
}

#[test]
fn unprotect_takes_the_tag_as_the_cloud_spells_it() {
    let facts = facts(vec![host(1, "db-1", PROTECTED)]);
    let plan = plan(Some("shop"), &[], &facts, PlanMode::Unprotect);
    assert_eq!(plan.retag[0].remove, ["Stagecraft-Protect"]);
    assert!(plan.delete.is_empty() && plan.protected.is_empty());
}

#[test]
fn reconcile_gives_missing_tags_and_never_takes_protection_away() {
    let tags = with(PROTECTED, "own");
    let facts = facts(vec![
        tagged(1, "db-1", tags),
        host(2, "app-1", OURS_IN_SHOP),
    ]);
    let mut app = spec("app-1", "small");
    app.options.protect = true;
    app.options.own_tags = vec!["web".to_owned()];
    app.options.ttl_seconds = Some(60);
    let declared = [app, spec("db-1", "small")];
    let plan = plan(Some("shop"), &declared, &facts, PlanMode::Reconcile);
    assert_eq!(names(&plan.unchanged), ["app-1", "db-1"]);
    assert_eq!(plan.retag[0].add, ["stagecraft-protect", "web"]);
    assert_eq!(plan.retag[0].ttl_seconds, Some(60));
    // It was declared with another role: that changes, the rest stays.
    assert_eq!(plan.retag[1].add, ["stagecraft-role-app"]);
    assert_eq!(plan.retag[1].remove, ["stagecraft-role-db"]);
    assert_eq!(plan.retag[1].ttl_seconds, None);
}

#[test]
fn another_size_is_resized_only_when_asked_and_nothing_else_differs() {
    let mut elsewhere = host(2, "app-2", OURS);
    elsewhere.region = "ams3".to_owned();
    let mut facts = facts(vec![host(1, "app-1", OURS), elsewhere]);
    let mut large = facts.sizes["small"].clone();
    large.monthly = MicroUsd(48_000_000);
    large.hourly = MicroUsd(71_430);
    facts.sizes.insert("large".to_owned(), large);
    let declared = [spec("app-1", "large"), spec("app-2", "large")];
    let plan = asked(None, &declared, &facts, &resizing(ResizeMode::KeepDisk));
    assert_eq!(plan.resize.len(), 1);
    assert_eq!(plan.resize[0].to, "large");
    assert!(!plan.resize[0].grow_disk);
    assert_eq!(plan.differ[0].host.name, "app-2");
    assert_eq!(plan.cost.monthly_before, MicroUsd(12_000_000));
    assert_eq!(plan.cost.monthly_after, MicroUsd(54_000_000));
    assert_eq!(plan.cost.hourly_after, MicroUsd(80_360));
}

#[test]
fn resize_that_was_broken_off_is_ended_whatever_is_asked() {
    let mut left = tagged(1, "app-1", with(OURS, "stagecraft-resizing"));
    left.status = HostStatus::Off;
    let mut runs = left.clone();
    runs.status = HostStatus::Active;
    let plan_of = |host: &Host, size: &str, resize| {
        let facts = facts(vec![host.clone()]);
        asked(None, &[spec("app-1", size)], &facts, &resizing(resize))
    };
    let done = plan_of(&left, "small", ResizeMode::Never);
    assert_eq!(names(&done.power_on), ["app-1"]);
    assert_eq!(names(&done.unchanged), ["app-1"]);
    let before = plan_of(&left, "large", ResizeMode::Never);
    assert_eq!(names(&before.power_on), ["app-1"]);
    let goes_on = plan_of(&left, "large", ResizeMode::KeepDisk);
    assert!(goes_on.power_on.is_empty());
    assert_eq!(goes_on.resize.len(), 1);
    let only_the_tag = plan_of(&runs, "small", ResizeMode::Never);
    assert!(only_the_tag.power_on.is_empty());
    assert_eq!(only_the_tag.retag[0].remove, ["stagecraft-resizing"]);
    let mut switched_off = left;
    switched_off.tags = with(OURS, "x");
    let not_ours_to_switch_on = plan_of(&switched_off, "small", ResizeMode::Never);
    assert!(not_ours_to_switch_on.is_empty());
}

#[test]
fn undo_takes_only_what_one_run_made() {
    let made = with(OURS_IN_SHOP, &tags::run_tag("0123456789abcdef"));
    let facts = facts(vec![
        tagged(1, "app-1", made),
        host(2, "app-2", OURS_IN_SHOP),
    ]);
    let request = PlanRequest {
        made_by: Some("0123456789ABCDEF".to_owned()),
        ..request(PlanMode::Destroy)
    };
    let plan = asked(Some("shop"), &[spec("app-2", "small")], &facts, &request);
    assert_eq!(names(&plan.delete), ["app-1"]);
    assert!(plan.undeclared.is_empty() && plan.unchanged.is_empty());
}

#[test]
fn declared_options_that_a_host_lacks_differ() {
    let mut bare = host(1, "app-1", OURS);
    bare.features = Some(HostFeatures::default());
    bare.vpc = Some("default".to_owned());
    let mut wanted = spec("app-1", "small");
    wanted.options.monitoring = true;
    wanted.options.backups = true;
    wanted.options.vpc = Some("inner".to_owned());
    let plan = plan(None, &[wanted], &facts(vec![bare]), PlanMode::Reconcile);
    let takes: Vec<_> = plan.differ[0]
        .fields
        .iter()
        .map(|field| (field.field.as_str(), field.takes))
        .collect();
    assert_eq!(
        takes,
        [
            ("backups", Remedy::Manual),
            ("monitoring", Remedy::Replace),
            ("vpc", Remedy::Replace)
        ]
    );
}

#[test]
fn host_whose_role_changed_is_selected_by_either_role_and_stays_declared() {
    let facts = facts(vec![Host {
        role: RoleName::new("db").ok(),
        ..host(1, "db-1", OURS_IN_SHOP)
    }]);
    let mut declared = spec("db-1", "small");
    declared.role = RoleName::new("database").unwrap();
    for role in ["db", "database"] {
        let plan_of = |mode| {
            let mut request = request(mode);
            request.roles.insert(RoleName::new(role).unwrap());
            asked(
                Some("shop"),
                std::slice::from_ref(&declared),
                &facts,
                &request,
            )
        };
        assert!(plan_of(PlanMode::Prune).delete.is_empty(), "{role}");
        assert!(plan_of(PlanMode::Reconcile).create.is_empty(), "{role}");
        assert_eq!(names(&plan_of(PlanMode::Destroy).delete), ["db-1"]);
    }
}
