//! Everything that can go wrong with the API, through the real binary: a clear error, the
//! right exit code, and nothing lost or half-known.

mod support;

use serde_json::Value;
use stagecraft_sandbox::{Fault, FaultKind};
use support::{DECLARED, Finished, Lab, quick};
use tokio::io::AsyncWriteExt as _;

const UP: [&str; 4] = ["infra", "up", "--yes", "--no-bootstrap"];

/// After whatever happened, one more run makes exactly the declared hosts.
async fn assert_next_run_finishes(lab: &Lab) {
    lab.control().clear_faults();
    lab.run(&UP).await.expect_code(0);
    assert_eq!(lab.names(), DECLARED);
}

fn first_line(finished: &Finished) -> &str {
    finished
        .stderr
        .lines()
        .find(|line| line.starts_with("error: "))
        .unwrap_or_else(|| panic!("no error line: {finished:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn unset_token_names_the_variable_and_exits_1() {
    let mut lab = Lab::api_only(quick()).await;
    for value in [None, Some("  ")] {
        match value {
            Some(value) => lab.variables.insert("DO_TOKEN".into(), value.into()),
            None => lab.variables.remove("DO_TOKEN"),
        };
        for command in [
            &UP[..],
            &["infra", "plan"],
            &["infra", "hosts"],
            &["infra", "down"],
        ] {
            let failed = lab.run(command).await;
            assert_eq!(
                first_line(failed.expect_code(1)),
                "error: digitalocean provider: API token missing from environment variable DO_TOKEN"
            );
        }
    }
    assert!(lab.control().requests().is_empty());
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unset_auth_key_stops_before_anything_is_created() {
    let mut lab = Lab::api_only(quick()).await;
    lab.variables.remove("TS_AUTHKEY");
    let failed = lab.run(&["infra", "up", "--yes"]).await;
    assert_eq!(
        first_line(failed.expect_code(1)),
        "error: tailscale provider: auth key missing from environment variable TS_AUTHKEY"
    );
    assert!(lab.names().is_empty());
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_key_name_is_told_in_the_seeds_words() {
    let lab = Lab::api_only(quick()).await;
    lab.edit("ssh_key_name: my-ssh-key", "ssh_key_name: other");
    let failed = lab.run(&UP).await;
    assert_eq!(
        first_line(failed.expect_code(2)),
        "error: digitalocean provider: SSH key 'other' not found in DigitalOcean account"
    );
    assert!(lab.names().is_empty());
    lab.edit("ssh_key_name: other", "ssh_key_name: my-ssh-key");
    assert_next_run_finishes(&lab).await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn api_that_is_down_is_tried_again_and_then_told() {
    let mut lab = Lab::api_only(quick()).await;
    lab.variables
        .insert("DIGITALOCEAN_API_URL".into(), "http://127.0.0.1:9".into());
    let failed = lab.run(&["infra", "up", "--yes", "-o", "json"]).await;
    let result = failed.expect_code(2).result();
    assert_eq!(result["error"]["kind"], "unavailable");
    assert_eq!(
        result["error"]["message"],
        "digitalocean provider: API error: could not connect"
    );
    assert!(
        failed
            .lines()
            .iter()
            .any(|line| line["event"] == "retrying")
    );
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_reads_have_their_text_and_exit_2() {
    let cases = [
        (
            401,
            "digitalocean provider: API error: 401 Unable to authenticate you",
        ),
        (403, "digitalocean provider: API error: 403"),
        (404, "digitalocean provider: API error: 404"),
        (422, "digitalocean provider: API error: 422"),
        (500, "digitalocean provider: API error: 500"),
        (429, "digitalocean provider: API rate limit exceeded"),
    ];
    for (code, text) in cases {
        let lab = Lab::api_only(quick()).await;
        lab.control()
            .add_fault(Fault::status("GET", "/v2/droplets", code).times(99));
        for command in [&UP[..], &["infra", "plan"], &["infra", "hosts"]] {
            let failed = lab.run(command).await;
            let line = first_line(failed.expect_code(2));
            assert!(
                line.starts_with(&format!("error: {text}")),
                "{code}: {line}"
            );
        }
        assert!(lab.names().is_empty());
        assert_next_run_finishes(&lab).await;
        lab.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn html_for_json_is_named_as_such() {
    let lab = Lab::api_only(quick()).await;
    let html = FaultKind::Html { code: 200 };
    lab.control()
        .add_fault(Fault::new("GET", "/v2/account", html).times(99));
    let failed = lab.run(&UP).await;
    let line = first_line(failed.expect_code(2));
    assert!(
        line.contains("API error: the answer (200) is not the JSON that was expected: <"),
        "{line}"
    );
    assert_next_run_finishes(&lab).await;
    lab.shutdown().await;
}

/// What a create may meet. In each case the faulty run itself recovers.
#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_to_a_create_never_double_or_lose_a_host() {
    let faults = [
        ("500 before", Fault::status("POST", "/v2/droplets", 500)),
        (
            "500 after",
            Fault::status("POST", "/v2/droplets", 500).after(),
        ),
        (
            "502 html before",
            Fault::new("POST", "/v2/droplets", FaultKind::Html { code: 502 }),
        ),
        (
            "502 html after",
            Fault::new("POST", "/v2/droplets", FaultKind::Html { code: 502 }).after(),
        ),
        (
            "200 html after",
            Fault::new("POST", "/v2/droplets", FaultKind::Html { code: 200 }).after(),
        ),
        (
            "reset before",
            Fault::new("POST", "/v2/droplets", FaultKind::Reset),
        ),
        (
            "reset after",
            Fault::new("POST", "/v2/droplets", FaultKind::Reset).after(),
        ),
        (
            "truncated",
            Fault::new("POST", "/v2/droplets", FaultKind::Truncated).after(),
        ),
        ("429", Fault::status("POST", "/v2/droplets", 429)),
    ];
    for (name, fault) in faults {
        let lab = Lab::api_only(quick()).await;
        lab.control().add_fault(fault);
        let up = lab.run(&UP).await;
        assert_eq!(up.code, Some(0), "{name}: {up:?}");
        assert_eq!(lab.names(), DECLARED, "{name}");
        assert_next_run_finishes(&lab).await;
        lab.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_create_of_one_group_leaves_the_other_and_exits_10() {
    let lab = Lab::api_only(quick()).await;
    let refused = Fault::status("POST", "/v2/droplets", 422).with_body("staging-db-1");
    lab.control().add_fault(refused);
    let mut up = UP.to_vec();
    up.extend(["-o", "json"]);
    let partial = lab.run(&up).await;
    let result = partial.expect_code(10).result();
    assert_eq!(result["outcome"], "partial");
    let failed = result["failed"].as_array().unwrap();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["host"], "db-1");
    assert_eq!(
        failed[0]["error"]["message"],
        "digitalocean provider: droplet 'staging-db-1' creation failed"
    );
    assert!(
        failed[0]["error"]["causes"][0]
            .as_str()
            .unwrap()
            .contains("API error: 422")
    );
    assert_eq!(names(&result["created"]), ["app-1", "app-2"]);
    assert_next_run_finishes(&lab).await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn create_that_ends_errored_is_told_long_before_the_deadline() {
    let mut knobs = quick();
    knobs.errored_creates = vec!["staging-db-1".into()];
    let lab = Lab::api_only(knobs).await;
    let started = std::time::Instant::now();
    let partial = lab.run(&UP).await;
    partial.expect_code(10);
    // The deadline is 20 s.
    assert!(started.elapsed().as_secs() < 15, "{:?}", started.elapsed());
    assert!(
        partial
            .stdout
            .contains("droplet 'staging-db-1' creation failed"),
        "{}",
        partial.stdout
    );
    assert!(
        partial
            .stdout
            .contains("the create action ended as errored"),
        "{}",
        partial.stdout
    );
    lab.control()
        .update_knobs(|knobs| knobs.errored_creates.clear());
    assert_next_run_finishes(&lab).await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn host_without_public_address_times_out_by_name() {
    let mut knobs = quick();
    knobs.no_address = vec!["staging-app-2".into()];
    let lab = Lab::api_only(knobs).await;
    lab.edit("deadline: 20s", "deadline: 2s");
    let partial = lab.run(&UP).await;
    partial.expect_code(10);
    assert!(
        partial.stdout.contains("digitalocean provider: droplet operation timeout: after 2s, it is active but has no public address"),
        "{}",
        partial.stdout
    );
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_are_listed_before_the_first_write() {
    let mut knobs = quick();
    knobs.sold_out = vec!["s-4vcpu-8gb@nyc3".into()];
    knobs.droplet_limit = 2;
    let lab = Lab::api_only(knobs).await;
    let refused = lab.run(&UP).await;
    let text = &refused.expect_code(2).stderr;
    assert!(
        text.contains("size `s-4vcpu-8gb` is not available in region `nyc3`"),
        "{text}"
    );
    assert!(text.contains("the account may have 2 droplets"), "{text}");
    assert!(
        lab.control()
            .requests()
            .iter()
            .all(|request| request.method == "GET" || request.target.contains("/firewalls"))
    );
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn host_of_another_size_is_refused_by_a_guard_and_left_alone_on_request() {
    let lab = Lab::api_only(quick()).await;
    lab.run(&UP).await.expect_code(0);
    lab.edit("size: s-4vcpu-8gb", "size: s-8vcpu-16gb");
    let refused = lab.run(&UP).await;
    assert_eq!(
        first_line(refused.expect_code(7)),
        "error: hosts are not as declared: db-1"
    );
    assert!(
        refused
            .stdout
            .contains("size: is s-4vcpu-8gb, declared s-8vcpu-16gb (needs a resize)")
    );
    let mut allowed = UP.to_vec();
    allowed.push("--allow-differ");
    lab.run(&allowed).await.expect_code(0);
    assert_eq!(lab.names(), DECLARED);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn question_stands_alone_in_its_line() {
    let lab = Lab::api_only(quick()).await;
    let own = lab.command(&["infra", "up", "--no-bootstrap"]);
    let own = own.as_std();
    let words = std::iter::once(own.get_program()).chain(own.get_args());
    let words: Vec<&str> = words.map(|word| word.to_str().expect("UTF-8")).collect();
    // `script` gives the program a terminal.
    let mut terminal = tokio::process::Command::new("script");
    terminal
        .args(["-qec", &words.join(" "), "/dev/null"])
        .env_clear()
        .env("TERM", "xterm")
        .envs(
            own.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir(own.get_current_dir().expect("a directory"))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true);
    let mut child = terminal.spawn().expect("script is part of every Linux");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(b"n\n").await.expect("an answer");
    let shown = child.wait_with_output().await.expect("an end").stdout;
    let shown = String::from_utf8_lossy(&shown);
    let (before, _) = shown.split_once("Create 3 hosts").expect("a question");
    let (_, since) = before.rsplit_once("reading the cloud").expect("a bar");
    assert!(
        since.contains("\u{1b}[2K"),
        "the bar is still there: {shown:?}"
    );
    assert!(lab.names().is_empty());
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_nothing_is_created_or_deleted_unconfirmed() {
    let lab = Lab::api_only(quick()).await;
    let refused = lab.run(&["infra", "up", "--no-bootstrap"]).await;
    assert!(refused.expect_code(7).stderr.contains("--yes"));
    assert!(lab.names().is_empty());
    lab.run(&UP).await.expect_code(0);
    lab.run(&["infra", "up", "--no-bootstrap"])
        .await
        .expect_code(0);
    let refused = lab.run(&["infra", "down"]).await;
    assert!(refused.expect_code(7).stderr.contains("--confirm staging"));
    lab.run(&["infra", "down", "--confirm", "prod"])
        .await
        .expect_code(7);
    assert_eq!(lab.names(), DECLARED);
    lab.shutdown().await;
}

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

fn names(list: &Value) -> Vec<&str> {
    list.as_array()
        .expect("a list")
        .iter()
        .map(|host| host["name"].as_str().expect("a name"))
        .collect()
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

#[tokio::test(flavor = "multi_thread")]
async fn token_written_into_the_file_is_refused_and_not_repeated() {
    let lab = Lab::api_only(quick()).await;
    lab.edit(
        "token_env: DO_TOKEN",
        &format!("token_env: {}", support::TOKEN),
    );
    for format in ["text", "json"] {
        let refused = lab.run(&["infra", "plan", "-o", format]).await;
        refused.expect_code(1);
        assert!(
            refused.stderr.contains("never the token itself"),
            "{refused:?}"
        );
        assert!(
            !format!("{refused:?}").contains(support::TOKEN),
            "{refused:?}"
        );
    }
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mistyped_environment_is_not_taken_for_an_empty_one() {
    let lab = Lab::api_only(quick()).await;
    lab.run(&UP).await.expect_code(0);
    for command in [
        &["infra", "down", "-e", "stagin", "--confirm", "stagin"][..],
        &["infra", "hosts", "-e", "stagin"],
        &["infra", "plan", "-e", "stagin"],
        &["config", "validate", "-e", "stagin"],
    ] {
        let refused = lab.run(command).await;
        let told = first_line(refused.expect_code(1));
        assert!(
            told.ends_with(": environment `stagin` is not declared, known: staging"),
            "{told}"
        );
    }
    // An environment that has left the file can still be taken down.
    lab.edit("        staging:\n", "        other:\n");
    lab.run(&["infra", "down", "-e", "staging", "--confirm", "staging"])
        .await
        .expect_code(0);
    assert!(lab.names().is_empty());
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_is_told_on_standard_error_and_the_document_stays_whole() {
    let lab = Lab::api_only(quick()).await;
    let slow = FaultKind::Status {
        code: 429,
        body: None,
        headers: [("retry-after".to_owned(), "1".to_owned())].into(),
    };
    lab.control()
        .add_fault(Fault::new("GET", "/v2/sizes", slow));
    let plan = lab.run(&["infra", "plan", "-o", "json"]).await;
    assert!(
        plan.expect_code(0)
            .stderr
            .contains("API rate limit exceeded, retrying...")
    );
    let document: Value = serde_json::from_str(&plan.stdout).unwrap();
    assert_eq!(document["plan"]["create"].as_array().unwrap().len(), 3);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_set_to_nothing_count_as_not_set_and_flags_come_first() {
    let mut lab = Lab::api_only(quick()).await;
    for name in ["CONFIG", "ENV", "OUTPUT", "DRY_RUN", "VERBOSE"] {
        lab.variables
            .insert(format!("STAGECRAFT_{name}"), String::new());
    }
    lab.run(&["infra", "plan"]).await.expect_code(0);
    lab.variables
        .insert("STAGECRAFT_DRY_RUN".into(), "1".into());
    lab.run(&UP).await.expect_code(0);
    assert!(lab.names().is_empty());
    lab.run(&["infra", "up", "--yes", "--no-bootstrap", "--dry-run=false"])
        .await
        .expect_code(0);
    assert_eq!(lab.names(), DECLARED);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_errors_exit_1_and_are_objects_with_output_json() {
    let lab = Lab::api_only(quick()).await;
    let refused = lab.run(&["infra", "pu", "-o", "json"]).await;
    let result = refused.expect_code(1).result();
    assert_eq!(result["error"]["kind"], "usage");
    let refused = lab.run(&["infra", "pu"]).await;
    assert!(refused.expect_code(1).stdout.is_empty());
    lab.run(&["--help"]).await.expect_code(0);
    lab.run(&["infra", "up", "--help"]).await.expect_code(0);
    lab.shutdown().await;
}
