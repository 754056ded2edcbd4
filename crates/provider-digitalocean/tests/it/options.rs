//! What hosts are made with: tags, time, network, project, user data and features.

use crate::lab::{Lab, chain};
use provider_digitalocean::core::{PlanMode, tags};
use serde_json::json;
use stagecraft_sandbox::{Fault, Knobs};

const OFF: &[&str] = &["monitoring", "backups", "ipv6", "vpc_uuid"];

#[tokio::test]
async fn host_without_options_is_asked_for_as_before() {
    let lab = Lab::new("    db-1: { role: db }\n").await;
    let up = lab.up().await;
    assert!(up.report.is_complete(), "{:?}", up.failures());
    let body = lab.bodies("POST /v2/droplets").remove(0);
    for key in OFF {
        assert!(body.get(key).is_none(), "{key}: {body}");
    }
    let data = body["user_data"].as_str().unwrap_or_default();
    assert!(data.starts_with("#cloud-config\n"), "{data}");
    assert_eq!(lab.count("GET /v2/vpcs") + lab.count("GET /v2/projects"), 0);
    let run = lab.tags("staging-db-1").into_iter();
    let runs = run.filter(|tag| tag.starts_with("stagecraft-run-"));
    assert_eq!(runs.map(|tag| tag.len()).collect::<Vec<_>>(), [31]);
}

#[tokio::test]
async fn options_reach_the_create_and_alike_hosts_share_one() {
    let lab = Lab::new(
        "    db: { role: db, count: 2, tags: [web, \"backup:daily\"], ttl: 2h, monitoring: true, backups: true, ipv6: true }\n\
         \x20   app-1: { role: app, protect: true }\n",
    )
    .await;
    let before = jiff::Timestamp::now().as_second();
    let up = lab.up().await;
    assert!(up.report.is_complete(), "{:?}", up.failures());
    let bodies = lab.bodies("POST /v2/droplets");
    assert_eq!(bodies.len(), 2, "{bodies:?}");
    let db = bodies
        .iter()
        .find(|body| body["names"] == json!(["staging-db-1", "staging-db-2"]));
    let db = db.expect("the two are made together");
    for key in &OFF[..3] {
        assert_eq!(db[key], true, "{key}");
    }
    let tags = lab.tags("staging-db-2");
    assert!(tags.iter().any(|tag| tag == "web") && tags.iter().any(|tag| tag == "backup:daily"));
    let expires = tags::expires_at(&tags).expect("it has a time");
    let after = jiff::Timestamp::now().as_second();
    assert!(
        (before + 7199..=after + 7201).contains(&expires),
        "{expires}"
    );
    assert!(
        lab.tags("staging-app-1")
            .contains(&"stagecraft-protect".to_owned())
    );
    let again = lab.up().await;
    assert!(again.plan.is_empty(), "{:?}", again.plan);
    assert_eq!(tags::expires_at(&lab.tags("staging-db-2")), Some(expires));
}

#[tokio::test]
async fn vpc_is_found_by_name_or_id_and_compared_as_declared() {
    let mut lab = Lab::new("    db-1: { role: db }\n").await;
    let inner = lab.create_vpc("inner", "nyc3").await;
    let other = lab.create_vpc("other", "nyc3").await;
    for (vpc, host) in [("inner", "a"), (inner.as_str(), "b")] {
        lab.declare(&format!("    {host}: {{ role: db, vpc: {vpc} }}\n"));
        let up = lab.up().await;
        assert!(up.report.is_complete(), "{:?}", up.failures());
        let bodies = lab.bodies("POST /v2/droplets");
        assert_eq!(
            bodies.last().map(|body| body["vpc_uuid"].clone()),
            Some(json!(inner))
        );
        let again = lab.up().await;
        assert!(again.plan.differ.is_empty(), "{:?}", again.plan.differ);
    }
    lab.declare(&format!("    a: {{ role: db, vpc: {other} }}\n"));
    let plan = lab.plan(&Lab::request(PlanMode::Reconcile)).await;
    let fields = &plan.differ[0].fields;
    assert_eq!(
        (
            fields[0].field.as_str(),
            &*fields[0].declared,
            &*fields[0].actual
        ),
        ("vpc", other.as_str(), "inner")
    );
}

