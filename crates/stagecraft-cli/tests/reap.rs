//! `infra reap`: hosts whose time is over, by the cloud's clock, and no others.

mod support;

use stagecraft_core::tags::{PROTECT_TAG, expires_tag};
use support::contract::Contract;
use support::{DECLARED, Lab, quick};

const REAP: [&str; 4] = ["infra", "reap", "--confirm", "staging"];
/// Long after any test: 2100.
const LATER: i64 = 4_102_444_800;

fn tag(lab: &Lab, name: &str, tag: String) {
    let droplets = lab.control().droplets().into_iter();
    let mut found = droplets.filter(|droplet| droplet.name == name);
    let droplet = found.next().expect("a droplet");
    let tags = [droplet.tags, vec![tag]].concat();
    lab.control()
        .set_tags(droplet.id, &tags)
        .expect("a droplet");
}

async fn fleet() -> Lab {
    let lab = Lab::api_only(quick()).await;
    let up = ["infra", "up", "--yes", "--no-bootstrap"];
    lab.run(&up).await.expect_code(0);
    lab
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_whose_time_is_over_go_and_the_next_end_is_told() {
    let lab = fleet().await;
    let nothing = lab.run(&REAP).await;
    let text = "No host's time is over. No other host has an end.";
    assert!(nothing.expect_code(0).stdout.contains(text), "{nothing:?}");

    tag(&lab, "staging-app-1", expires_tag(1_700_000_000));
    tag(&lab, "staging-app-2", expires_tag(LATER));
    let hosts = lab.run(&["infra", "hosts"]).await.stdout;
    let rows: Vec<&str> = hosts.lines().collect();
    assert!(rows[0].ends_with("EXPIRES"), "{hosts}");
    assert!(rows[2].ends_with("2100-01-01T00:00:00Z"), "{hosts}");

    let dry = lab.run(&["infra", "reap", "--dry-run"]).await;
    let text = "The next one is app-2, at 2100-01-01T00:00:00Z.";
    assert!(dry.expect_code(0).stdout.contains(text), "{dry:?}");
    lab.run(&["infra", "reap"]).await.expect_code(7);
    assert_eq!(lab.names(), DECLARED);

    let reaped = lab.run(&[&REAP[..], &["-o", "json"]].concat()).await;
    let lines = Contract::of(&lab).await.lines(reaped.expect_code(0));
    let result = lines.last().expect("a result");
    assert_eq!(result["deleted"][0]["name"], "app-1");
    assert_eq!(result["next"], "app-2");
    assert_eq!(result["next_expires_at"], LATER);
    assert_eq!(lab.names(), ["staging-app-2", "staging-db-1"]);

    let nothing = lab.run(&REAP).await;
    let text = "No host's time is over. The next one is app-2";
    assert!(nothing.expect_code(0).stdout.contains(text), "{nothing:?}");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn protected_host_is_not_reaped_and_others_can_be_by_name() {
    let lab = fleet().await;
    tag(&lab, "staging-db-1", expires_tag(1_700_000_000));
    tag(&lab, "staging-db-1", PROTECT_TAG.to_owned());
    tag(&lab, "staging-app-1", expires_tag(1_700_000_000));
    let refused = lab.run(&REAP).await;
    assert!(
        refused
            .expect_code(7)
            .stderr
            .contains("infra unprotect db-1")
    );
    assert_eq!(lab.names(), DECLARED);
    let one = [&REAP[..], &["--role", "app"]].concat();
    lab.run(&one).await.expect_code(0);
    assert_eq!(lab.names(), ["staging-app-2", "staging-db-1"]);
    lab.shutdown().await;
}
