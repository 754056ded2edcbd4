//! Two projects in one account: neither touches the other's hosts, and a name pattern with the
//! project in it lets them share it. A change of the pattern never creates or deletes.

use std::fs;

use crate::support::contract::Contract;
use crate::support::{DECLARED, Finished, Lab, quick};
use serde_json::Value;
use stagecraft_sandbox::ForeignDroplet;
use tempfile::TempDir;

const UP: [&str; 6] = ["infra", "up", "--yes", "--no-bootstrap", "-o", "json"];
const DOWN: [&str; 6] = ["infra", "down", "--confirm", "staging", "-o", "json"];
const PLAN: [&str; 4] = ["infra", "plan", "-o", "json"];
const SHOP: &str = "project: { name: shop }\n";
const PROVIDER: &str = "  provider: digitalocean\n";

/// The file of another project in the same account.
struct Other {
    directory: TempDir,
}

impl Other {
    /// The lab's file with another project's name and, if wanted, a name pattern.
    fn new(lab: &Lab, name: &str, pattern: Option<&str>) -> Self {
        let directory = TempDir::new().expect("a directory");
        let text = fs::read_to_string(lab.config_path()).expect("a config");
        let pattern = pattern.map_or_else(String::new, pattern_line);
        let text = text
            .replace(SHOP, &format!("project: {{ name: {name} }}\n"))
            .replacen(PROVIDER, &format!("{PROVIDER}{pattern}"), 1);
        fs::write(directory.path().join("stagecraft.yml"), text).expect("a config");
        Self { directory }
    }

    async fn run(&self, lab: &Lab, arguments: &[&str]) -> Finished {
        lab.run_in(self.directory.path(), arguments).await
    }
}

fn pattern_line(pattern: &str) -> String {
    format!("  name_pattern: \"{pattern}\"\n")
}

/// Sets the name pattern of the lab's own file.
fn set_pattern(lab: &Lab, pattern: &str) {
    lab.edit(PROVIDER, &format!("{PROVIDER}{}", pattern_line(pattern)));
}

fn json(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|_| panic!("{finished:?}"))
}

async fn plan(lab: &Lab) -> Value {
    json(lab.run(&PLAN).await.expect_code(0))["plan"].clone()
}

fn names(list: &Value) -> Vec<&str> {
    let hosts = list.as_array().expect("a list").iter();
    hosts
        .map(|host| host["name"].as_str().expect("a name"))
        .collect()
}

fn ids(lab: &Lab) -> Vec<u64> {
    let mut ids: Vec<u64> = lab.droplets().iter().map(|own| own.id).collect();
    ids.sort_unstable();
    ids
}

fn id_of(lab: &Lab, name: &str) -> u64 {
    let droplets = lab.droplets();
    let own = droplets.iter().find(|own| own.name == name);
    own.unwrap_or_else(|| panic!("no {name}")).id
}

fn tags_of(lab: &Lab, id: u64) -> Vec<String> {
    let droplets = lab.droplets().into_iter();
    let mut own = droplets.filter(|droplet| droplet.id == id);
    let mut tags = own.next().expect("the droplet").tags;
    tags.retain(|tag| !tag.starts_with("stagecraft-run-") && !tag.contains("hostkey"));
    tags.sort();
    tags
}