#[tokio::test]
async fn vpc_and_project_that_are_not_there_are_found_before_a_write() {
    let lab = Lab::new(
        "    a: { role: db, vpc: nowhere }\n    b: { role: db, vpc: far }\n    c: { role: db, project: none }\n",
    )
    .await;
    lab.create_vpc("far", "ams3").await;
    lab.sandbox.control().clear_requests();
    let up = lab.up().await;
    let told: Vec<String> = up
        .findings
        .iter()
        .map(|own| format!("{} ({})", own.message, own.hint.clone().unwrap_or_default()))
        .collect();
    assert_eq!(
        told,
        [
            "VPC `nowhere` does not exist (VPCs in nyc3: default-nyc3)",
            "VPC `far` is in region `ams3`, not in `nyc3` (VPCs in nyc3: default-nyc3)",
            "project `none` does not exist in the account (projects: Sandbox)",
        ]
    );
    assert!(lab.writes().is_empty(), "{:?}", lab.writes());
    assert_eq!(
        (lab.count("GET /v2/vpcs"), lab.count("GET /v2/projects")),
        (1, 1)
    );
}

#[tokio::test]
async fn hosts_are_put_into_their_project_once() {
    let hosts = "    db: { role: db, count: 3, project: Shop }\n    app-1: { role: app }\n";
    let lab = Lab::new(hosts).await;
    let shop = lab.create_project("Shop").await;
    lab.sandbox.control().clear_requests();
    let up = lab.up().await;
    assert!(up.report.is_complete(), "{:?}", up.failures());
    let assign = "POST /v2/projects/{id}/resources";
    assert_eq!(lab.count(assign), 1, "{:?}", lab.writes());
    let mut urns = lab.project(&shop).await;
    urns.sort();
    let mut own: Vec<String> = ["staging-db-1", "staging-db-2", "staging-db-3"]
        .map(|name| format!("do:droplet:{}", lab.droplet(name).id))
        .to_vec();
    own.sort();
    assert_eq!(urns, own);
    assert!(lab.up().await.report.is_complete());
    assert_eq!(lab.count(assign), 1, "what is there stays");
}

#[tokio::test]
async fn host_that_its_project_does_not_take_is_told_and_put_there_by_the_next_run() {
    let lab = Lab::new("    db: { role: db, count: 2, project: Shop }\n").await;
    let shop = lab.create_project("Shop").await;
    let control = lab.sandbox.control();
    control.update_knobs(|knobs| knobs.unassignable = vec!["staging-db-1".to_owned()]);
    let up = lab.up().await;
    assert_eq!(
        up.failures(),
        [
            "digitalocean provider: droplet 'staging-db-1' was not put into its project: digitalocean provider: API error: the project took it with `service_down` (the host runs; run the command again to put it there)"
        ]
    );
    assert_eq!(lab.project(&shop).await.len(), 1);
    control.update_knobs(|knobs| knobs.unassignable.clear());
    assert!(lab.up().await.report.is_complete());
    assert_eq!(lab.project(&shop).await.len(), 2);
    let body = lab.bodies("POST /v2/projects/{id}/resources").pop();
    let resources = body.map(|body| body["resources"].as_array().map_or(0, Vec::len));
    assert_eq!(resources, Some(1));
}

#[tokio::test]
async fn project_that_cannot_be_written_is_a_failure_of_its_hosts() {
    let lab = Lab::new("    db-1: { role: db, project: Shop }\n").await;
    lab.create_project("Shop").await;
    let fault = Fault::status("POST", "/v2/projects", 403);
    lab.sandbox.control().add_fault(fault);
    let up = lab.up().await;
    let failures = up.failures();
    assert!(
        failures[0].contains("was not put into its project"),
        "{failures:?}"
    );
    assert_eq!(up.ready, ["db-1"], "the host itself is usable");
    assert!(lab.up().await.report.is_complete());
}

#[tokio::test]
async fn user_data_of_a_file_is_read_for_the_plan_and_sent_with_the_host_key() {
    let mut lab = Lab::new("    db-1: { role: db, user_data_file: data/db.sh }\n").await;
    lab.files
        .insert("data/db.sh".to_owned(), "#!/bin/sh\necho hi\n".to_owned());
    let request = Lab::request(PlanMode::Reconcile);
    let plan = lab.plan(&request).await;
    let digest = plan.create[0].spec.options.user_data_sha256.clone();
    assert_eq!(digest.map(|digest| digest.len()), Some(64));
    assert!(
        !serde_json::to_string(&plan)
            .unwrap_or_default()
            .contains("echo hi")
    );
    lab.files
        .insert("data/db.sh".to_owned(), "#!/bin/sh\necho ho\n".to_owned());
    assert_ne!(lab.plan(&request).await.id(), plan.id());
    let up = lab.up().await;
    assert!(up.report.is_complete(), "{:?}", up.failures());
    let body = lab.bodies("POST /v2/droplets").remove(0);
    let data = body["user_data"].as_str().unwrap_or_default();
    assert!(data.starts_with("Content-Type: multipart/mixed"), "{data}");
    assert!(data.contains("text/x-shellscript") && data.contains("\n#!/bin/sh\necho ho\n"));
    assert!(data.contains("ed25519_private: |\n"), "{data}");
}

