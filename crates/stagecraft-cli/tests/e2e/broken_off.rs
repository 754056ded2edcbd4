//! A host that is not there yet, or goes away while it is worked on.

use std::time::Duration;

use crate::hosts::{
    CHEAP, assert_ended_within, assert_failure, assert_fine, config, host, lab, lab_booting,
};

const ONLY_CREATE: [&str; 2] = ["--yes", "--no-bootstrap"];
const JSON: [&str; 3] = ["--yes", "--output", "json"];
const FIRST_ZONE: &str = "Europe/Berlin";

#[tokio::test(flavor = "multi_thread")]
async fn first_boot_that_failed_in_part_is_reported_by_the_first_run_and_stops_nothing() {
    // Debian 13's cloud-init calls a deprecated key degraded, though it does what it says.
    let hosts = "\
good: { role: web, image: debian-13-x64, user_data: \"MIME-Version: 1.0\\nContent-Type: text/x-shellscript\\n\\n#!/bin/sh\\n: >/root/mixed\" }
old: { role: web, image: debian-13-x64, user_data: \"#cloud-config\\napt_upgrade: false\" }
bad: { role: web, image: debian-13-x64, user_data: \"#!/bin/sh\\nexit 3\" }";
    let lab = lab(&config(hosts, CHEAP)).await;
    let result = lab.infra("up", &JSON).await.expect_code(0).result();
    let image = host(&result, "good")["warnings"].to_string();
    assert!(!image.contains("failed in part"), "{image}");
    lab.inside("good", "test -e /root/mixed").await;
    let told = host(&result, "bad")["warnings"].to_string();
    assert!(told.contains("the first boot failed in part"), "{told}");
    assert!(told.contains("scripts"), "{told}");
    let told = host(&result, "old")["warnings"].to_string();
    assert!(told.contains("the first boot is degraded"), "{told}");
    assert!(told.contains("DEPRECATED"), "{told}");
    assert!(told.contains("apt_upgrade"), "{told}");
    let result = lab.infra("up", &JSON).await.expect_code(0).result();
    for name in ["good", "old", "bad"] {
        assert_eq!(host(&result, name)["warnings"], serde_json::json!([]));
    }
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn first_boot_that_systemd_dropped_or_that_is_disabled_ends_at_once() {
    let hosts = "\
dropped: { role: web, image: debian-13-x64 }
older: { role: web, image: debian-12-x64 }
disabled: { role: web, image: debian-13-x64 }";
    let lab = lab(&config(hosts, CHEAP)).await;
    lab.infra("up", &JSON).await.expect_code(0);
    // As systemd leaves it when it breaks a cycle: the stages are known, and none of them comes.
    let forget = "rm /run/cloud-init/result.json /var/lib/cloud/instance/boot-finished";
    let dropped = format!(
        "{forget}; systemctl stop cloud-final.service; cat >/run/cloud-init/status.json <<'END'\n{}\nEND",
        include_str!(
            "../../../infra-bootstrap/tests/fixtures/cloud-init-status-ordering-cycle.json"
        )
    );
    for name in ["dropped", "older"] {
        lab.inside(name, &dropped).await;
    }
    let disable =
        format!("{forget}; : >/run/cloud-init/disabled; : >/etc/cloud/cloud-init.disabled");
    lab.inside("disabled", &disable).await;
    let failed = lab.infra("up", &JSON).await;
    let result = failed.expect_code(3).result();
    for name in ["dropped", "older"] {
        let words = [
            "cloud-init has not run to its end",
            "its stages that never ran: init-local, init, modules-final",
            "cloud-final.service: ",
            "cloud_init: ignore",
        ];
        assert_failure(&result, name, "host_not_ready", &words);
        assert_ended_within(&result, name, Duration::from_secs(20));
    }
    let words = ["cloud-init is disabled", "cloud-init.disabled is there"];
    assert_failure(&result, "disabled", "host_not_ready", &words);
    lab.edit(
        "500ms, deadline: 60s",
        "500ms, deadline: 60s, cloud_init: ignore",
    );
    lab.infra("up", &JSON).await.expect_code(0);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn first_boot_that_takes_too_long_is_told_with_what_cloud_init_does() {
    let text = config("web-1: { role: web, image: debian-13-x64 }", CHEAP);
    let lab = lab_booting(&text, Duration::from_secs(45)).await;
    lab.infra("up", &ONLY_CREATE).await.expect_code(0);
    let final_stage = "grep -q '\"modules-final\",\\?$' /run/cloud-init/status.json";
    lab.until("web-1", final_stage).await;
    // Long enough to log in on a busy machine, and over long before the first boot is.
    lab.edit("500ms, deadline: 60s", "500ms, deadline: 10s");
    let failed = lab.infra("up", &JSON).await;
    let result = failed.expect_code(3).result();
    let words = [
        "for the first boot to end",
        "cloud-init is in its stage modules-final",
        "/agent",
    ];
    assert_failure(&result, "web-1", "host_not_ready", &words);
    assert_ended_within(&result, "web-1", Duration::from_secs(30));

    lab.edit("500ms, deadline: 10s", "500ms, deadline: 60s");
    let done = lab.infra("up", &JSON).await;
    let result = done.expect_code(0).result();
    let waited = &host(&result, "web-1")["retries"];
    assert!(waited.to_string().contains("the first boot"), "{waited}");
    for retry in waited.as_array().expect("retries") {
        assert_ne!(retry["reason"], "", "{waited}");
    }
    lab.assert_zone(&["web-1"], FIRST_ZONE).await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn host_that_comes_back_in_mid_step_goes_on_and_one_that_stays_away_is_finished_by_the_next_run()
 {
    let all = ["dies", "lost", "back", "late"];
    let hosts = all.map(|name| format!("{name}: {{ role: web, image: debian-13-x64 }}"));
    let lab = lab(&config(&hosts.join("\n"), CHEAP)).await;
    lab.infra("up", &JSON).await.expect_code(0);
    let users = format!("timezone: {FIRST_ZONE}\n    users: {{ ada: {{}} }}");
    lab.edit(&format!("timezone: {FIRST_ZONE}"), &users);
    for name in all {
        lab.hold_users(name).await;
    }

    let (partial, address) = tokio::join!(lab.infra("bootstrap", &JSON), async {
        for name in all {
            lab.until_held(name).await;
        }
        let address = lab.cut_power("dies").await;
        for name in ["lost", "back", "late"] {
            lab.inside(name, "ip link set eth0 down").await;
        }
        // Long enough for packets to be lost, and short of what a keepalive takes for the end.
        lab.inside("back", "sleep 10; ip link set eth0 up; rm /run/hold")
            .await;
        // Longer than that: the connection is lost, and the step ends meanwhile.
        lab.inside(
            "late",
            "sleep 30; rm /run/hold; sleep 40; ip link set eth0 up",
        )
        .await;
        address
    });
    let result = partial.expect_code(10).result();
    for name in ["dies", "lost"] {
        let words = [&format!("lost before: connection to {name} was lost")[..]];
        assert_failure(&result, name, "ssh_failed", &words);
        // Keepalives tell within a minute, and readiness.deadline is as long.
        assert_ended_within(&result, name, Duration::from_mins(3));
    }
    for name in ["back", "late"] {
        assert_fine(&result, name);
        lab.inside(name, "id ada").await;
    }
    let retries = host(&result, "late")["retries"].to_string();
    assert!(retries.contains(r#""what":"connection""#), "{retries}");
    let steps = host(&result, "late")["steps"].as_array().expect("steps");
    let users = steps.iter().find(|step| step["step"] == "users");
    assert_eq!(users.expect("users")["status"], "changed");

    lab.power_on("dies", &address).await;
    lab.inside("lost", "ip link set eth0 up").await;
    lab.inside("lost", "rm /run/hold").await;
    let done = lab.infra("bootstrap", &JSON).await;
    done.expect_code(0);
    for name in all {
        lab.inside(name, "id ada").await;
    }
    lab.shutdown().await;
}
