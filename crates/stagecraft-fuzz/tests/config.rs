//! Hostile configurations: refused with a place in the file, within bounds of memory and stack.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows test functions only, not their helpers"
)]

use std::sync::LazyLock;

use infra_bootstrap::{BootstrapConfig, DOCKER, NETWORK};
use proptest::prelude::*;
use stagecraft_core::config::{ConfigErrors, Document, KnownKeys, Project};
use stagecraft_core::{BuildContext, Error, Kind, Registry};
use stagecraft_fuzz::{MEBIBYTE, bombs, cases, configurations, damaged, measured};

const REAL: &[&str] = &[
    include_str!("../../stagecraft-cli/tests/fixtures/digitalocean.yml"),
    concat!(
        include_str!("../../stagecraft-cli/tests/fixtures/digitalocean.yml"),
        "network:\n  provider: tailscale\n  providers:\n    tailscale: { auth_key_env: TS_AUTHKEY, ",
        "tailnet_domain: mytailnet.ts.net, role_tags: { db: [\"tag:db\"] }, install: { min_version: \"1.80\" } }\n",
        include_str!("../../stagecraft-cli/tests/fixtures/bootstrap.yml"),
    ),
];

/// The most errors that one part of a file may give.
const MOST_ERRORS: usize = 101;
/// The stack that is enough for any file, also in a build that is not optimized. It is that of a
/// thread that the standard library starts, and a quarter of that of `main`.
const STACK: usize = 2 * MEBIBYTE;

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let registry = Registry::discover().unwrap();
    for descriptor in [
        &provider_digitalocean::DESCRIPTOR,
        &provider_tailscale::DESCRIPTOR,
        &DOCKER,
        &NETWORK,
    ] {
        registry.get(descriptor.kind(), descriptor.id).unwrap();
    }
    registry
});

/// Reads a file as the command line does, with everything that is built of it.
fn load(text: &str) -> Vec<ConfigErrors> {
    let project = match Document::new("f.yml", text) {
        Ok(document) => Project::new(document),
        Err(error) => Err(error.into()),
    };
    let project = match project {
        Ok(project) => project,
        Err(errors) => return vec![errors],
    };
    let registry = &*REGISTRY;
    let mut context = BuildContext {
        project: project.name().cloned(),
        name_pattern: project.naming().pattern().clone(),
        network: None,
    };
    let mut found = Vec::new();
    let mut bootstrap = registry.ids(Kind::Step);
    bootstrap.extend(BootstrapConfig::KEYS);
    let known = KnownKeys {
        clouds: &registry.ids(Kind::Cloud),
        networks: &registry.ids(Kind::Network),
        bootstrap: &bootstrap,
    };
    found.extend(project.check_keys(&known).err());
    if let Ok(id) = project.cloud()
        && let Err(error) = registry.cloud(id, &project.cloud_block(id), &context)
    {
        found.extend(config_errors(&error));
    }
    if let Some(id) = project.network() {
        match registry.network(id, &project.network_block(id), &context) {
            Ok(network) => context.network = Some(network),
            Err(error) => found.extend(config_errors(&error)),
        }
    }
    for id in registry.ids(Kind::Step) {
        let is_default = registry
            .get(Kind::Step, id)
            .is_ok_and(|step| step.is_default_step);
        if !is_default && !project.has_bootstrap(id) {
            continue;
        }
        if let Err(error) = registry.step(id, &project.bootstrap_block(id), &context) {
            found.extend(config_errors(&error));
        }
    }
    found.extend(BootstrapConfig::read(&project).err());
    found
}

/// The errors with places, or none if the error has none: an unknown id.
fn config_errors(error: &Error) -> Option<ConfigErrors> {
    let source = std::error::Error::source(error)?;
    source.downcast_ref::<ConfigErrors>().cloned()
}

/// Every error stands in the file and is short enough to be read.
fn check(text: &str, found: &[ConfigErrors]) {
    let lines = text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']);
    let (lines, longest) = lines.fold((0, 0), |(lines, longest), line| {
        (lines + 1, line.chars().count().max(longest))
    });
    for errors in found {
        assert!(errors.iter().count() <= MOST_ERRORS);
        for error in errors {
            assert_eq!(error.file, "f.yml");
            assert!(!error.message.is_empty());
            if let Some(at) = error.location {
                assert!(
                    (1..=lines + 1).contains(&at.line),
                    "{at:?} of {lines} lines"
                );
                assert!(
                    (1..=longest + 2).contains(&at.column),
                    "{at:?} of {longest} columns"
                );
            }
            let excerpt = error.excerpt.as_deref().unwrap_or_default();
            assert!(excerpt.chars().count() <= 200);
        }
    }
}

/// Loads on a small stack, within memory that is proportional to the text. Tells whether the
/// text was accepted.
fn load_bounded(text: &str) -> bool {
    LazyLock::force(&REGISTRY);
    std::thread::scope(|scope| {
        let load = || {
            let found = measured(|| load(text)).within(16 * MEBIBYTE + 1000 * text.len());
            check(text, &found);
            found.is_empty()
        };
        let thread = std::thread::Builder::new().stack_size(STACK);
        thread.spawn_scoped(scope, load).unwrap().join().unwrap()
    })
}

#[test]
fn real_configurations_are_valid() {
    for text in REAL.iter().skip(1) {
        assert_eq!(load(text), []);
    }
}

#[test]
fn configurations_made_to_blow_up_are_refused_within_bounds() {
    // The whole mebibyte takes a minute in a debug build.
    for (name, text) in bombs(MEBIBYTE / 8) {
        assert!(!load_bounded(&text), "{name}");
    }
}

proptest! {
    #![proptest_config(cases(1))]

    #[test]
    fn damaged_configurations_never_panic_and_stay_within_bounds(text in damaged(REAL)) {
        load_bounded(&String::from_utf8_lossy(&text));
    }

    #[test]
    fn made_up_configurations_never_panic_and_stay_within_bounds(text in configurations()) {
        load_bounded(&text);
    }

    #[test]
    fn arbitrary_texts_never_panic_and_stay_within_bounds(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        load_bounded(&String::from_utf8_lossy(&bytes));
    }
}
