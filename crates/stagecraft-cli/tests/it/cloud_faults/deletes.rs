//! Deletes that fail, and what is ours to delete.

use stagecraft_sandbox::{Fault, FaultKind};

use super::UP;
use crate::support::{DECLARED, Lab, quick};

#[tokio::test(flavor = "multi_thread")]
async fn delete_answered_by_500_is_sent_again_and_404_counts_as_done() {
    for (name, fault) in [
        ("500 before", Fault::status("DELETE", "/v2/droplets", 500)),
        (
            "500 after",
            Fault::status("DELETE", "/v2/droplets", 500).after(),
        ),
        (
            "reset after",
            Fault::new("DELETE", "/v2/droplets", FaultKind::Reset).after(),
        ),
        ("404", Fault::status("DELETE", "/v2/droplets", 404).after()),
    ] {
        let lab = Lab::api_only(quick()).await;
        lab.run(&UP).await.expect_code(0);
        lab.control().add_fault(fault);
        let down = lab.run(&["infra", "down", "--confirm", "staging"]).await;
        assert_eq!(down.code, Some(0), "{name}: {down:?}");
        assert!(lab.names().is_empty(), "{name}");
        lab.shutdown().await;
    }
}

/// The account saw the tags first in another spelling, and keeps it.
#[tokio::test(flavor = "multi_thread")]
async fn tags_in_another_spelling_are_ours_all_the_same() {
    use stagecraft_sandbox::ForeignDroplet;
    let lab = Lab::api_only(quick()).await;
    let old = [
        "Stagecraft",
        "STAGECRAFT-Env-Staging",
        "stagecraft-project-Shop",
    ];
    let mut droplet = ForeignDroplet::new("staging-app-1", &old);
    droplet.size = "s-2vcpu-4gb".into();
    lab.control().create_droplet(droplet).unwrap();
    lab.run(&UP).await.expect_code(0);
    assert_eq!(
        lab.names(),
        DECLARED,
        "the one that was there is not made again"
    );
    lab.run(&UP).await.expect_code(0);
    assert_eq!(lab.names(), DECLARED);
    let hosts = lab.run(&["infra", "hosts"]).await;
    assert_eq!(hosts.expect_code(0).stdout.lines().count(), 4);
    lab.run(&["infra", "down", "--confirm", "staging"])
        .await
        .expect_code(0);
    assert!(lab.names().is_empty());
    lab.shutdown().await;
}

/// A host that loses its tags between plan and delete is neither deleted nor called gone.
#[tokio::test(flavor = "multi_thread")]
async fn host_that_lost_its_tags_is_left_and_told() {
    let lab = Lab::api_only(quick()).await;
    lab.run(&UP).await.expect_code(0);
    let droplet = lab
        .droplets()
        .into_iter()
        .find(|droplet| droplet.name == "staging-db-1")
        .unwrap();
    // The first list of all droplets after the plan hangs; meanwhile the tags go.
    let slow = Fault::new(
        "GET",
        "/v2/droplets?per_page=*",
        FaultKind::Hang { ms: 1500 },
    );
    lab.control().add_fault(slow);
    let down = ["infra", "down", "--confirm", "staging"];
    lab.control().clear_requests();
    let retag = async {
        let mut look = tokio::time::interval(std::time::Duration::from_millis(20));
        let is_listing = || {
            let requests = lab.control().requests();
            requests
                .iter()
                .any(|request| request.target.starts_with("/v2/droplets?per_page="))
        };
        while !is_listing() {
            look.tick().await;
        }
        lab.control().set_tags(droplet.id, &[]).unwrap();
    };
    let ((), finished) = tokio::join!(retag, lab.run(&down));
    finished.expect_code(10);
    assert!(
        finished.stdout.contains("no longer bears the tags"),
        "{}",
        finished.stdout
    );
    assert_eq!(lab.names(), ["staging-db-1"]);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn down_with_every_delete_refused_exits_2() {
    let lab = Lab::api_only(quick()).await;
    lab.run(&UP).await.expect_code(0);
    lab.control()
        .add_fault(Fault::status("DELETE", "/v2/droplets", 403).times(99));
    lab.run(&["infra", "down", "--confirm", "staging"])
        .await
        .expect_code(2);
    assert_eq!(lab.names(), DECLARED);
    lab.shutdown().await;
}
