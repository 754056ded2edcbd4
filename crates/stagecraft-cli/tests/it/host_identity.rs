//! Whose host it is that answers: pins from the cloud, rotation, and `infra hosts trust`, through
//! the real binary.

use crate::support::contract::Contract;
use crate::support::{Finished, Lab, quick};
use serde_json::Value;
use stagecraft_core::{Fingerprint, HostKey};
use stagecraft_sandbox::SshFault;

const UP: [&str; 5] = ["infra", "up", "--yes", "-o", "json"];
const ONLY_CREATE: [&str; 4] = ["infra", "up", "--yes", "--no-bootstrap"];
const DOWN: [&str; 4] = ["infra", "down", "--confirm", "staging"];
const PREFIX: &str = "stagecraft-hostkey-";

/// One host is enough here.
async fn lab() -> Lab {
    let lab = Lab::with_hosts(quick()).await;
    lab.edit("app: { role: app, count: 2 }", "app-1: { role: app }");
    lab
}

fn droplet(lab: &Lab, name: &str) -> (u64, Vec<String>) {
    let mut droplets = lab.droplets().into_iter();
    let found = droplets.find(|droplet| droplet.name == name);
    let found = found.expect("the droplet");
    (found.id, found.tags)
}

fn pins(lab: &Lab, name: &str) -> Vec<Fingerprint> {
    let tags = droplet(lab, name).1;
    tags.iter()
        .filter_map(|tag| Fingerprint::from_tag(tag))
        .collect()
}

fn pin(lab: &Lab, name: &str, keys: &[Fingerprint]) {
    let (id, mut tags) = droplet(lab, name);
    tags.retain(|tag| !tag.starts_with(PREFIX));
    tags.extend(keys.iter().map(Fingerprint::tag));
    lab.control().set_tags(id, &tags).expect("its tags");
}

async fn on(lab: &Lab, name: &str, script: &str) -> String {
    lab.control().run(name, script).await.expect("the script")
}

/// The key with which the host's server proves itself.
async fn shown(lab: &Lab, name: &str) -> Fingerprint {
    let script = "umask 077; cp /run/sandbox/host_key /run/copy; ssh-keygen -y -f /run/copy";
    Fingerprint::of_line(&on(lab, name, script).await).expect("a key")
}

fn host<'a>(result: &'a Value, name: &str) -> &'a Value {
    let mut hosts = result["hosts"].as_array().expect("hosts").iter();
    hosts.find(|host| host["host"] == name).expect("the host")
}

async fn trust(lab: &Lab, arguments: &[&str], code: i32) -> Value {
    let command = [&["infra", "hosts", "trust"], arguments, &["-o", "json"]].concat();
    let finished: Finished = lab.run(&command).await;
    let lines = Contract::of(lab).await.lines(finished.expect_code(code));
    lines.last().expect("a result").clone()
}

