//! One run for each environment, through the real binary.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows test functions only, not their helpers"
)]

use std::net::Ipv6Addr;
use std::time::Duration;

use crate::support::running::Running;
use crate::support::{DECLARED, Finished, Lab, TOKEN, quick};
use serde_json::{Value, json};
use stagecraft_sandbox::Fault;

const UP: [&str; 6] = ["infra", "up", "--yes", "--no-bootstrap", "-o", "json"];
const DOWN: [&str; 6] = ["infra", "down", "--confirm", "staging", "-o", "json"];
const UNLOCK: [&str; 6] = ["infra", "unlock", "--confirm", "staging", "-o", "json"];

/// The API itself, as another program would call it.
struct Api {
    client: reqwest::Client,
    url: String,
}

impl Api {
    fn of(lab: &Lab) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        Self {
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            url: format!("{}/v2/firewalls", lab.variables["DIGITALOCEAN_API_URL"]),
        }
    }

    async fn markers(&self) -> Vec<Value> {
        let request = self.client.get(&self.url).bearer_auth(TOKEN);
        let body: Value = request.send().await.unwrap().json().await.unwrap();
        body["firewalls"].as_array().unwrap().clone()
    }

    async fn assert_none_left(&self) {
        assert_eq!(self.markers().await, Vec::<Value>::new());
    }

    /// Puts up the marker of a run on another machine; `beat` is what it last stamped.
    async fn hold(&self, beat: i64, expiry_ms: u64) -> String {
        let body = foreign(beat, expiry_ms);
        let request = self.client.post(&self.url).bearer_auth(TOKEN).json(&body);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 202);
        let made: Value = response.json().await.unwrap();
        made["firewall"]["id"].as_str().unwrap().to_owned()
    }

    /// Puts up a firewall as people have them: it lets out, and nothing in.
    async fn guard(&self) {
        let body = json!({
            "name": "egress-only",
            "outbound_rules": [
                {"protocol": "tcp", "ports": "443", "destinations": {"addresses": ["0.0.0.0/0"]}},
            ],
        });
        let request = self.client.post(&self.url).bearer_auth(TOKEN).json(&body);
        assert_eq!(request.send().await.unwrap().status(), 202);
        assert!(self.markers().await[0]["inbound_rules"].is_null());
    }

    async fn beat(&self, id: &str, beat: i64, expiry_ms: u64) -> u16 {
        let url = format!("{}/{id}", self.url);
        let body = foreign(beat, expiry_ms);
        let request = self.client.put(url).bearer_auth(TOKEN).json(&body);
        request.send().await.unwrap().status().as_u16()
    }

    async fn remove(&self, id: &str) {
        let url = format!("{}/{id}", self.url);
        let request = self.client.delete(url).bearer_auth(TOKEN);
        assert_eq!(request.send().await.unwrap().status(), 204);
    }
}

