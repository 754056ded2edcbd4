//! Plans that are saved, reviewed and carried out later, and all that can happen in between.

use std::os::unix::fs::PermissionsExt as _;

use crate::support::contract::Contract;
use crate::support::{AUTH_KEY, DECLARED, Finished, Lab, TOKEN, quick};
use serde_json::Value;
use stagecraft_core::{EnvironmentName, PlanMode, PlanRequest, SavedPlan};
use stagecraft_sandbox::{Breakage, ForeignDroplet};

const OURS: [&str; 3] = [
    "stagecraft",
    "stagecraft-env-staging",
    "stagecraft-project-shop",
];
const FILE: &str = "staging.plan";

/// Saves a plan, and gives what was printed.
async fn save(lab: &Lab) -> Finished {
    let saved = lab.run(&["infra", "plan", "--out", FILE]).await;
    saved.expect_code(0);
    saved
}

/// Tries to carry the saved plan out.
async fn up(lab: &Lab, more: &[&str]) -> Finished {
    let arguments = ["infra", "up", "--no-bootstrap", "--plan", FILE];
    lab.run(&[&arguments, more].concat()).await
}

/// Creates what is declared, so that something can happen to it.
async fn create(lab: &Lab) {
    lab.run(&["infra", "up", "--yes", "--no-bootstrap"])
        .await
        .expect_code(0);
}

fn id_of(lab: &Lab, name: &str) -> u64 {
    let droplets = lab.droplets();
    droplets.iter().find(|it| it.name == name).expect(name).id
}

fn writes(lab: &Lab) -> usize {
    let requests = lab.control().requests();
    let writes = requests.iter().filter(|request| {
        // The lease is taken before the comparison, and given back.
        request.method != "GET" && !request.target.contains("/firewalls")
    });
    writes.count()
}

/// The refusal, after proof that it changed nothing.
async fn refused(lab: &Lab, more: &[&str], code: i32) -> Value {
    let (names, before) = (lab.names(), writes(lab));
    let text = up(lab, more).await;
    text.expect_code(code);
    let json = up(lab, &[more, &["-o", "json"]].concat()).await;
    assert_eq!(lab.names(), names);
    assert_eq!(writes(lab), before, "a refused plan sends no write");
    let error = json.expect_code(code).result()["error"].clone();
    let lines = [error["message"].clone(), error["hint"].clone()];
    let causes = error["causes"].as_array().expect("causes");
    for line in lines.iter().chain(causes) {
        let line = line.as_str().expect("a text");
        assert!(text.stderr.contains(line), "{line}: {}", text.stderr);
    }
    error
}

