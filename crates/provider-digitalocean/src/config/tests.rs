use std::sync::Arc;

use stagecraft_core::RoleName;
use stagecraft_core::config::{ConfigBlock, ConfigError, Document};

use super::*;

fn parse(text: &str) -> Result<DigitalOceanConfig, ConfigError> {
    let document = Arc::new(Document::new("stagecraft.yml", text).unwrap());
    ConfigBlock::new(document, Vec::<String>::new())
        .parse()
        .map_err(|errors| errors.first().clone())
}

fn problems(text: &str) -> Vec<String> {
    parse(text)
        .unwrap()
        .declared(&Naming::default())
        .unwrap_err()
        .into_iter()
        .map(|problem| format!("{}: {}", problem.path.join("."), problem.message))
        .collect()
}

const BASE: &str = "token_env: T\nssh_key_name: k\ndefault_region: nyc1\ndefault_size: small\n";

#[test]
fn defaults_and_counts_are_resolved() {
    let config = parse(&format!(
        "{BASE}hosts:\n  staging:\n    app: {{ role: app, count: 2 }}\n    db-1: {{ role: db, size: big, image: debian-13-x64 }}\n"
    ))
    .unwrap();
    let declared = config.declared(&Naming::default()).unwrap();
    let specs = &declared[&EnvironmentName::new("staging").unwrap()];
    let summary: Vec<String> = specs
        .iter()
        .map(|spec| {
            format!(
                "{} {} {} {} {}",
                spec.name, spec.role, spec.size, spec.region, spec.image
            )
        })
        .collect();
    assert_eq!(
        summary,
        [
            "app-1 app small nyc1 ubuntu-22-04-x64",
            "app-2 app small nyc1 ubuntu-22-04-x64",
            "db-1 db big nyc1 debian-13-x64",
        ]
    );
    assert_eq!(config.poll.interval.get(), Duration::from_secs(5));
    assert_eq!(config.poll.deadline.get(), Duration::from_mins(10));
}

#[test]
fn configuration_made_in_code_declares_what_the_file_would() {
    let file = parse(&format!(
        "{BASE}hosts:\n  staging:\n    app: {{ role: app, count: 2 }}\n    db: {{ role: db, size: big }}\n"
    ))
    .unwrap();
    let name = |text: &str| HostName::new(text).unwrap();
    let role = |text: &str| RoleName::new(text).unwrap();
    let staging = EnvironmentName::new("staging").unwrap();
    let mut app = HostConfig::new(role("app"));
    app.count = Some(2);
    let mut db = HostConfig::new(role("db"));
    db.size = Some("big".to_owned());
    let mut config = DigitalOceanConfig::new("T", "k")
        .with_host(staging.clone(), name("app"), app)
        .with_host(staging, name("db"), db);
    config.default_region = Some("nyc1".to_owned());
    config.default_size = Some("small".to_owned());
    assert_eq!(
        config.declared(&Naming::default()),
        file.declared(&Naming::default())
    );
}

#[test]
fn names_that_would_be_one_in_the_cloud_are_refused() {
    let text = format!(
        "{BASE}hosts:\n  prod:\n    eu-app-1: {{ role: app }}\n  prod-eu:\n    app-1: {{ role: app }}\n"
    );
    assert_eq!(
        problems(&text),
        [
            "hosts.prod-eu.app-1: `prod-eu-app-1` would also be the name of `eu-app-1` in environment `prod`"
        ]
    );
}

#[test]
fn count_that_meets_another_entry_is_refused() {
    let text = format!(
        "{BASE}hosts:\n  prod:\n    app: {{ role: app, count: 2 }}\n    app-2: {{ role: app }}\n"
    );
    assert_eq!(
        problems(&text),
        ["hosts.prod: two entries make a host `app-2`"]
    );
}

