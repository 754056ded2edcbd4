//! Every key that the configuration accepts has an effect: the schema is walked, and each key
//! must have a row here, in the file of its block, that shows what it changes.

mod cloud;
mod connection;
mod docker;
mod network;
mod pauses;
mod project;
mod system;

use std::collections::BTreeSet;

use crate::support::{CONFIG, Lab, quick};
use stagecraft_core::config::schema_keys;

/// A key, how the configuration is edited, what is run, and what is told then and only then.
struct Row {
    key: &'static str,
    edit: (&'static str, &'static str),
    arguments: &'static [&'static str],
    told: &'static str,
}

const PLAN: &[&str] = &["infra", "plan", "-o", "json"];
const DRY_RUN: &[&str] = &["infra", "up", "--dry-run", "-o", "json"];
const UP: &[&str] = &["infra", "up", "--yes", "-o", "json"];

const fn row(
    key: &'static str,
    edit: (&'static str, &'static str),
    arguments: &'static [&'static str],
    told: &'static str,
) -> Row {
    Row {
        key,
        edit,
        arguments,
        told,
    }
}

/// The place of `infra.bootstrap` at which keys are put in.
const READINESS: &str = "readiness: { interval: 100ms, deadline: 5s }";

/// All of them; those that make a host come last.
fn rows() -> Vec<&'static Row> {
    let blocks = [
        project::ROWS,
        cloud::ROWS,
        network::ROWS,
        connection::ROWS,
        system::ROWS,
        docker::ROWS,
    ];
    let mut rows: Vec<&Row> = blocks.into_iter().flatten().collect();
    rows.sort_by_key(|row| row.arguments == UP);
    rows
}

#[test]
fn every_key_of_the_schema_has_a_row() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_stagecraft"))
        .args(["config", "schema"])
        .env_clear()
        .output()
        .unwrap();
    let schema = serde_json::from_slice(&output.stdout).unwrap();
    let accepted: BTreeSet<String> = schema_keys(&schema)
        .into_iter()
        .map(|key| key.key)
        .collect();
    let rows = rows().into_iter().map(|row| row.key);
    let pauses = pauses::PAUSES.iter().map(|(key, test)| {
        let source = concat!(include_str!("keys/pauses.rs"), include_str!("lease.rs"));
        assert!(source.contains(&format!("async fn {test}()")), "{test}");
        *key
    });
    let shown: BTreeSet<String> = rows.chain(pauses).map(str::to_owned).collect();
    assert_eq!(
        accepted.difference(&shown).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "these keys are accepted, and nothing shows that they have an effect"
    );
    assert_eq!(
        shown.difference(&accepted).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "these keys have a row, and are not accepted"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_accepted_key_changes_what_happens() {
    let rows = rows();
    let lab = Lab::with_hosts(quick()).await;
    lab.run(UP).await.expect_code(0);
    let locked = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "a passphrase", "-f"])
        .arg(lab.config_path().with_file_name("locked"))
        .status();
    assert!(locked.unwrap().success());
    for arguments in [PLAN, DRY_RUN, UP] {
        let usual = lab.run(arguments).await;
        usual.expect_code(0);
        for row in rows.iter().filter(|row| row.arguments == arguments) {
            let told = format!("{}{}", usual.stdout, usual.stderr);
            assert!(!told.contains(row.told), "{}: {told}", row.key);
        }
    }
    for (number, row) in rows.iter().enumerate() {
        let (from, to) = row.edit;
        assert!(CONFIG.contains(from), "{}: {from}", row.key);
        let mut text = CONFIG.replacen(from, to, 1);
        if row.arguments == UP {
            // Only new hosts show it.
            let entry = format!("new-{number}: {{ role: db }}\n          db-1:");
            text = text.replacen("db-1:", &entry, 1);
        }
        std::fs::write(lab.config_path(), text).unwrap();
        let changed = lab.run(row.arguments).await;
        let told = format!("{}{}", changed.stdout, changed.stderr);
        assert!(told.contains(row.told), "{}: {told}", row.key);
    }
    lab.shutdown().await;
}