async fn stale(lab: &Lab) -> Vec<String> {
    let error = refused(lab, &[], 6).await;
    assert_eq!(error["kind"], "stale");
    let causes = error["causes"].as_array().expect("causes").iter();
    causes
        .map(|cause| cause.as_str().expect("a text").to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn saved_plan_is_carried_out_exactly_and_without_asking() {
    let lab = Lab::api_only(quick()).await;
    let plan = lab
        .run(&["infra", "plan", "--out", FILE, "-o", "json"])
        .await;
    let document: Value = serde_json::from_str(&plan.expect_code(0).stdout).unwrap();
    assert!(plan.stderr.contains(FILE), "{}", plan.stderr);
    let path = lab.directory.path().join(FILE);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let bytes = std::fs::read(&path).unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(!text.contains(TOKEN) && !text.contains(AUTH_KEY), "{text}");
    assert!(text.contains(document["plan_id"].as_str().unwrap()));
    save(&lab).await;
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "the same bytes again");

    up(&lab, &["--dry-run"]).await.expect_code(0);
    assert!(lab.names().is_empty(), "a dry run creates nothing");
    let up = up(&lab, &["-o", "json"]).await;
    let result = up.expect_code(0).result();
    assert_eq!(result["plan_id"], document["plan_id"]);
    assert_eq!(lab.names(), DECLARED);
    Contract::of(&lab).await.lines(&up);
    let now = stale(&lab).await;
    assert_eq!(now.len(), 3, "a plan is carried out once: {now:?}");
    assert!(
        now.iter().all(|change| change.ends_with("is new")),
        "{now:?}"
    );
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_of_hosts_that_changed_meanwhile_is_stale_and_tells_each() {
    let lab = Lab::api_only(quick()).await;
    create(&lab).await;
    let control = lab.control();
    save(&lab).await;
    up(&lab, &[]).await.expect_code(0);

    let app = id_of(&lab, "staging-app-2");
    control.break_droplet(app, Breakage::Vanish).unwrap();
    assert_eq!(
        stale(&lab).await,
        [format!("host `app-2` (id {app}) is gone")]
    );

    save(&lab).await;
    let other = ForeignDroplet::new("staging-app-2", &OURS);
    let other = control.create_droplet(other).unwrap();
    assert_eq!(
        stale(&lab).await,
        [format!("host `app-2` (id {other}) is new")]
    );

    control.break_droplet(other, Breakage::Vanish).unwrap();
    let db = id_of(&lab, "staging-db-1");
    control.resize_droplet(db, "s-8vcpu-16gb").unwrap();
    assert_eq!(
        stale(&lab).await,
        [format!(
            "size of host `db-1` (id {db}) changed from s-4vcpu-8gb to s-8vcpu-16gb"
        )]
    );

    control.resize_droplet(db, "s-4vcpu-8gb").unwrap();
    control.set_tags(db, &OURS.map(str::to_owned)).unwrap();
    let told = stale(&lab).await;
    assert!(
        told.len() == 1 && told[0].starts_with("tags of host `db-1`"),
        "the pinned key went with the tags: {told:?}"
    );
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_of_another_configuration_is_stale_and_tells_what_differs() {
    let lab = Lab::api_only(quick()).await;
    save(&lab).await;
    lab.edit("count: 2", "count: 3");
    lab.edit("size: s-4vcpu-8gb", "size: s-8vcpu-16gb");
    assert_eq!(
        stale(&lab).await,
        [
            "the configuration now declares `app-3`, the plan does not",
            "the configuration now declares size s-8vcpu-16gb for `db-1`, the plan has s-4vcpu-8gb",
        ]
    );
    lab.edit("count: 3", "count: 1");
    lab.edit("size: s-8vcpu-16gb", "size: s-4vcpu-8gb");
    assert_eq!(
        stale(&lab).await,
        ["the configuration no longer declares `app-2`"]
    );
    lab.edit("count: 1", "count: 2");
    up(&lab, &[]).await.expect_code(0);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_for_another_endpoint_is_stale_and_says_so_first() {
    let (mine, other) = (Lab::api_only(quick()).await, Lab::api_only(quick()).await);
    create(&mine).await;
    save(&mine).await;
    let from = mine.directory.path().join(FILE);
    std::fs::copy(from, other.directory.path().join(FILE)).unwrap();
    let told = stale(&other).await;
    let expected = format!(
        "endpoint is {}, the plan was made for {}",
        other.variables["DIGITALOCEAN_API_URL"], mine.variables["DIGITALOCEAN_API_URL"]
    );
    assert_eq!(told[0], expected, "{told:?}");
    assert!(other.names().is_empty());
    mine.shutdown().await;
    other.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_that_deletes_is_refused_by_the_guard() {
    let lab = Lab::api_only(quick()).await;
    create(&lab).await;
    save(&lab).await;
    let path = lab.directory.path().join(FILE);
    let saved = SavedPlan::decode(&std::fs::read(&path).unwrap()).unwrap();
    let mut plan = saved.plan().clone();
    plan.mode = PlanMode::Destroy;
    plan.delete = std::mem::take(&mut plan.unchanged);
    let staging = EnvironmentName::new("staging").unwrap();
    let request = PlanRequest::new(staging, PlanMode::Destroy);
    let facts = stagecraft_core::CloudFacts {
        account: plan.account.clone(),
        endpoint: plan.endpoint.clone(),
        host_limit: None,
        operator_key: None,
        hosts: Vec::new(),
        sizes: std::collections::BTreeMap::new(),
        backup_percent: None,
        time: None,
    };
    let destroy = SavedPlan::new(request, plan, &facts).encode();
    std::fs::write(&path, destroy).unwrap();
    let error = refused(&lab, &["--yes"], 7).await;
    assert_eq!(error["kind"], "guard");
    assert!(error["hint"].as_str().unwrap().contains("infra down"));
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn file_that_is_no_saved_plan_or_was_edited_is_refused_by_name() {
    let lab = Lab::api_only(quick()).await;
    let missing = up(&lab, &[]).await;
    missing.expect_code(1);
    assert!(missing.stderr.contains(FILE), "{}", missing.stderr);

    save(&lab).await;
    let path = lab.directory.path().join(FILE);
    let text = std::fs::read_to_string(&path).unwrap();
    let edited = text.replace("s-2vcpu-4gb", "s-4vcpu-8gb");
    let newer = text.replacen("\"version\": 2", "\"version\": 3", 1);
    // What a build before the sources of a protection wrote.
    let older = text.replace("\"version\": 2", "\"version\": 1");
    let older = older.replace("\"held\": [],", "");
    let cases = [
        (edited.as_str(), "changed after it was written"),
        (newer.as_str(), "version 3"),
        (older.as_str(), "it has version 1 of saved plans"),
        (&text[..text.len() / 2], "no saved plan"),
        (crate::support::CONFIG, "no saved plan"),
    ];
    for (content, expected) in cases {
        std::fs::write(&path, content).unwrap();
        let error = refused(&lab, &[], 1).await;
        assert_eq!(error["kind"], "config");
        assert!(error["message"].as_str().unwrap().contains(FILE), "{error}");
        assert!(
            error["causes"][0].as_str().unwrap().contains(expected),
            "{error}"
        );
    }
    assert_eq!(writes(&lab), 0);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_brings_its_environment_and_no_other_may_be_named() {
    let lab = Lab::api_only(quick()).await;
    lab.edit(
        "        staging:\n",
        "        prod: { app-1: { role: app } }\n        staging:\n",
    );
    let plan = ["infra", "plan", "--env", "staging", "--out", FILE];
    lab.run(&plan).await.expect_code(0);
    let error = refused(&lab, &["--env", "prod"], 1).await;
    let message = "staging.plan is a plan for `staging`, not for `prod`";
    assert_eq!(error["message"], message);
    let mut command = lab.command(&["infra", "up", "--plan", FILE]);
    let output = command
        .env("STAGECRAFT_ENV", "prod")
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    up(&lab, &[]).await.expect_code(0);
    assert_eq!(lab.names(), DECLARED);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn detailed_exit_code_is_20_until_the_environment_is_as_declared() {
    let lab = Lab::api_only(quick()).await;
    let plan = ["infra", "plan", "--detailed-exitcode"];
    lab.run(&plan).await.expect_code(20);
    lab.run(&["infra", "plan"]).await.expect_code(0);
    create(&lab).await;
    lab.run(&plan).await.expect_code(0);

    let db = id_of(&lab, "staging-db-1");
    lab.control().resize_droplet(db, "s-8vcpu-16gb").unwrap();
    let json = lab.run(&[&plan[..], &["-o", "json"]].concat()).await;
    let document: Value = serde_json::from_str(&json.expect_code(20).stdout).unwrap();
    assert_eq!(document["plan"]["differ"][0]["name"], "db-1");

    lab.control().resize_droplet(db, "s-4vcpu-8gb").unwrap();
    let double = ForeignDroplet::new("staging-app-1", &OURS);
    lab.control().create_droplet(double).unwrap();
    lab.run(&plan).await.expect_code(7);
    lab.edit("DO_TOKEN", "NO_TOKEN");
    lab.run(&plan).await.expect_code(1);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_is_written_whole_or_not_at_all() {
    let lab = Lab::api_only(quick()).await;
    let directory = lab.directory.path();
    let dry = lab
        .run(&["infra", "plan", "--out", FILE, "--dry-run"])
        .await;
    assert!(dry.expect_code(0).stderr.contains("is not written"));
    assert!(!directory.join(FILE).exists());

    std::os::unix::fs::symlink("/dev/null", directory.join("device")).unwrap();
    std::fs::create_dir(directory.join("directory")).unwrap();
    for odd in ["device", "directory", "none/staging.plan"] {
        let refused = lab.run(&["infra", "plan", "--out", odd]).await;
        assert!(refused.expect_code(1).stderr.contains(odd), "{refused:?}");
    }
    assert!(directory.join("device").is_symlink());

    std::fs::write(directory.join(FILE), "old").unwrap();
    save(&lab).await;
    let mut names: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    let expected = [
        "device",
        "directory",
        "operator-key",
        FILE,
        "stagecraft.yml",
    ];
    let mut expected = expected.map(std::ffi::OsString::from);
    expected.sort();
    assert_eq!(names, expected, "nothing half-written is left behind");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_that_cannot_be_carried_out_says_so_by_its_code_and_is_not_offered() {
    let lab = Lab::api_only(quick()).await;
    let plan = ["infra", "plan", "--out", FILE];
    let offered = lab.run(&plan).await;
    let next = format!("next: stagecraft infra up --plan {FILE}");
    assert!(offered.expect_code(0).stderr.contains(&next), "{offered:?}");

    let missing = "size `s-2vcpu-4bg` does not exist";
    let nowhere = "region `nyc33` does not exist";
    // For new hosts, then for those that exist.
    for create_first in [false, true] {
        if create_first {
            create(&lab).await;
        }
        for (right, wrong, message) in [
            (
                "default_size: s-2vcpu-4gb",
                "default_size: s-2vcpu-4bg",
                missing,
            ),
            ("default_region: nyc3", "default_region: nyc33", nowhere),
        ] {
            lab.edit(right, wrong);
            let refused = lab.run(&plan).await;
            let stdout = &refused.expect_code(2).stdout;
            assert!(stdout.contains(message), "{stdout}");
            assert!(stdout.contains("cannot be carried out"), "{stdout}");
            assert!(!refused.stderr.contains("next:"), "{refused:?}");
            assert!(refused.stderr.contains("for review"), "{refused:?}");
            let detailed = lab.run(&["infra", "plan", "--detailed-exitcode"]).await;
            detailed.expect_code(2);
            let before = writes(&lab);
            let refused = up(&lab, &[]).await;
            let stderr = &refused.expect_code(2).stderr;
            assert!(stderr.contains(message), "{stderr}");
            assert_eq!(writes(&lab), before);
            lab.edit(wrong, right);
        }
    }

    // A difference is a choice of `up`, and said in the command.
    lab.edit("default_size: s-2vcpu-4gb", "default_size: s-4vcpu-8gb");
    let differs = lab.run(&plan).await;
    let next = format!("up --plan {FILE} --allow-differ");
    assert!(differs.expect_code(0).stderr.contains(&next), "{differs:?}");
    up(&lab, &["--allow-differ"]).await.expect_code(0);
    lab.edit("default_size: s-4vcpu-8gb", "default_size: s-2vcpu-4gb");

    // Two hosts of one name, of which `up` chooses none.
    let double = ForeignDroplet::new("staging-app-2", &OURS);
    lab.control().create_droplet(double).unwrap();
    let doubles = lab.run(&plan).await;
    assert!(
        !doubles.expect_code(7).stderr.contains("next:"),
        "{doubles:?}"
    );
    lab.shutdown().await;
}