#[test]
fn allow_lists_and_missing_defaults_are_enforced() {
    let text = "token_env: T\nssh_key_name: k\nregions: [nyc1]\nsizes: [small]\nhosts:\n  prod:\n    a: { role: app, region: ams3, size: small }\n    b: { role: app, region: nyc1 }\n";
    assert_eq!(
        problems(text),
        [
            "hosts.prod.a.region: region `ams3` is not among the allowed regions: nyc1",
            "hosts.prod.b: no size: give the host one, or set default_size",
        ]
    );
}

#[test]
fn missing_wrong_and_unknown_keys_have_a_place() {
    let error = parse("token_env: T\nhosts: {}\n").unwrap_err();
    assert!(
        error.message.contains("missing field `ssh_key_name`"),
        "{error}"
    );
    let error = parse(&format!("{BASE}hosts:\n  prod:\n    a: {{ rol: app }}\n")).unwrap_err();
    assert_eq!(error.location.map(|at| at.line), Some(7));
    assert_eq!(error.suggestion.as_deref(), Some("role"));
    let error = parse(&format!(
        "{BASE}hosts:\n  prod:\n    a_b: {{ role: app }}\n"
    ))
    .unwrap_err();
    assert!(error.message.contains("invalid host name"), "{error}");
}

#[test]
fn empty_values_and_zero_times_are_refused() {
    let text = format!(
        "{BASE}poll: {{ list_lag: 0s }}\nhosts:\n  prod:\n    a: {{ role: app, size: ' ' }}\n"
    );
    assert_eq!(
        problems(&text),
        [
            "poll.list_lag: must be longer than zero",
            "hosts.prod.a.size: size must not be empty",
        ]
    );
}

#[test]
fn host_that_stands_twice_is_refused() {
    let text = format!("{BASE}hosts:\n  prod:\n    a: {{ role: app }}\n    a: {{ role: db }}\n");
    let error = parse(&text).unwrap_err();
    assert_eq!(error.message, "the key `a` stands here twice");
    assert!(error.location.is_some());
}

#[test]
fn token_in_place_of_its_variables_name_is_refused() {
    for token in ["dop_v1_0123", "a b", "1X", "dor_v1_x"] {
        let text = format!("token_env: {token}\nssh_key_name: k\nhosts:\n  prod: {{}}\n");
        let problems = parse(&text)
            .unwrap()
            .declared(&Naming::default())
            .unwrap_err();
        assert!(
            problems[0].is_secret && !problems[0].message.contains(token),
            "{token}"
        );
    }
}

#[test]
fn lease_expires_no_sooner_than_after_two_intervals() {
    let lease = |lease: &str| {
        problems(&format!(
            "{BASE}lease: {lease}\nhosts:\n  prod:\n    a: {{ role: app }}\n"
        ))
    };
    assert_eq!(
        lease("{ interval: 20s, expiry: 39s }"),
        ["lease.expiry: must be at least twice lease.interval"]
    );
    assert_eq!(
        lease("{ interval: 0s }"),
        ["lease.interval: must be longer than zero"]
    );
}

/// The problems of a host with these keys.
fn host_problems(keys: &str) -> Vec<String> {
    problems(&format!(
        "{BASE}hosts:\n  prod:\n    a: {{ role: app, {keys} }}\n"
    ))
}

#[test]
fn options_of_hosts_are_declared() {
    let config = parse(&format!(
        "{BASE}hosts:\n  prod:\n    a: {{ role: app, count: 2, tags: [web, \"backup:daily\"], ttl: 8h, vpc: inner, monitoring: true, backups: true, ipv6: true, userData: '#!/bin/sh', project: Shop }}\n    b: {{ role: app, protect: true, userDataFile: b.yml }}\n"
    ))
    .unwrap();
    let declared = config.declared(&Naming::default()).unwrap();
    let specs = &declared[&EnvironmentName::new("prod").unwrap()];
    let options = &specs[1].options;
    assert_eq!(options, &specs[0].options);
    assert_eq!(options.own_tags, ["backup:daily", "web"]);
    assert_eq!(options.ttl_seconds, Some(8 * 3600));
    assert_eq!(options.vpc.as_deref(), Some("inner"));
    assert_eq!(options.cloud_project.as_deref(), Some("Shop"));
    assert!(options.monitoring && options.backups && options.ipv6 && !options.protect);
    assert_eq!(options.user_data_sha256.as_ref().map(String::len), Some(64));
    let protected = &specs[2].options;
    assert!(protected.protect && protected.user_data_sha256.is_none());
}