/// The key tags that the account knows, whoever bears them.
async fn known_pins(lab: &Lab) -> Vec<String> {
    let text = lab.api_get("/v2/tags?per_page=200").await;
    let tags = text["tags"].as_array().expect("tags").iter();
    let names = tags.map(|tag| tag["name"].as_str().expect("a name").to_owned());
    names.filter(|name| name.starts_with(PREFIX)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_host_has_a_key_and_a_pin_of_its_own_and_down_leaves_neither() {
    let lab = Lab::with_hosts(quick()).await;
    let up = lab.run(&UP).await;
    let result = up.expect_code(0).result();
    let names = ["app-1", "app-2", "db-1"];
    let mut keys = Vec::new();
    for name in names {
        let first = &host(&result, name)["steps"][0];
        assert_eq!(
            (&first["step"], &first["status"]),
            (&"host_key".into(), &"changed".into())
        );
        let node = format!("staging-{name}");
        assert_eq!(pins(&lab, &node), [shown(&lab, &node).await]);
        keys.extend(pins(&lab, &node));
    }
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 3, "no two hosts share a key");
    let mut tags: Vec<String> = keys.iter().map(Fingerprint::tag).collect();
    tags.sort();
    let mut known = known_pins(&lab).await;
    known.sort();
    assert_eq!(known, tags, "the pins of the first keys are gone");
    // The last connection of each host was proven with its own key.
    for name in names {
        let lines = up.lines();
        let mut connected = lines
            .iter()
            .filter(|line| line["event"] == "host_connected" && line["host"] == name);
        let last = connected.next_back().expect("a connection");
        let own = shown(&lab, &format!("staging-{name}")).await.to_string();
        assert_eq!(last["host_key"], own);
    }
    lab.run(&DOWN).await.expect_code(0);
    assert!(known_pins(&lab).await.is_empty());
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn man_in_the_middle_of_the_first_connection_is_refused_and_sent_nothing() {
    let lab = lab().await;
    let hosts = lab.hosts.clone().expect("hosts");
    // From the very first packet of the host another key is shown.
    hosts
        .set_ssh_fault("staging-app-1", SshFault::ChangedHostKey)
        .await;
    let partial = lab.run(&UP).await;
    let result = partial.expect_code(10).result();
    let failure = &host(&result, "app-1")["failure"];
    assert_eq!(failure["code"], "host_key_mismatch");
    let pinned = pins(&lab, "staging-app-1");
    assert_eq!(pinned.len(), 1);
    let message = failure["message"].as_str().expect("a message");
    assert!(message.contains(&pinned[0].to_string()), "{message}");
    assert_eq!(message.matches("SHA256:").count(), 2, "{message}");
    assert!(
        failure["evidence"]
            .to_string()
            .contains("--fingerprint FINGERPRINT --replace --env staging`"),
        "{failure}"
    );
    let is_connected = |line: &Value| line["event"] == "host_connected" && line["host"] == "app-1";
    assert!(!partial.lines().iter().any(is_connected));
    // Behind it nobody has logged in, and nothing has arrived.
    let calls = on(
        &lab,
        "staging-app-1",
        "ls /var/log/sandbox; command -v docker || echo none",
    );
    assert_eq!(calls.await.trim(), "none");
    assert_eq!(pins(&lab, "staging-app-1"), pinned);

    hosts
        .set_ssh_fault("staging-db-1", SshFault::ChangedHostKey)
        .await;
    lab.run(&UP).await.expect_code(3);
    for name in ["staging-app-1", "staging-db-1"] {
        hosts.set_ssh_fault(name, SshFault::None).await;
    }
    lab.run(&UP).await.expect_code(0);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn second_machine_with_file_and_token_goes_on_without_asking() {
    let lab = lab().await;
    lab.run(&UP).await.expect_code(0);
    let other = tempfile::tempdir().expect("a directory");
    std::fs::copy(lab.config_path(), other.path().join("stagecraft.yml")).expect("a copy");
    let up = lab.run_in(other.path(), &UP).await;
    let result = up.expect_code(0).result();
    for name in ["app-1", "db-1"] {
        let steps = host(&result, name)["steps"].as_array().expect("steps");
        assert!(
            steps.iter().all(|step| step["status"] == "unchanged"),
            "{result}"
        );
    }
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn proven_keys_are_remembered_beside_the_file_until_down() {
    let lab = lab().await;
    lab.run(&UP).await.expect_code(0);
    let remembered = lab.directory.path().join(".stagecraft/known_hosts");
    let read = || std::fs::read_to_string(&remembered).expect("the file");
    let (id, _) = droplet(&lab, "staging-app-1");
    let text = read();
    assert_eq!(text.lines().count(), 2, "{text}");
    let start = format!("{id}.");
    let line = text.lines().find(|line| line.starts_with(&start));
    let (alias, key) = line.expect("a line").split_once(' ').expect("a key");
    assert!(alias.contains(".127.0.0.1-"), "{alias}");
    let own = shown(&lab, "staging-app-1").await;
    assert_eq!(Fingerprint::of_line(key), Some(own));
    let ignored = std::fs::read_to_string(lab.directory.path().join(".stagecraft/.gitignore"));
    assert_eq!(ignored.expect("a file"), "*\n");

    // For a host that has lost its pin: here it is known, elsewhere it is not.
    pin(&lab, "staging-app-1", &[]);
    lab.run(&UP).await.expect_code(0);
    let other = tempfile::tempdir().expect("a directory");
    std::fs::copy(lab.config_path(), other.path().join("stagecraft.yml")).expect("a copy");
    lab.run_in(other.path(), &UP).await.expect_code(10);

    // The pin wins over what is remembered, and that is told, once.
    pin(&lab, "staging-app-1", &[own]);
    let wrong = HostKey::generate().expect("a key");
    let changed = text.replace(key, wrong.public());
    std::fs::write(&remembered, changed).expect("the file");
    let up = lab.run(&UP).await;
    let result = up.expect_code(0).result();
    let told = &host(&result, "app-1")["steps"][0];
    assert_eq!(
        (&told["step"], &told["status"]),
        (&"host_key".into(), &"skipped".into())
    );
    let reason = told["reason"].as_str().expect("a reason");
    assert!(
        reason.contains(&wrong.fingerprint().to_string()),
        "{reason}"
    );
    let again = lab.run(&UP).await.expect_code(0).result();
    assert_ne!(host(&again, "app-1")["steps"][0]["step"], "host_key");

    lab.run(&DOWN).await.expect_code(0);
    assert_eq!(read(), "");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn file_that_cannot_be_written_or_read_stops_nothing() {
    let lab = lab().await;
    let folder = lab.directory.path().join(".stagecraft");
    std::fs::create_dir_all(folder.join("known_hosts")).expect("a directory in its place");
    lab.run(&UP).await.expect_code(0);
    lab.run(&UP).await.expect_code(0);
    lab.run(&DOWN).await.expect_code(0);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn run_that_was_killed_in_the_rotation_is_finished_by_the_next() {
    let lab = lab().await;
    let at_rotation = |line: &Value| line["event"] == "step_started" && line["step"] == "host_key";
    assert!(lab.kill_at(&UP, at_rotation).await.is_some());
    let second_connection = {
        let seen = std::cell::Cell::new(0);
        move |line: &Value| {
            if line["event"] == "host_connected" {
                seen.set(seen.get() + 1);
            }
            seen.get() == 3
        }
    };
    assert!(lab.kill_at(&UP, second_connection).await.is_some());
    for name in ["staging-app-1", "staging-db-1"] {
        assert!(pins(&lab, name).contains(&shown(&lab, name).await));
    }
    lab.run(&UP).await.expect_code(0);
    for name in ["staging-app-1", "staging-db-1"] {
        assert_eq!(pins(&lab, name), [shown(&lab, name).await]);
    }
    assert_eq!(known_pins(&lab).await.len(), 2);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn key_of_a_host_without_pins_is_trusted_by_its_fingerprint() {
    let lab = lab().await;
    lab.run(&ONLY_CREATE).await.expect_code(0);
    // As an adopted host: its key is not Stagecraft's.
    let key = shown(&lab, "staging-app-1").await;
    let foreign = "sed -i 's/stagecraft-first/root@old/' /etc/ssh/ssh_host_ed25519_key.pub";
    on(&lab, "staging-app-1", foreign).await;
    pin(&lab, "staging-app-1", &[]);
    let refused = lab.run(&UP).await;
    let result = refused.expect_code(10).result();
    let failure = host(&result, "app-1")["failure"].to_string();
    let command = "`stagecraft infra hosts trust app-1 --env staging`";
    assert!(failure.contains(command), "{failure}");

    // Nobody has compared it: never accepted silently.
    let asked = trust(&lab, &["app-1"], 7).await;
    let error = asked["error"].to_string();
    assert!(error.contains(&key.to_string()), "{error}");
    assert!(error.contains("--fingerprint"), "{error}");
    trust(&lab, &["app-1", "--yes"], 1).await;
    trust(&lab, &["app-1", "--fingerprint", "SHA256:no"], 1).await;
    let missing = trust(&lab, &["app-9", "--fingerprint", &key.to_string()], 1).await;
    assert!(
        missing["error"]
            .to_string()
            .contains("there is no host `app-9`")
    );
    let fingerprint = key.to_string();
    let named = ["app-1", "--fingerprint", &fingerprint];
    let dry = trust(&lab, &[&named[..], &["--dry-run"]].concat(), 0).await;
    assert_eq!(dry["outcome"], "dry_run");
    assert!(pins(&lab, "staging-app-1").is_empty());

    let done = trust(&lab, &named, 0).await;
    assert_eq!(done["trusted"], fingerprint);
    assert_eq!(done["is_new"], true);
    assert_eq!(pins(&lab, "staging-app-1"), [key]);
    let again = trust(&lab, &named, 0).await;
    assert_eq!(again["is_new"], false);
    // What is pinned already needs nobody to be asked.
    trust(&lab, &["app-1"], 0).await;
    lab.run(&UP).await.expect_code(0);
    assert_eq!(
        shown(&lab, "staging-app-1").await,
        key,
        "it keeps its own key"
    );
    assert_eq!(pins(&lab, "staging-app-1"), [key]);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pin_of_a_reinstalled_host_is_replaced_on_purpose_only() {
    let lab = lab().await;
    lab.run(&UP).await.expect_code(0);
    let before = pins(&lab, "staging-app-1");
    let reinstalled = "cd /etc/ssh && rm ssh_host_ed25519_key* && \
        ssh-keygen -q -t ed25519 -N '' -C root@new -f ssh_host_ed25519_key && systemctl reload ssh";
    on(&lab, "staging-app-1", reinstalled).await;
    let key = shown(&lab, "staging-app-1").await;
    let other = lab.directory.path().join("base.yml");
    std::fs::copy(lab.config_path(), other).expect("a copy");
    let stopped = lab
        .run(&[&UP[..], &["--config", "base.yml"]].concat())
        .await;
    let result = stopped.expect_code(10).result();
    let failure = &host(&result, "app-1")["failure"];
    assert_eq!(failure["code"], "host_key_mismatch");
    // The command can be typed as it is.
    let told = failure["evidence"].to_string();
    let options = "--replace --env staging --config 'base.yml'`";
    assert!(told.contains(options), "{told}");

    let fingerprint = key.to_string();
    let named = [
        "app-1",
        "--fingerprint",
        &fingerprint,
        "--config",
        "base.yml",
    ];
    let refused = trust(&lab, &named, 7).await;
    let told = refused["error"].to_string();
    assert!(told.contains(options), "{told}");
    let named = ["app-1", "--fingerprint", &fingerprint];
    let refused = trust(&lab, &named, 7).await;
    let error = refused["error"].to_string();
    assert!(error.contains(&before[0].to_string()), "{error}");
    assert!(error.contains("--replace"), "{error}");
    // A key that nobody named is not in the command: it would be copied without a look.
    let refused = trust(&lab, &["app-1"], 7).await;
    let hint = refused["error"]["hint"].to_string();
    assert!(
        hint.contains(&fingerprint) && hint.contains("compare"),
        "{hint}"
    );
    assert!(
        hint.contains("trust app-1 --replace --env staging`"),
        "{hint}"
    );
    assert_eq!(pins(&lab, "staging-app-1"), before);

    let text = lab
        .run(&[
            "infra",
            "hosts",
            "trust",
            "app-1",
            "--fingerprint",
            &fingerprint,
            "--replace",
        ])
        .await;
    let text = &text.expect_code(0).stdout;
    assert!(
        text.contains(&format!("{} is trusted no more", before[0])),
        "{text}"
    );
    assert_eq!(pins(&lab, "staging-app-1"), [key]);
    assert_eq!(known_pins(&lab).await.len(), 2);
    lab.run(&UP).await.expect_code(0);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trust_waits_for_nobody_who_holds_the_lease() {
    let lab = lab().await;
    lab.run(&ONLY_CREATE).await.expect_code(0);
    let key = HostKey::generate()
        .expect("a key")
        .fingerprint()
        .to_string();
    let (first, second) = tokio::join!(lab.run(&UP), async {
        let is_held = || {
            lab.control()
                .requests()
                .iter()
                .any(|request| request.method == "POST" && request.target.contains("/firewalls"))
        };
        lab.control().clear_requests();
        let mut interval = tokio::time::interval(std::time::Duration::from_millis(5));
        while !is_held() {
            interval.tick().await;
        }
        lab.run(&[
            "infra",
            "hosts",
            "trust",
            "app-1",
            "--fingerprint",
            &key,
            "--replace",
        ])
        .await
    });
    first.expect_code(0);
    second.expect_code(5);
    lab.shutdown().await;
}
