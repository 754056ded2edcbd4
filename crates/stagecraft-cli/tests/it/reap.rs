//! `infra reap`: hosts whose time is over, by the cloud's clock, and no others.

use std::process::Stdio;
use std::time::Duration;

use crate::support::contract::Contract;
use crate::support::{DECLARED, Lab, quick};
use serde_json::Value;
use stagecraft_core::tags::{Expiry, PROTECT_TAG, expires_tag};
use stagecraft_sandbox::Knobs;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

const REAP: [&str; 4] = ["infra", "reap", "--confirm", "staging"];
const UP: [&str; 4] = ["infra", "up", "--yes", "--no-bootstrap"];
/// Long before any test: 2023.
const OVER: i64 = 1_700_000_000;
/// Long after any test: 2100.
const LATER: i64 = 4_102_444_800;
const HOUR: i64 = 3_600;

fn tag(lab: &Lab, name: &str, tag: String) {
    let droplets = lab.control().droplets().into_iter();
    let mut found = droplets.filter(|droplet| droplet.name == name);
    let droplet = found.next().expect("a droplet");
    let tags = [droplet.tags, vec![tag]].concat();
    lab.control()
        .set_tags(droplet.id, &tags)
        .expect("a droplet");
}

/// Hosts without an end, whose declaration gives them one that no `up` has applied yet.
async fn fleet() -> Lab {
    let lab = Lab::api_only(quick()).await;
    lab.run(&UP).await.expect_code(0);
    lab.edit("count: 2", "count: 2, ttl: 8h");
    lab
}

/// The end of a host, of which there is one only.
fn end_of(lab: &Lab, name: &str) -> Option<Expiry> {
    let droplets = lab.control().droplets().into_iter();
    let mut found = droplets.filter(|droplet| droplet.name == name);
    let mut tags = found.next().expect("a droplet").tags;
    tags.retain(|tag| tag.starts_with("stagecraft-expires-"));
    assert!(tags.len() < 2, "{tags:?}");
    Expiry::of(&tags)
}

/// Replaces the end of a host.
fn set_end(lab: &Lab, name: &str, end: Expiry) {
    let droplets = lab.control().droplets().into_iter();
    let mut found = droplets.filter(|droplet| droplet.name == name);
    let droplet = found.next().expect("a droplet");
    let mut tags = droplet.tags;
    tags.retain(|tag| !tag.starts_with("stagecraft-expires-"));
    tags.push(end.tag());
    let set = lab.control().set_tags(droplet.id, &tags);
    set.expect("a droplet");
}