#[test]
fn user_data_is_withheld_from_debug() {
    let config = parse(&format!(
        "{BASE}hosts:\n  prod:\n    a: {{ role: app, user_data: '#!/bin/hunter2' }}\n"
    ))
    .unwrap();
    let shown = format!("{config:?}");
    assert!(shown.contains("UserData(14 bytes)"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn entry_of_a_counted_host_is_found() {
    let config = parse(&format!(
        "{BASE}hosts:\n  prod:\n    a: {{ role: app, count: 2, user_data: '#!/bin/sh' }}\n    a-b: {{ role: db }}\n"
    ))
    .unwrap();
    let prod = EnvironmentName::new("prod").unwrap();
    let entry = |name: &str| config.entry(&prod, &HostName::new(name).unwrap());
    assert!(entry("a-2").is_some_and(|host| host.user_data.is_some()));
    assert!(entry("a-b").is_some_and(|host| host.user_data.is_none()));
    for name in ["a", "a-0", "a-3", "a-b-1", "x"] {
        assert!(entry(name).is_none(), "{name}");
    }
}

#[test]
fn tags_that_the_api_or_stagecraft_would_misread_are_refused() {
    for (tag, why) in [
        ("a b", "1 to 255 letters"),
        ("k=v", "1 to 255 letters"),
        ("''", "1 to 255 letters"),
        ("Web", "lower case"),
        ("stagecraft-role-db", "Stagecraft's own"),
        ("stagecraft", "Stagecraft's own"),
        (&"x".repeat(256), "1 to 255 letters"),
        ("web, web", "stands twice"),
    ] {
        let problems = host_problems(&format!("tags: [{tag}]"));
        assert!(
            problems[0].starts_with("hosts.prod.a.tags: tag `"),
            "{problems:?}"
        );
        assert!(problems[0].contains(why), "{problems:?}");
    }
}

#[test]
fn options_that_contradict_or_say_nothing_are_refused() {
    for (keys, problem) in [
        ("ttl: 59s", "ttl: must be at least 1m"),
        (
            "ttl: 1h, protect: true",
            "ttl: a protected host has no ttl: give one of protect and ttl",
        ),
        ("vpc: ' '", "vpc: vpc must not be empty"),
        ("project: ''", "project: project must not be empty"),
        (
            "user_data: '#!/bin/sh', user_data_file: x",
            "user_data_file: only one of user_data and user_data_file may be given",
        ),
        (
            "user_data_file: ''",
            "user_data_file: user_data_file must be the path of a file",
        ),
        (
            "user_data: echo hi",
            "user_data: user data must begin as cloud-init knows it: `#cloud-config`, `#!`, `#include`, `## template: jinja`, `#cloud-boothook`, `#cloud-config-archive`, `#part-handler`, or the headers of a MIME message",
        ),
    ] {
        assert_eq!(host_problems(keys), [format!("hosts.prod.a.{problem}")]);
    }
    let error = parse(&format!(
        "{BASE}hosts:\n  prod:\n    a: {{ role: app, ttl: 8 }}\n"
    ))
    .unwrap_err();
    assert!(error.message.contains("invalid duration"), "{error}");
}

#[test]
fn window_has_room_for_the_lease_beside_the_work() {
    let rate = |requests: u32| {
        format!(
            "{BASE}rate: {{ requests: {requests} }}\nhosts:\n  staging:\n    db-1: {{ role: db }}\n"
        )
    };
    assert_eq!(problems(&rate(1)), ["rate.requests: must be from 2 to 240"]);
    assert!(
        parse(&rate(2))
            .unwrap()
            .declared(&Naming::default())
            .is_ok()
    );
}