/// The marker as docs/adr/0007-lease.md describes it.
fn foreign(beat: i64, expiry_ms: u64) -> Value {
    let text = json!({
        "v": 1, "run": "f00d", "machine": "other-laptop", "boot": "b", "space": 1,
        "pid": 4711, "started": 1, "operation": "up", "beat": beat, "expiry_ms": expiry_ms,
    })
    .to_string();
    let mut bytes = u16::try_from(text.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    let addresses: Vec<String> = bytes
        .chunks(10)
        .zip(0_u16..)
        .map(|(piece, number)| {
            let mut address = [0; 16];
            address[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
            address[4..6].copy_from_slice(&number.to_be_bytes());
            address[6..6 + piece.len()].copy_from_slice(piece);
            Ipv6Addr::from(address).to_string()
        })
        .collect();
    json!({
        "name": "stagecraft-lease.shop.staging",
        "inbound_rules": [{"protocol": "tcp", "ports": "1", "sources": {"addresses": addresses}}],
    })
}

fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(now.unwrap().as_secs()).unwrap()
}

fn set_lease(lab: &Lab, lease: &str) {
    lab.edit(
        "      hosts:\n",
        &format!("      lease: {lease}\n      hosts:\n"),
    );
}

fn events(finished: &Finished, name: &str) -> Vec<Value> {
    let mut lines = finished.lines();
    lines.retain(|line| line["event"] == name);
    lines
}

#[track_caller]
fn assert_locked(finished: &Finished) {
    finished.expect_code(5);
    let error = &finished.result()["error"];
    assert_eq!(error["kind"], "locked", "{finished:?}");
    for name in ["machine", "pid", "since", "holder_operation", "run"] {
        assert!(error["context"][name].is_string(), "{name}: {finished:?}");
    }
    let hint = error["hint"].as_str().unwrap();
    assert!(hint.contains("infra unlock --env staging"), "{hint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_runs_started_at_the_same_moment_one_works_and_the_other_names_it() {
    for round in 0..10 {
        let mut knobs = quick();
        knobs.latency = Duration::from_millis(10);
        knobs.boot_time = Duration::from_secs(1);
        let lab = Lab::api_only(knobs).await;
        let (one, two) = tokio::join!(lab.run(&UP), lab.run(&UP));
        let (done, locked) = if one.code == Some(0) {
            (one, two)
        } else {
            (two, one)
        };
        done.expect_code(0);
        assert_locked(&locked);
        let taken = events(&done, "lease_taken");
        let told = &locked.result()["error"]["context"]["run"];
        assert_eq!(told, &taken[0]["run"], "round {round}");
        assert_eq!(lab.names(), DECLARED, "round {round}: no host twice");
        Api::of(&lab).assert_none_left().await;
        lab.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_holder_on_this_machine_is_taken_over_at_once() {
    let lab = Lab::api_only(quick()).await;
    let api = Api::of(&lab);
    for point in ["lease_taken", "planned", "hosts_requested", "host_accepted"] {
        let killed = lab.kill_at(&UP, |line| line["event"] == point).await;
        assert!(killed.is_some(), "{point}");
        assert_eq!(api.markers().await.len(), 1, "{point}");
        let next = lab.run(&UP).await;
        next.expect_code(0);
        let over = events(&next, "lease_taken_over");
        assert_eq!(over.len(), 1, "{point}: {next:?}");
        let reason = over[0]["reason"].as_str().unwrap();
        assert!(reason.contains("has ended"), "{reason}");
        assert_eq!(lab.names(), DECLARED, "{point}");
        lab.run(&DOWN).await.expect_code(0);
        assert!(lab.names().is_empty(), "{point}");
        api.assert_none_left().await;
    }
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn firewall_of_somebody_else_with_null_rules_stops_neither_up_nor_down_nor_unlock() {
    let lab = Lab::api_only(quick()).await;
    let api = Api::of(&lab);
    api.guard().await;
    // Only a lease that was left has the list of firewalls read.
    for command in [&UP[..], &DOWN[..]] {
        let killed = lab.kill_at(command, |line| line["event"] == "lease_taken");
        assert!(killed.await.is_some(), "{command:?}");
        assert_eq!(api.markers().await.len(), 2, "{command:?}");
        lab.run(command).await.expect_code(0);
    }
    let id = api.hold(0, 60_000).await;
    assert_eq!(api.beat(&id, now(), 60_000).await, 200);
    assert_locked(&lab.run(&UP).await);
    let force = [&UNLOCK[..], &["--force"]].concat();
    lab.run(&force).await.expect_code(0);
    lab.run(&UP).await.expect_code(0);
    let left = api.markers().await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0]["name"], "egress-only");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_holder_is_respected_while_it_beats_and_taken_over_after_its_expiry() {
    // A busy machine has to end a run between two beats.
    const EXPIRY: u64 = 4_000;
    let lab = Lab::api_only(quick()).await;
    let api = Api::of(&lab);
    let id = api.hold(0, EXPIRY).await;
    let created = tokio::time::Instant::now();
    for _ in 0..3 {
        assert_eq!(api.beat(&id, now(), EXPIRY).await, 200);
        let locked = lab.run(&UP).await;
        assert_locked(&locked);
        assert_eq!(
            locked.result()["error"]["context"]["machine"],
            "other-laptop"
        );
    }
    assert_eq!(api.beat(&id, now(), EXPIRY).await, 200);
    let down = lab.run(&DOWN).await;
    assert_locked(&down);
    assert!(lab.names().is_empty());
    // It stops. Nothing but time can show that.
    let next = loop {
        let next = lab.run(&UP).await;
        if next.code != Some(5) {
            break next;
        }
        assert!(created.elapsed() < Duration::from_secs(30), "{next:?}");
    };
    next.expect_code(0);
    assert!(created.elapsed() > Duration::from_millis(EXPIRY));
    let over = events(&next, "lease_taken_over");
    let reason = over[0]["reason"].as_str().unwrap();
    assert!(reason.contains("no sign of life"), "{reason}");
    assert_eq!(api.beat(&id, now(), EXPIRY).await, 404, "it can know");
    assert_eq!(lab.names(), DECLARED);
    api.assert_none_left().await;
    lab.shutdown().await;
}

/// Both deadlines are the holder's own: it knows how often it beats.
#[tokio::test(flavor = "multi_thread")]
async fn interval_and_expiry_of_the_file_have_an_effect() {
    let mut knobs = quick();
    knobs.boot_time = Duration::from_millis(1_500);
    let lab = Lab::api_only(knobs).await;
    set_lease(&lab, "{ interval: 200ms, expiry: 7s }");
    let mut up = Running::start(&lab, &UP);
    up.until(|line| line["event"] == "lease_taken").await;
    let marker = Api::of(&lab).markers().await.remove(0);
    up.finish().await.expect_code(0);
    let counters = lab.control().counters();
    assert!(counters["PUT /v2/firewalls/{id}"] >= 5, "{counters:?}");
    let addresses = marker["inbound_rules"][0]["sources"]["addresses"].clone();
    let mut text = Vec::new();
    for address in addresses.as_array().unwrap() {
        let address: Ipv6Addr = address.as_str().unwrap().parse().unwrap();
        text.extend(&address.octets()[6..]);
    }
    let text = String::from_utf8_lossy(&text);
    assert!(text.contains("\"expiry_ms\":7000"), "{text}");
    assert!(!text.contains(TOKEN), "{text}");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn suspended_run_that_wakes_up_creates_nothing_and_ends_as_locked() {
    let mut knobs = quick();
    // Long enough to stop the run before its plan is made.
    knobs.latency = Duration::from_millis(150);
    let lab = Lab::api_only(knobs).await;
    set_lease(&lab, "{ interval: 300ms, expiry: 1s }");
    lab.edit("list_lag: 400ms", "list_lag: 1s");
    let api = Api::of(&lab);
    let mut first = Running::start(&lab, &UP);
    first.until(|line| line["event"] == "lease_taken").await;
    first.signal("-STOP").await;
    let since = tokio::time::Instant::now();
    let second = loop {
        let second = lab.run(&UP).await;
        if second.code != Some(5) {
            break second;
        }
        assert!(since.elapsed() < Duration::from_secs(30), "{second:?}");
    };
    second.expect_code(0);
    assert_eq!(events(&second, "lease_taken_over").len(), 1);
    // The first one's creates may still come into view.
    let waits = events(&second, "waiting");
    assert!(
        waits.iter().any(|wait| wait["deadline_ms"] == 1000),
        "{waits:?}"
    );
    let posts = lab.control().counters()["POST /v2/droplets"];
    first.signal("-CONT").await;
    let first = first.finish().await;
    first.expect_code(5);
    assert_eq!(events(&first, "lease_lost").len(), 1, "{first:?}");
    assert_eq!(lab.control().counters()["POST /v2/droplets"], posts);
    assert_eq!(lab.names(), DECLARED);
    api.assert_none_left().await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn run_that_loses_its_lease_in_the_middle_stops_and_keeps_the_new_holders_marker() {
    let mut knobs = quick();
    knobs.boot_time = Duration::from_mins(1);
    let lab = Lab::api_only(knobs).await;
    set_lease(&lab, "{ interval: 1s, expiry: 60s }");
    let api = Api::of(&lab);
    let mut up = Running::start(&lab, &UP);
    up.until(|line| line["event"] == "host_accepted").await;
    let own = api.markers().await.remove(0);
    api.remove(own["id"].as_str().unwrap()).await;
    let new = api.hold(now(), 60_000).await;
    let up = up.finish().await;
    up.expect_code(5);
    let lost = events(&up, "lease_lost");
    assert!(lost[0]["holder"].as_str().unwrap().contains("other-laptop"));
    let left = api.markers().await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["id"], new.as_str());
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn run_right_after_an_interrupted_one_finds_what_the_list_does_not_show_at_once() {
    let mut knobs = quick();
    knobs.list_lag = Duration::from_millis(1_500);
    let lab = Lab::api_only(knobs).await;
    lab.edit("list_lag: 400ms", "list_lag: 2s");
    let mut first = Running::start(&lab, &UP);
    first.until(|line| line["event"] == "host_accepted").await;
    first.signal("-INT").await;
    first.finish().await.expect_code(130);
    let second = lab.run(&UP).await;
    second.expect_code(0);
    assert!(events(&second, "lease_taken_over").is_empty());
    assert_eq!(lab.names(), DECLARED);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answer_to_the_markers_create_is_resolved_by_looking() {
    for fault in [
        Fault::status("POST", "/v2/firewalls", 503).after(),
        Fault::status("POST", "/v2/firewalls", 503),
        Fault::new(
            "POST",
            "/v2/firewalls",
            stagecraft_sandbox::FaultKind::Reset,
        )
        .after(),
        Fault::new(
            "POST",
            "/v2/firewalls",
            stagecraft_sandbox::FaultKind::Truncated,
        )
        .after(),
    ] {
        let lab = Lab::api_only(quick()).await;
        lab.control().add_fault(fault.clone());
        let up = lab.run(&UP).await;
        up.expect_code(0);
        assert_eq!(events(&up, "lease_taken").len(), 1, "{fault:?}");
        assert!(events(&up, "lease_taken_over").is_empty(), "{fault:?}");
        assert_eq!(lab.names(), DECLARED, "{fault:?}");
        Api::of(&lab).assert_none_left().await;
        lab.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lease_is_given_back_however_the_run_ends() {
    let lab = Lab::api_only(quick()).await;
    let api = Api::of(&lab);
    // Refused by a guard, after the plan.
    lab.run(&["infra", "up", "--no-bootstrap", "-o", "json"])
        .await
        .expect_code(7);
    api.assert_none_left().await;
    // Refused by the cloud.
    let refuse = Fault::status("POST", "/v2/droplets", 422).times(9);
    lab.control().add_fault(refuse);
    lab.run(&UP).await.expect_code(2);
    lab.control().clear_faults();
    api.assert_none_left().await;
    // Interrupted.
    let stopped = lab.interrupt_at(&UP, |line| line["event"] == "waiting");
    stopped.await.expect_code(130);
    api.assert_none_left().await;
    // Done, twice, and with nothing to delete.
    for command in [&UP[..], &UP, &DOWN, &DOWN] {
        lab.run(command).await.expect_code(0);
        api.assert_none_left().await;
    }
    lab.shutdown().await;
}

/// A lease costs two requests: the create of the marker and its removal.
#[tokio::test(flavor = "multi_thread")]
async fn lease_costs_two_requests_and_reading_commands_take_none() {
    let lab = Lab::api_only(quick()).await;
    for reading in [
        &["infra", "plan"][..],
        &["infra", "hosts"],
        &["infra", "up", "--dry-run"],
        &["infra", "down", "--dry-run"],
    ] {
        lab.run(reading).await.expect_code(0);
    }
    let of_lease = || {
        let mut counters = lab.control().counters();
        counters.retain(|kind, _| kind.contains("firewalls"));
        counters
    };
    assert!(of_lease().is_empty(), "{:?}", of_lease());
    lab.run(&UP).await.expect_code(0);
    let counters = of_lease();
    assert_eq!(counters["POST /v2/firewalls"], 1);
    assert_eq!(counters["DELETE /v2/firewalls/{id}"], 1);
    assert_eq!(counters.len(), 2, "{counters:?}");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unlock_breaks_the_lease_that_it_shows_and_spares_a_holder_that_may_live() {
    let lab = Lab::api_only(quick()).await;
    let api = Api::of(&lab);
    let none = lab.run(&UNLOCK).await;
    assert_eq!(none.expect_code(0).result()["unlocked"], false);

    api.hold(now(), 60_000).await;
    let alive = lab.run(&UNLOCK).await;
    alive.expect_code(7);
    assert!(alive.stderr.contains("other-laptop"), "{alive:?}");
    let dry = lab
        .run(&["infra", "unlock", "--dry-run", "-o", "json"])
        .await;
    let lease = dry.expect_code(0).result()["lease"].clone();
    assert_eq!(lease["machine"], "other-laptop");
    assert_eq!(lease["gone"], Value::Null);
    for arguments in [
        &["infra", "unlock", "--force"][..],
        &["infra", "unlock", "--force", "--confirm", "prod"],
    ] {
        lab.run(arguments).await.expect_code(7);
    }
    assert_eq!(api.markers().await.len(), 1, "nothing was broken so far");
    let forced = [&UNLOCK[..], &["--force"]].concat();
    let forced = lab.run(&forced).await;
    assert_eq!(forced.expect_code(0).result()["unlocked"], true);
    api.assert_none_left().await;

    lab.kill_at(&UP, |line| line["event"] == "planned").await;
    let text = lab.run(&["infra", "unlock", "--confirm", "staging"]).await;
    text.expect_code(0);
    assert!(text.stdout.contains("has ended"), "{text:?}");
    api.assert_none_left().await;
    lab.shutdown().await;
}

/// A firewall of the name that no run of this version made.
#[tokio::test(flavor = "multi_thread")]
async fn marker_that_cannot_be_read_is_never_taken_over_by_itself() {
    let lab = Lab::api_only(quick()).await;
    let api = Api::of(&lab);
    let body = json!({
        "name": "stagecraft-lease.shop.staging",
        "inbound_rules": [{"protocol": "tcp", "ports": "1", "sources": {"addresses": ["10.0.0.1"]}}],
    });
    let request = api.client.post(&api.url).bearer_auth(TOKEN).json(&body);
    assert_eq!(request.send().await.unwrap().status(), 202);
    let locked = lab.run(&UP).await;
    locked.expect_code(5);
    assert!(locked.stderr.contains("cannot be told"), "{locked:?}");
    assert!(lab.names().is_empty());
    lab.shutdown().await;
}

/// A create holds no turn while the beat before it waits for one.
#[tokio::test(flavor = "multi_thread")]
async fn smallest_window_has_room_for_work_and_lease() {
    let lab = Lab::api_only(quick()).await;
    let keys = "lease: { interval: 200ms, expiry: 9s }\n      rate: { requests: 2, window: 300ms }";
    lab.edit("      hosts:\n", &format!("      {keys}\n      hosts:\n"));
    let up = tokio::time::timeout(Duration::from_mins(1), lab.run(&UP)).await;
    up.expect("it ends").expect_code(0);
    assert_eq!(lab.names(), DECLARED);
    lab.shutdown().await;
}