async fn plan(lab: &Lab, code: i32) -> Value {
    let arguments = ["infra", "plan", "--detailed-exitcode", "-o", "json"];
    let plan = lab.run(&arguments).await;
    let document = serde_json::from_str(&plan.expect_code(code).stdout);
    document.expect("a document")
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
    tag(&lab, "staging-app-1", expires_tag(OVER));
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

#[tokio::test(flavor = "multi_thread")]
async fn changed_ttl_is_shown_with_both_ends_and_applied_once_by_up() {
    let lab = Lab::api_only(quick()).await;
    let name = "staging-app-1";
    lab.edit("count: 2", "count: 2, ttl: 8h");
    lab.run(&UP).await.expect_code(0);
    let made = end_of(&lab, name).expect("an end");
    assert_eq!(made.ttl_seconds, Some(28_800));
    plan(&lab, 0).await;

    let changes = [("8h", "12h", 12 * HOUR), ("12h", "90m", HOUR * 3 / 2)];
    for (old, new, lasts) in changes {
        lab.edit(&format!("ttl: {old}"), &format!("ttl: {new}"));
        let before = end_of(&lab, name).expect("an end").at;
        let wanted = made.at - 8 * HOUR + lasts;
        let document = plan(&lab, 20).await;
        let entry = &document["plan"]["retag"][0];
        assert_eq!(entry["name"], "app-1");
        let both = (entry["end"]["from"].as_i64(), entry["end"]["to"].as_i64());
        assert_eq!(both, (Some(before), Some(wanted)));
        assert_eq!(entry["end"]["ttl"], lasts);
        let text = lab.run(&["infra", "plan"]).await.stdout;
        let time = |at| jiff::Timestamp::from_second(at).expect("a time");
        let row = format!(
            "ttl: ends {}, declared {new}: will end {}",
            time(before),
            time(wanted)
        );
        assert!(text.contains(&row), "{text}");
        assert_eq!(end_of(&lab, name).expect("an end").at, before);

        lab.run(&UP).await.expect_code(0);
        assert_eq!(end_of(&lab, name).expect("an end").at, wanted);
        lab.control().clear_requests();
        plan(&lab, 0).await;
        lab.run(&UP).await.expect_code(0);
        assert_eq!(
            end_of(&lab, name).expect("an end").at,
            wanted,
            "another run prolongs nothing"
        );
        let requests = lab.control().requests();
        let tagged = requests.iter().filter(|own| own.target.contains("/tags/"));
        assert_eq!(tagged.filter(|own| own.method != "GET").count(), 0);
    }

    lab.edit(", ttl: 90m", "");
    let document = plan(&lab, 20).await;
    let end = &document["plan"]["retag"][0]["end"];
    assert!(end["to"].is_null() && end["ttl"].is_null(), "{end}");
    let text = lab.run(&["infra", "plan"]).await.stdout;
    assert!(text.contains("declared none: will not end"), "{text}");
    lab.run(&UP).await.expect_code(0);
    assert_eq!(end_of(&lab, name), None);
    plan(&lab, 0).await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn end_without_a_recorded_duration_stays_and_is_recorded_once() {
    let lab = fleet().await;
    tag(&lab, "staging-app-1", expires_tag(LATER));
    let text = lab.run(&["infra", "plan"]).await.stdout;
    let row = "ttl: ends 2100-01-01T00:00:00Z, declared 8h: the end stays, 8h is recorded for it";
    assert!(text.contains(row), "{text}");
    assert!(
        text.contains("ttl: has no end, declared 8h: ends 8h after this run"),
        "{text}"
    );
    lab.run(&UP).await.expect_code(0);
    let end = end_of(&lab, "staging-app-1").expect("an end");
    assert_eq!((end.at, end.ttl_seconds), (LATER, Some(28_800)));
    plan(&lab, 0).await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn change_of_an_end_that_breaks_off_is_finished_by_the_next_run() {
    let lab = Lab::api_only(quick()).await;
    lab.edit("count: 2", "count: 1, ttl: 8h");
    lab.run(&UP).await.expect_code(0);
    let made = end_of(&lab, "staging-app-1").expect("an end");
    lab.edit("ttl: 8h", "ttl: 2h");
    // The new tag is put, the old one cannot be removed.
    let old = format!("/v2/tags/{}/resources", made.tag());
    let refused = stagecraft_sandbox::Fault::status("DELETE", &old, 403);
    lab.control().add_fault(refused.times(1));
    let failed = lab.run(&UP).await;
    assert_ne!(failed.code, Some(0), "{failed:?}");
    lab.run(&UP).await.expect_code(0);
    let end = end_of(&lab, "staging-app-1").expect("an end");
    assert_eq!(end.at, made.at - 6 * HOUR);
    plan(&lab, 0).await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn host_that_the_file_does_not_end_stays_without_a_terminal_and_the_code_is_10() {
    let lab = Lab::api_only(quick()).await;
    lab.edit("count: 2", "count: 2, ttl: 8h");
    lab.run(&UP).await.expect_code(0);
    let over = Expiry {
        at: OVER,
        ttl_seconds: Some(28_800),
    };
    for name in DECLARED {
        set_end(&lab, name, over);
    }
    // `app` stays declared without a ttl, `db-1` leaves the file.
    lab.edit(", ttl: 8h", "");
    lab.edit("          db-1: { role: db, size: s-4vcpu-8gb }\n", "");
    let dry = lab.run(&["infra", "reap", "--dry-run"]).await;
    let text = "the file declares it without a ttl; stays";
    assert!(dry.expect_code(0).stdout.contains(text), "{dry:?}");
    let reaped = lab.run(&[&REAP[..], &["-o", "json"]].concat()).await;
    let lines = Contract::of(&lab).await.lines(reaped.expect_code(10));
    let result = lines.last().expect("a result");
    assert_eq!(result["outcome"], "partial");
    assert_eq!(result["deleted"][0]["name"], "db-1");
    assert_eq!(result["held"], serde_json::json!(["app-1", "app-2"]));
    assert!(result["next"].is_null(), "{result}");
    let left = ["staging-app-1", "staging-app-2"];
    assert_eq!(lab.names(), left);

    let again = lab.run(&[&REAP[..], &["--host", "app-1"]].concat()).await;
    let text = &again.expect_code(10).stdout;
    assert!(text.contains("stays app-1"), "{text}");
    assert!(
        text.contains("infra down --host app-1 --env staging"),
        "{text}"
    );
    assert_eq!(lab.names(), left);

    // A longer duration that no `up` has applied yet counts as well, a shorter one does not.
    lab.edit("count: 2", "count: 2, ttl: 800000h");
    let longer = lab.run(&REAP).await;
    let text = "the file declares ttl 800000h, which ends 21";
    assert!(longer.expect_code(10).stdout.contains(text), "{longer:?}");
    lab.edit("800000h", "1h");
    lab.run(&REAP).await.expect_code(0);
    assert!(lab.names().is_empty());
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_of_an_environment_that_left_the_file_are_reaped_by_their_tag() {
    let lab = fleet().await;
    tag(&lab, "staging-app-1", expires_tag(OVER));
    tag(&lab, "staging-app-2", expires_tag(LATER));
    lab.edit("        staging:\n", "        other:\n");
    let reap = [&REAP[..], &["--env", "staging"]].concat();
    lab.run(&reap).await.expect_code(0);
    assert_eq!(lab.names(), ["staging-app-2", "staging-db-1"]);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn host_that_the_file_does_not_end_is_asked_for_by_its_name_on_a_terminal() {
    let lab = Lab::api_only(quick()).await;
    lab.run(&UP).await.expect_code(0);
    tag(&lab, "staging-app-1", expires_tag(OVER));
    tag(&lab, "staging-app-2", expires_tag(OVER));
    let program = env!("CARGO_BIN_EXE_stagecraft");
    let line = format!("{program} {}", REAP.join(" "));
    let model = lab.command(&[]);
    let variables = model.as_std().get_envs();
    let mut child = Command::new("script")
        .args(["-qfec", &line, "/dev/null"])
        .current_dir(lab.directory.path())
        .env_clear()
        .envs(variables.filter_map(|(name, value)| Some((name, value?))))
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("script, of Debian's bsdutils");
    let mut out = child.stdout.take().expect("a pipe");
    let mut input = child.stdin.take().expect("a pipe");
    let mut shown = String::new();
    let answers = [("(id", "app-1", "staging\n"), ("(id", "app-2", "app-2\n")];
    for (text, host, answer) in answers {
        let question = format!("The time of {host} {text}");
        let mut buffer = [0; 4096];
        while !(shown.contains(&question) && shown.trim_end().ends_with(':')) {
            let read = timeout(Duration::from_mins(1), out.read(&mut buffer)).await;
            let length = read.expect("an answer in 60 s").expect("a terminal");
            assert!(length > 0, "it ended without {question}: {shown}");
            let text = String::from_utf8_lossy(&buffer[..length]);
            shown.push_str(&text.replace("\u{1b}[0m", ""));
        }
        input
            .write_all(answer.as_bytes())
            .await
            .expect("a terminal");
    }
    let mut rest = Vec::new();
    let read = timeout(Duration::from_mins(1), out.read_to_end(&mut rest)).await;
    read.expect("an end in 60 s").expect("a terminal");
    let rest = String::from_utf8_lossy(&rest);
    let code = child.wait().await.expect("an end").code();
    assert_eq!(code, Some(10), "{shown}{rest}");
    assert_eq!(lab.names(), ["staging-app-1", "staging-db-1"], "{rest}");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn host_that_got_another_end_after_the_plan_is_not_reaped() {
    let lab = Lab::api_only(Knobs {
        // Time to change it between the plan and the delete.
        latency: Duration::from_millis(200),
        ..quick()
    })
    .await;
    lab.edit("count: 2", "count: 2, ttl: 8h");
    lab.run(&UP).await.expect_code(0);
    let end = |at| Expiry {
        at,
        ttl_seconds: Some(28_800),
    };
    set_end(&lab, "staging-app-1", end(OVER));
    let mut child = lab.command(&REAP).spawn().expect("the binary");
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut text = String::new();
    while !text.contains("Cost") {
        let read = stdout.read_line(&mut text).await.expect("a line");
        assert_ne!(read, 0, "the plan was never shown: {text}");
    }
    set_end(&lab, "staging-app-1", end(LATER));
    stdout.read_to_string(&mut text).await.expect("the rest");
    let code = child.wait().await.expect("an end").code();
    assert_eq!(code, Some(7), "{text}");
    assert!(
        text.contains("its end has changed since the plan"),
        "{text}"
    );
    assert_eq!(lab.names(), DECLARED);
    lab.shutdown().await;
}