#[tokio::test]
async fn changed_user_data_is_not_sent_under_an_old_plan() {
    let mut lab = Lab::new("    db-1: { role: db, user_data_file: db.sh }\n").await;
    lab.files
        .insert("db.sh".to_owned(), "#!/bin/sh\n".to_owned());
    let plan = lab.plan(&Lab::request(PlanMode::Reconcile)).await;
    lab.files
        .insert("db.sh".to_owned(), "#!/bin/bash\n".to_owned());
    // Another process has nothing in mind of what the plan's maker read.
    lab.declare("    db-1: { role: db, user_data_file: db.sh }\n");
    let report = lab.apply(plan).await;
    let failure = chain(&report.failed[0].error);
    assert!(
        failure.contains("its user data has changed since the plan"),
        "{failure}"
    );
    assert_eq!(lab.count("POST /v2/droplets"), 0);
}

#[tokio::test]
async fn user_data_that_cannot_be_used_is_told_before_a_write() {
    let mut lab = Lab::new("    db-1: { role: db, user_data_file: db.yml }\n").await;
    let request = Lab::request(PlanMode::Reconcile);
    let error = lab.try_plan(&request).await.expect_err("there is no file");
    assert_eq!(
        chain(&error),
        "digitalocean provider: cannot read the user data of host 'db-1': no file db.yml"
    );
    let large = format!("#!/bin/sh\n{}", "x".repeat(65_000));
    for (text, wanted) in [
        (large.as_str(), "db.yml: user data of 65010 bytes is 66"),
        (
            "echo hi",
            "db.yml: user data must begin as cloud-init knows it",
        ),
        ("", "db.yml: user data must begin as cloud-init knows it"),
        (
            "#cloud-config\nssh_keys: {}\n",
            "db.yml: user data sets `ssh_keys`",
        ),
        (
            "#cloud-config\nx: 1\n\ty: 1\n",
            "db.yml:3:1: user data is no valid cloud-config: ",
        ),
    ] {
        lab.files.insert("db.yml".to_owned(), text.to_owned());
        let up = lab.up().await;
        assert_eq!(up.findings.len(), 1, "{:?}", up.findings);
        assert!(
            up.findings[0].message.starts_with(wanted),
            "{:?}",
            up.findings
        );
    }
    assert_eq!(lab.count("POST /v2/droplets"), 0);
    // A file that is missing is no obstacle to who deletes.
    lab.files.clear();
    lab.plan(&Lab::request(PlanMode::Destroy)).await;
}

#[tokio::test]
async fn options_that_a_host_lacks_are_differences() {
    let mut lab = Lab::with("    db-1: { role: db }\n", Knobs::instant()).await;
    assert!(lab.up().await.report.is_complete());
    lab.declare("    db-1: { role: db, monitoring: true, backups: true, ipv6: true }\n");
    let plan = lab.plan(&Lab::request(PlanMode::Reconcile)).await;
    let fields = plan.differ[0].fields.iter();
    let fields: Vec<&str> = fields.map(|field| field.field.as_str()).collect();
    assert_eq!(fields, ["backups", "ipv6", "monitoring"]);
}

#[tokio::test]
async fn hosts_that_need_nothing_fail_with_an_apply_that_cannot_begin() {
    let hosts = "    db-1: { role: db }\n";
    let mut lab = Lab::new(hosts).await;
    assert!(lab.up().await.report.is_complete());
    let plan = lab.plan(&Lab::request(PlanMode::Reconcile)).await;
    assert!(plan.is_empty(), "{plan:?}");
    // As a later run with a saved plan: the account's spelling of tags is read anew.
    lab.declare(hosts);
    lab.sandbox
        .control()
        .add_fault(Fault::status("GET", "/v2/tags", 403));
    let report = lab.apply(plan).await;
    let failures: Vec<String> = report.failed.iter().map(|own| chain(&own.error)).collect();
    let [told] = failures.as_slice() else {
        panic!("{report:?}")
    };
    assert!(
        told.contains("droplet 'staging-db-1' is not usable"),
        "{told}"
    );
}