#[tokio::test(flavor = "multi_thread")]
async fn taken_name_is_told_with_its_owner_and_with_no_advice_against_it() {
    let lab = Lab::api_only(quick()).await;
    lab.run(&UP).await.expect_code(0);
    let before = ids(&lab);
    let blog = Other::new(&lab, "blog", None);
    let refused = blog.run(&lab, &["infra", "up", "--yes"]).await;
    let told = format!("{}{}", refused.stdout, refused.stderr);
    assert_ne!(refused.code, Some(0), "{told}");
    let id = id_of(&lab, "staging-app-1");
    let whose = format!(
        "droplet 'staging-app-1' already exists (id {id}) and belongs to project `shop`, environment `staging`"
    );
    assert!(told.contains(&whose), "{told}");
    assert!(
        told.contains("set cloud.name_pattern to \"{project}-{env}-{host}\""),
        "{told}"
    );
    for harm in ["delete", "rename", "adopt"] {
        assert!(!told.to_lowercase().contains(harm), "{harm}: {told}");
    }
    assert_eq!(ids(&lab), before);

    let shown = blog.run(&lab, &["infra", "plan"]).await;
    let line = "3 hosts of another project stay: shop 3";
    assert!(shown.stdout.contains(line), "{}", shown.stdout);
    assert!(!shown.stdout.contains("not ours"), "{}", shown.stdout);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_projects_share_an_account_and_neither_touches_the_other() {
    let lab = Lab::api_only(quick()).await;
    let blog = Other::new(&lab, "blog", Some("{project}-{env}-{host}"));
    lab.run(&UP).await.expect_code(0);
    let shop = ids(&lab);
    let made = blog.run(&lab, &UP).await;
    assert_eq!(
        names(&made.expect_code(0).result()["created"]),
        ["app-1", "app-2", "db-1"]
    );
    let mut all: Vec<&str> = DECLARED.to_vec();
    let own = [
        "blog-staging-app-1",
        "blog-staging-app-2",
        "blog-staging-db-1",
    ];
    all.extend(own);
    all.sort_unstable();
    assert_eq!(lab.names(), all);

    for (finished, other) in [
        (lab.run(&PLAN).await, "blog"),
        (blog.run(&lab, &PLAN).await, "shop"),
    ] {
        let plan = json(finished.expect_code(0))["plan"].clone();
        assert_eq!(names(&plan["unchanged"]).len(), 3, "{plan}");
        for list in ["create", "undeclared", "differ", "duplicates", "retag"] {
            assert_eq!(names(&plan[list]), [""; 0], "{list}: {plan}");
        }
        for host in plan["unmanaged"].as_array().expect("a list") {
            assert_eq!(host["owner"]["project"], other, "{plan}");
        }
    }
    let hosts = json(
        blog.run(&lab, &["infra", "hosts", "-o", "json"])
            .await
            .expect_code(0),
    );
    let nodes = hosts["hosts"].as_array().expect("a list").iter();
    let nodes: Vec<&str> = nodes.filter_map(|host| host["node"].as_str()).collect();
    assert_eq!(nodes, own);

    // A file whose hosts are all gone deletes what it made, and nothing else.
    let pruned = blog
        .run(&lab, &["infra", "prune", "--confirm", "staging"])
        .await;
    pruned.expect_code(0);
    let gone = blog.run(&lab, &DOWN).await;
    assert_eq!(
        names(&gone.expect_code(0).result()["deleted"]),
        ["app-1", "app-2", "db-1"]
    );
    assert_eq!(ids(&lab), shop);
    let nothing = blog
        .run(&lab, &["infra", "down", "--confirm", "staging"])
        .await;
    let told = &nothing.expect_code(0).stdout;
    assert!(told.contains("No host of staging is left"), "{told}");
    assert!(
        told.contains("3 hosts of another project stay: shop 3"),
        "{told}"
    );
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_pattern_makes_old_names_drift_and_neither_creates_nor_deletes() {
    let lab = Lab::api_only(quick()).await;
    lab.run(&UP).await.expect_code(0);
    let before = ids(&lab);
    for pattern in ["{project}-{env}-{host}", "{project}--{env}--{host}"] {
        let from = fs::read_to_string(lab.config_path()).expect("a config");
        if let Some(line) = from.lines().find(|line| line.contains("name_pattern")) {
            lab.edit(&format!("{line}\n"), "");
        }
        set_pattern(&lab, pattern);
        let plan = plan(&lab).await;
        assert_eq!(names(&plan["create"]), [""; 0], "{plan}");
        assert_eq!(names(&plan["differ"]), ["app-1", "app-2", "db-1"], "{plan}");
        let field = &plan["differ"][0]["fields"][0];
        let declared = pattern
            .replace("{project}", "shop")
            .replace("{env}", "staging")
            .replace("{host}", "app-1");
        assert_eq!(field["declared"], declared);
        assert_eq!(field["actual"], "staging-app-1");
        assert_eq!(field["takes"], "rename");
        let pruned = lab.run(&["infra", "prune", "--confirm", "staging"]).await;
        pruned.expect_code(0);
        let up = lab.run(&UP).await;
        assert_eq!(names(&up.expect_code(0).result()["created"]), [""; 0]);
        assert_eq!(ids(&lab), before);
    }
    let drift = lab.run(&["infra", "plan", "--detailed-exitcode"]).await;
    let shown = &drift.expect_code(20).stdout;
    assert!(
        shown.contains(
            "name: is staging-app-1, declared shop--staging--app-1 (rename it in the cloud's console)"
        ),
        "{shown}"
    );
    assert!(shown.contains("3 with an old name"), "{shown}");

    // One that is added gets the new name, and the old ones are still those that they were.
    lab.edit(
        "app: { role: app, count: 2 }",
        "app: { role: app, count: 3 }",
    );
    let up = lab.run(&UP).await;
    assert_eq!(names(&up.expect_code(0).result()["created"]), ["app-3"]);
    let mut expected = DECLARED.to_vec();
    expected.insert(0, "shop--staging--app-3");
    assert_eq!(lab.names(), expected);
    let gone = lab.run(&DOWN).await;
    assert_eq!(names(&gone.expect_code(0).result()["deleted"]).len(), 4);
    assert!(lab.names().is_empty());
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_named_by_any_earlier_pattern_are_known_by_its_tag() {
    let lab = Lab::api_only(quick()).await;
    set_pattern(&lab, "{project}-in-{env}-{host}");
    lab.run(&UP).await.expect_code(0);
    let before = ids(&lab);
    let id = id_of(&lab, "shop-in-staging-app-1");
    let tags = tags_of(&lab, id);
    let tag = "stagecraft-pattern-:project:-in-:env:-:host:";
    assert!(tags.contains(&tag.to_owned()), "{tags:?}");

    lab.edit("{project}-in-{env}-{host}", "{project}-{env}-{host}");
    let changed = plan(&lab).await;
    assert_eq!(names(&changed["create"]), [""; 0], "{changed}");
    assert_eq!(names(&changed["differ"]).len(), 3, "{changed}");
    // Back to the first design's pattern, by leaving the line out.
    lab.edit(&pattern_line("{project}-{env}-{host}"), "");
    let back = plan(&lab).await;
    assert_eq!(names(&back["create"]), [""; 0], "{back}");
    assert_eq!(names(&back["differ"]).len(), 3, "{back}");
    assert_eq!(ids(&lab), before);

    // A person renames one to what the file says: it is as declared, and its tag follows.
    lab.rename(id, "staging-app-1").await;
    let renamed = plan(&lab).await;
    assert_eq!(names(&renamed["retag"]), ["app-1"], "{renamed}");
    assert_eq!(renamed["retag"][0]["remove"][0], tag);
    lab.run(&UP).await.expect_code(0);
    assert!(!tags_of(&lab, id).contains(&tag.to_owned()));
    let settled = plan(&lab).await;
    assert_eq!(names(&settled["retag"]), [""; 0], "{settled}");
    assert_eq!(names(&settled["differ"]).len(), 2, "{settled}");
    assert_eq!(ids(&lab), before);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn host_that_a_person_renamed_is_never_made_a_second_time() {
    let lab = Lab::api_only(quick()).await;
    lab.run(&UP).await.expect_code(0);
    let id = id_of(&lab, "staging-app-1");
    lab.rename(id, "Webserver.old").await;
    let before = ids(&lab);
    let refused = lab.run(&["infra", "up", "--yes", "--no-bootstrap"]).await;
    let told = &refused.expect_code(7).stderr;
    assert!(
        told.contains(&format!("'Webserver.old' (id {id})")) && told.contains("staging-app-1"),
        "{told}"
    );
    assert!(!told.contains("delete"), "{told}");
    let shown = lab.run(&["infra", "plan"]).await;
    assert!(
        shown.stdout.contains("fits no name pattern; stays"),
        "{}",
        shown.stdout
    );
    for deleting in [
        &["infra", "prune", "--confirm", "staging"][..],
        &["infra", "replace", "app-1", "--confirm", "staging"],
    ] {
        lab.run(deleting).await;
        assert_eq!(ids(&lab), before, "{deleting:?}");
    }
    lab.rename(id, "staging-app-1").await;
    let mended = plan(&lab).await;
    assert_eq!(names(&mended["unchanged"]).len(), 3, "{mended}");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn host_of_a_killed_run_is_found_under_its_old_name_before_its_tags_show() {
    let lab = Lab::api_only(quick()).await;
    let killed = lab
        .kill_at(&UP, |line| line["event"] == "hosts_requested")
        .await;
    assert!(killed.is_some(), "the run ended before it was killed");
    set_pattern(&lab, "{project}-{env}-{host}");
    lab.run(&UP).await.expect_code(0);
    let hosts = lab.names();
    let of = |name: &str| hosts.iter().filter(|own| own.ends_with(name)).count();
    assert_eq!(
        (of("app-1"), of("app-2"), of("db-1")),
        (1, 1, 1),
        "{hosts:?}"
    );
    assert_eq!(hosts.len(), 3, "{hosts:?}");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unmanaged_droplet_of_the_same_name_may_be_adopted() {
    let lab = Lab::api_only(quick()).await;
    let droplet = ForeignDroplet::new("staging-app-1", &[]);
    lab.control().create_droplet(droplet).expect("a droplet");
    let refused = lab.run(&UP).await;
    let last = Contract::of(&lab).await.lines(&refused);
    let error = last.last().expect("a result")["error"].to_string();
    assert!(
        error.contains("does not bear the tags of Stagecraft")
            && error.contains("stagecraft infra adopt app-1 --env staging"),
        "{error}"
    );
    assert!(!error.contains("delete"), "{error}");
    lab.shutdown().await;
}

/// The names of hosts in the network, as a result tells them.
fn fqdns(finished: &Finished) -> Vec<String> {
    let result = finished.expect_code(0).result();
    let hosts = result["hosts"].as_array().expect("a list").iter();
    hosts
        .map(|host| host["fqdn"].as_str().expect("a name").to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn name_in_the_network_follows_the_name_in_the_cloud() {
    let lab = Lab::with_hosts(quick()).await;
    lab.edit("          db-1: { role: db, size: s-4vcpu-8gb }\n", "");
    let up = ["infra", "up", "--yes", "-o", "json"];
    let of = |names: [&str; 2]| names.map(|name| format!("{name}.sandbox.ts.net"));
    let old = of(["staging-app-1", "staging-app-2"]);
    assert_eq!(fqdns(&lab.run(&up).await), old);
    // A changed pattern moves nobody: peers and people use these names.
    set_pattern(&lab, "{project}-{env}-{host}");
    assert_eq!(fqdns(&lab.run(&up).await), old);
    let id = id_of(&lab, "staging-app-1");
    lab.rename(id, "shop-staging-app-1").await;
    let renamed = of(["shop-staging-app-1", "staging-app-2"]);
    assert_eq!(fqdns(&lab.run(&up).await), renamed);
    let tag = "stagecraft-pattern-:project:-:env:-:host:".to_owned();
    assert!(tags_of(&lab, id).contains(&tag));

    let down = lab.run(&DOWN).await;
    let result = down.expect_code(0).result();
    for (index, node) in ["shop-staging-app-1", "staging-app-2"].iter().enumerate() {
        let told = result["network"][index].to_string();
        assert!(told.contains(&format!("remove {node} in")), "{told}");
    }
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn saved_plan_outlives_what_another_project_does() {
    let lab = Lab::api_only(quick()).await;
    let blog = Other::new(&lab, "blog", Some("{project}-{env}-{host}"));
    let saved = lab.run(&["infra", "plan", "--out", "staging.plan"]).await;
    saved.expect_code(0);
    blog.run(&lab, &UP).await.expect_code(0);
    let up = ["infra", "up", "--no-bootstrap", "--plan", "staging.plan"];
    lab.run(&up).await.expect_code(0);
    assert_eq!(lab.names().len(), 6);

    lab.run(&["infra", "down", "--confirm", "staging"])
        .await
        .expect_code(0);
    let saved = lab.run(&["infra", "plan", "--out", "staging.plan"]).await;
    saved.expect_code(0);
    set_pattern(&lab, "{project}-{env}-{host}");
    let stale = lab.run(&up).await;
    let told = &stale.stderr;
    assert_ne!(stale.code, Some(0), "{told}");
    assert!(
        told.contains("name pattern is {project}-{env}-{host}, the plan was made for {env}-{host}"),
        "{told}"
    );
    lab.shutdown().await;
}

#[test]
fn mistakes_in_patterns_are_told_at_their_places() {
    let directory = TempDir::new().expect("a directory");
    let validate = |project: &str, pattern: &str, environment: &str| {
        let text = crate::support::CONFIG
            .replace(SHOP, project)
            .replacen(PROVIDER, &format!("{PROVIDER}{}", pattern_line(pattern)), 1)
            .replace("        staging:\n", &format!("        {environment}:\n"));
        fs::write(directory.path().join("stagecraft.yml"), text).expect("a config");
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_stagecraft"))
            .args(["config", "validate"])
            .current_dir(directory.path())
            .env_clear()
            .envs(crate::support::profile::variable())
            .output()
            .expect("the binary");
        let told = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(1), "{told}");
        told
    };
    let plain = "{project}-{env}-{host}";
    for (project, pattern, environment, place, told) in [
        (
            SHOP,
            "{project}-{host}",
            "staging",
            "4:17",
            "{env} is missing",
        ),
        (
            SHOP,
            "{app}-{env}-{host}",
            "staging",
            "4:17",
            "unknown placeholder {app}",
        ),
        ("", plain, "staging", "3:17", "give project.name"),
        (
            "project: { name: web-shop }\n",
            plain,
            "staging",
            "4:17",
            "write `{project}--{env}--{host}`",
        ),
        (SHOP, plain, "prod-eu", "13:9", "env `prod-eu` contains `-`"),
        (
            SHOP,
            "{project}-an-infix-of-20-chars-{env}-{host}",
            "environmentofmorethanthirtyletters",
            "",
            "1 to 63 lower-case letters",
        ),
    ] {
        let error = validate(project, pattern, environment);
        assert!(error.contains(told), "{error}");
        assert!(
            error.contains(&format!("stagecraft.yml:{place}")),
            "{error}"
        );
    }
}
