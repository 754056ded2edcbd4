//! Dry runs on hosts that exist: what they tell, and that the hosts are the same afterwards.

use crate::support::contract::Contract;
use crate::support::{DECLARED, Lab, quick};
use serde_json::Value;
use stagecraft_sandbox::SshFault;

const ONLY_CREATE: [&str; 4] = ["infra", "up", "--yes", "--no-bootstrap"];
const LOOKS: [&[&str]; 3] = [
    &["infra", "up", "--dry-run"],
    &["infra", "bootstrap", "--dry-run"],
    &["infra", "plan", "--hosts"],
];

/// Everything on a host that can be written: its name, owner, mode, times, size and content.
/// The stand-ins' own records of who called them are not the host's.
const FILES: &str = "set -e; cd /; \
    until [ -e run/cloud-init/result.json ]; do sleep 0.1; done; \
    find . -xdev -path ./var/log/sandbox -prune -o -printf '%p %u %m %T@ %C@ %s %l\\n' | sort; \
    find . -xdev \\( -path ./var/log/sandbox -o -path ./dev \\) -prune -o -type f -print0 | sort -z | xargs -0r sha256sum";

async fn files(lab: &Lab, host: &str) -> Vec<String> {
    let listed = lab.control().run(host, FILES).await.expect("a list");
    let lines: Vec<String> = listed.lines().map(str::to_owned).collect();
    assert!(
        lines
            .iter()
            .any(|line| line.len() > 64 && line.ends_with("  ./etc/os-release")),
        "contents are compared"
    );
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_of_a_host_is_the_same_after_a_dry_run() {
    let lab = Lab::with_hosts(quick()).await;
    lab.run(&ONLY_CREATE).await.expect_code(0);
    for state in ["fresh", "ready"] {
        for name in DECLARED {
            // The comparison sees a change, and the last one is over.
            let before = files(&lab, name).await;
            let touch = "echo x >/etc/probe; sync; rm /etc/probe";
            lab.control().run(name, touch).await.unwrap();
            assert_ne!(before, files(&lab, name).await, "{state} {name}");
        }
        for look in LOOKS {
            let mut before = Vec::new();
            for name in DECLARED {
                before.push(files(&lab, name).await);
            }
            lab.run(look).await.expect_code(0);
            for (name, before) in DECLARED.iter().zip(before) {
                let after = files(&lab, name).await;
                let new: Vec<&String> = after.iter().filter(|own| !before.contains(own)).collect();
                assert!(new.is_empty(), "{state} {name} {look:?}: {new:#?}");
                assert_eq!(before, after, "{state} {name} {look:?}");
            }
        }
        lab.run(&["infra", "bootstrap", "--yes"])
            .await
            .expect_code(0);
    }
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_with_hosts_tells_what_will_be_changed_on_those_that_exist() {
    let lab = Lab::with_hosts(quick()).await;
    let contract = Contract::of(&lab).await;
    let plan = ["infra", "plan", "--hosts", "-o", "json"];
    let document = |text: &str| serde_json::from_str::<Value>(text).expect("a document");
    let one = ["infra", "up", "--yes", "--no-bootstrap", "--host", "db-1"];
    lab.run(&one).await.expect_code(0);

    let planned = lab.run(&plan).await;
    let shown = document(&planned.expect_code(0).stdout);
    contract.check(
        &contract.documents()["infra plan"],
        std::slice::from_ref(&shown),
    );
    assert_eq!(shown["plan"]["create"].as_array().map(Vec::len), Some(2));
    assert_eq!(shown["hosts"].as_array().map(Vec::len), Some(1));
    let steps = shown["hosts"][0]["steps"].as_array().unwrap();
    let statuses: Vec<_> = steps
        .iter()
        .map(|step| [&step["step"], &step["status"]])
        .collect();
    let expected = [
        ["host_key", "would_change"],
        ["docker", "would_change"],
        ["network", "would_change"],
        ["system", "unchanged"],
    ];
    assert_eq!(statuses, expected, "{shown}");
    let text = lab.run(&["infra", "plan", "--hosts"]).await;
    let text = &text.expect_code(0).stdout;
    assert!(
        text.contains("docker: will change: install the latest docker"),
        "{text}"
    );
    assert!(text.contains("1 host will change, 0 as wanted."), "{text}");
    assert!(
        text.contains("On creation every step: app-1, app-2."),
        "{text}"
    );

    let without = document(&lab.run(&["infra", "plan", "-o", "json"]).await.stdout);
    assert!(without.get("hosts").is_none(), "{without}");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn detailed_exit_code_of_plan_with_hosts_counts_what_is_pending_on_them() {
    let lab = Lab::with_hosts(quick()).await;
    lab.run(&ONLY_CREATE).await.expect_code(0);
    let cloud = ["infra", "plan", "--detailed-exitcode"];
    let hosts = ["infra", "plan", "--hosts", "--detailed-exitcode"];
    lab.run(&cloud).await.expect_code(0);
    lab.run(&hosts).await.expect_code(20);
    lab.run(&["infra", "bootstrap", "--yes"])
        .await
        .expect_code(0);
    let same = lab.run(&hosts).await;
    let text = &same.expect_code(0).stdout;
    assert!(text.contains("0 hosts will change, 3 as wanted."), "{text}");
    // What cannot be looked at is no plan.
    let machines = lab.hosts.as_ref().unwrap();
    machines
        .set_ssh_fault("staging-db-1", SshFault::Refuse)
        .await;
    lab.run(&hosts).await.expect_code(10);
    lab.run(&cloud).await.expect_code(0);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_of_deletes_has_no_look_at_hosts() {
    let lab = Lab::api_only(quick()).await;
    for deletes in ["--destroy", "--prune"] {
        let refused = lab.run(&["infra", "plan", "--hosts", deletes]).await;
        let told = &refused.expect_code(1).stderr;
        assert!(told.contains("cannot be used with"), "{told}");
    }
    lab.shutdown().await;
}
