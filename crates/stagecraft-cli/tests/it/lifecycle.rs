//! From nothing to hosts and back, through the real binary, on hosts with a real shell.

use crate::support::{AUTH_KEY, DECLARED, Lab, TOKEN, quick};

#[tokio::test(flavor = "multi_thread")]
async fn up_creates_and_bootstraps_then_changes_nothing_then_down_leaves_nothing() {
    let lab = Lab::with_hosts(quick()).await;

    let plan = lab.run(&["infra", "plan", "-o", "json"]).await;
    let plan: serde_json::Value = serde_json::from_str(&plan.expect_code(0).stdout).unwrap();
    assert_eq!(plan["plan"]["create"].as_array().unwrap().len(), 3);
    assert!(lab.names().is_empty(), "a plan creates nothing");

    let first = lab.run(&["infra", "up", "--yes", "-o", "json"]).await;
    let result = first.expect_code(0).result();
    assert_eq!(
        result["plan_id"], plan["plan_id"],
        "the plan is the same bytes"
    );
    assert_eq!(lab.names(), DECLARED);
    for host in result["hosts"].as_array().unwrap() {
        for step in host["steps"].as_array().unwrap() {
            let status = match step["step"].as_str() {
                Some("system") => "unchanged",
                // Hosts of the sandbox have no names outside of themselves.
                Some("reachable") => "skipped",
                _ => "changed",
            };
            assert_eq!(step["status"], status, "{host}");
        }
        assert!(host["fqdn"].as_str().unwrap().ends_with(".sandbox.ts.net"));
    }
    let sequence: Vec<u64> = first
        .lines()
        .iter()
        .map(|line| line["seq"].as_u64().unwrap())
        .collect();
    assert!(sequence.is_sorted_by(|a, b| a + 1 == *b), "{sequence:?}");

    let creates = posts(&lab);
    let second = lab.run(&["infra", "up", "--yes", "-o", "json"]).await;
    for host in second.expect_code(0).result()["hosts"].as_array().unwrap() {
        for step in host["steps"].as_array().unwrap() {
            assert_eq!(step["status"], "unchanged", "{host}");
        }
    }
    assert_eq!(lab.names(), DECLARED);
    assert_eq!(posts(&lab), creates, "the second run sends no write");

    let hosts = lab.run(&["infra", "hosts"]).await;
    assert_eq!(hosts.expect_code(0).stdout.lines().count(), 4);

    lab.run(&["infra", "down", "--confirm", "staging", "-o", "json"])
        .await
        .expect_code(0);
    assert!(lab.names().is_empty());
    let again = lab.run(&["infra", "down", "--confirm", "staging"]).await;
    assert!(again.expect_code(0).stdout.contains("Nothing to delete"));
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_in_no_output_and_in_no_process_list_of_a_host() {
    let lab = Lab::with_hosts(quick()).await;
    let up = lab.run(&["infra", "up", "--yes", "-vv"]).await;
    up.expect_code(0);
    for text in [&up.stdout, &up.stderr] {
        assert!(!text.contains(TOKEN) && !text.contains(AUTH_KEY), "{text}");
        assert!(!text.contains("PRIVATE KEY"), "{text}");
    }
    let look = "cat /var/log/sandbox/*.log; ls -A /run/stagecraft 2>/dev/null; grep -r . /run/stagecraft 2>/dev/null; true";
    for name in DECLARED {
        let found = lab.control().run(name, look).await.unwrap();
        assert!(
            found.contains("up --reset"),
            "the log holds the arguments: {found}"
        );
        assert!(!found.contains(AUTH_KEY), "{found}");
    }
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dry_run_creates_nothing_and_tells_what_would_be_changed_on_hosts() {
    let lab = Lab::with_hosts(quick()).await;
    lab.run(&["infra", "up", "--dry-run"]).await.expect_code(0);
    assert!(lab.names().is_empty());

    lab.run(&["infra", "up", "--yes", "--no-bootstrap"])
        .await
        .expect_code(0);
    assert_eq!(lab.names(), DECLARED);
    let dry = lab.run(&["infra", "up", "--dry-run", "-o", "json"]).await;
    for host in dry.expect_code(0).result()["hosts"].as_array().unwrap() {
        let statuses: Vec<_> = host["steps"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| &step["status"])
            .collect();
        let would = "would_change";
        assert_eq!(statuses, [would, would, would, "unchanged"], "{host}");
        assert_eq!(host["steps"][0]["step"], "host_key");
    }
    let after = lab
        .control()
        .run("staging-app-1", "command -v docker || echo none")
        .await
        .unwrap();
    assert_eq!(after.trim(), "none");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_own_user_data_and_the_host_key_both_reach_the_host() {
    let lab = Lab::with_hosts(quick()).await;
    let data = "#cloud-config\nwrite_files:\n- path: /root/greeting\n  content: gr\u{fc}ezi\n";
    std::fs::write(lab.directory.path().join("data.yml"), data).unwrap();
    lab.edit(
        "app: { role: app, count: 2 }",
        "app: { role: app, count: 2, user_data_file: data.yml }",
    );
    lab.edit(
        "db-1: { role: db, size: s-4vcpu-8gb }",
        "db-1: { role: db, size: s-4vcpu-8gb, user_data: \"#!/bin/sh\\ntrue\" }",
    );
    // That the hosts can be logged in to proves that they show the keys that are pinned.
    lab.run(&["infra", "up", "--yes"]).await.expect_code(0);
    let written = lab
        .control()
        .run("staging-app-2", "cat /root/greeting")
        .await
        .unwrap();
    assert_eq!(written, "gr\u{fc}ezi");
    lab.run(&["infra", "down", "--confirm", "staging"])
        .await
        .expect_code(0);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn user_data_that_is_no_cloud_config_is_refused_before_anything_is_created() {
    let lab = Lab::api_only(quick()).await;
    let data = include_str!("../fixtures/user-data-bad-yaml.yml");
    std::fs::write(lab.directory.path().join("data.yml"), data).unwrap();
    lab.edit(
        "app: { role: app, count: 2 }",
        "app: { role: app, count: 2, user_data_file: data.yml }",
    );
    for arguments in [&["infra", "plan"][..], &["infra", "up", "--yes"]] {
        let refused = lab.run(arguments).await;
        let told = format!("{}{}", refused.stdout, refused.stderr);
        assert!(
            told.contains("data.yml:5:1: user data is no valid cloud-config"),
            "{told}"
        );
    }
    assert!(lab.names().is_empty());
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_hosts_and_undeclared_hosts_are_never_touched() {
    use stagecraft_sandbox::ForeignDroplet;
    let lab = Lab::api_only(quick()).await;
    let control = lab.control();
    control
        .create_droplet(ForeignDroplet::new("web", &[]))
        .unwrap();
    control
        .create_droplet(ForeignDroplet::new(
            "staging-old",
            &["stagecraft-env-staging"],
        ))
        .unwrap();
    let other = [
        "stagecraft",
        "stagecraft-env-staging",
        "stagecraft-project-blog",
    ];
    control
        .create_droplet(ForeignDroplet::new("staging-app-9", &other))
        .unwrap();
    lab.run(&["infra", "up", "--yes", "--no-bootstrap"])
        .await
        .expect_code(0);
    lab.edit("          app: { role: app, count: 2 }\n", "");
    let up = lab.run(&["infra", "up", "--yes", "--no-bootstrap"]).await;
    assert!(up.expect_code(0).stdout.contains("not declared; stays"));
    assert_eq!(lab.names().len(), 6, "`up` never deletes");
    let down = lab.run(&["infra", "down", "--confirm", "staging"]).await;
    assert!(
        down.expect_code(0).stdout.contains("stays"),
        "{}",
        down.stdout
    );
    assert_eq!(lab.names(), ["staging-app-9", "staging-old", "web"]);
    lab.shutdown().await;
}

/// Writes, but for those of the lease.
fn posts(lab: &Lab) -> usize {
    lab.control()
        .requests()
        .iter()
        .filter(|request| request.method != "GET" && !request.target.contains("/firewalls"))
        .count()
}
