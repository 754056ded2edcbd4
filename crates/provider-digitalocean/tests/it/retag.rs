//! Giving hosts that exist other tags: what the file declares, adoption, protection and time.

use std::time::Duration;

use crate::lab::{Lab, chain};
use provider_digitalocean::core::{CloudProvider as _, PlanMode, tags};
use stagecraft_sandbox::{Fault, ForeignDroplet};

const POST: &str = "POST /v2/tags/{tag}/resources";
const DELETE: &str = "DELETE /v2/tags/{tag}/resources";

#[tokio::test]
async fn hosts_get_the_tags_that_they_lack_with_one_call_for_each() {
    let mut lab = Lab::new("    db: { role: db, count: 12 }\n").await;
    assert!(lab.up().await.report.is_complete());
    // The account knows the tag in another spelling.
    lab.sandbox
        .control()
        .create_droplet(ForeignDroplet::new("other", &["Web"]))
        .expect("a droplet");
    lab.declare("    db: { role: cache, count: 12, tags: [web, new], ttl: 1h }\n");
    lab.sandbox.control().clear_requests();
    let up = lab.up().await;
    assert!(up.report.is_complete(), "{:?}", up.failures());
    assert_eq!(up.report.retagged.len(), 12);
    assert_eq!(up.ready.len(), 12);
    // `Web` is there; the role, `new` and the time are made first.
    assert_eq!(lab.count("POST /v2/tags"), 3, "{:?}", lab.writes());
    assert_eq!((lab.count(POST), lab.count(DELETE)), (4, 1));
    let tags = lab.lasting_tags("staging-db-7");
    let expires = tags
        .iter()
        .find(|tag| tag.starts_with("stagecraft-expires-"));
    let expires = expires.expect("it has a time").clone();
    assert_eq!(
        tags,
        [
            "Web",
            "new",
            "stagecraft",
            "stagecraft-env-staging",
            expires.as_str(),
            "stagecraft-project-shop",
            "stagecraft-role-cache",
        ]
    );
    let again = lab.up().await;
    assert!(again.plan.is_empty(), "{:?}", again.plan.retag);
}

#[tokio::test]
async fn protection_is_put_before_all_others() {
    let mut lab = Lab::new("    db-1: { role: db }\n").await;
    assert!(lab.up().await.report.is_complete());
    lab.declare("    db-1: { role: db, protect: true, tags: [a] }\n");
    lab.sandbox.control().clear_requests();
    assert!(lab.up().await.report.is_complete());
    let names: Vec<String> = lab
        .bodies("POST /v2/tags")
        .iter()
        .map(|body| body["name"].to_string())
        .collect();
    assert_eq!(names, ["\"stagecraft-protect\"", "\"a\""]);
}

#[tokio::test]
async fn tags_that_the_api_refuses_are_a_failure_of_their_hosts() {
    let mut lab = Lab::new("    db: { role: db, count: 2 }\n").await;
    assert!(lab.up().await.report.is_complete());
    lab.declare("    db: { role: db, count: 2, tags: [a] }\n");
    lab.sandbox
        .control()
        .add_fault(Fault::status("POST", "/v2/tags/a/resources", 403));
    let up = lab.up().await;
    assert_eq!(up.report.failed.len(), 2);
    assert!(
        up.failures()[0].contains("was not given its tags"),
        "{:?}",
        up.failures()
    );
    assert_eq!(up.ready, ["db-1", "db-2"]);
    assert_eq!(lab.up().await.report.retagged.len(), 2);
}

#[tokio::test]
async fn host_of_a_declared_name_is_adopted_with_its_own_tags_kept() {
    let lab = Lab::new("    db-1: { role: db, protect: true }\n    db-2: { role: db }\n").await;
    let control = lab.sandbox.control();
    for (name, own) in [
        ("staging-db-1", vec!["mine"]),
        ("staging-db-2", vec!["stagecraft-env-other"]),
        ("elsewhere", vec![]),
    ] {
        let foreign = ForeignDroplet::new(name, &own);
        control.create_droplet(foreign).expect("a droplet");
    }
    let plan = lab.plan(&Lab::request(PlanMode::Adopt)).await;
    let meant: Vec<&str> = plan
        .retag
        .iter()
        .map(|own| own.host.name.as_str())
        .collect();
    assert_eq!(meant, ["db-1"], "another environment's host stays its own");
    let seen = plan.unmanaged.iter().map(|host| host.name.as_str());
    assert_eq!(seen.collect::<Vec<_>>(), ["db-1", "db-2"]);
    let report = lab.carry_out(plan).await;
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(
        lab.lasting_tags("staging-db-1"),
        [
            "mine",
            "stagecraft",
            "stagecraft-env-staging",
            "stagecraft-project-shop",
            "stagecraft-protect",
            "stagecraft-role-db",
        ]
    );
    let plan = lab.plan(&Lab::request(PlanMode::Reconcile)).await;
    assert_eq!(plan.unchanged.len() + plan.differ.len(), 1);
}

#[tokio::test]
async fn host_is_ours_only_once_it_bears_all_its_other_tags() {
    let lab = Lab::new("    db-1: { role: db, protect: true }\n").await;
    let control = lab.sandbox.control();
    let foreign = ForeignDroplet::new("staging-db-1", &[]);
    control.create_droplet(foreign).expect("a droplet");
    for refused in ["stagecraft-protect", "stagecraft-role-db"] {
        let path = format!("/v2/tags/{refused}/resources");
        control.add_fault(Fault::status("POST", &path, 403));
        let plan = lab.plan(&Lab::request(PlanMode::Adopt)).await;
        assert!(!lab.carry_out(plan).await.is_complete());
        let tags = lab.tags("staging-db-1");
        assert!(!tags.contains(&"stagecraft".to_owned()), "{tags:?}");
    }
    let plan = lab.plan(&Lab::request(PlanMode::Adopt)).await;
    assert!(lab.carry_out(plan).await.is_complete());
    let mut tags = lab.lasting_tags("staging-db-1");
    tags.retain(|tag| ["stagecraft", "stagecraft-role-db"].contains(&tag.as_str()));
    assert_eq!(tags.len(), 2);
}

#[tokio::test]
async fn host_that_somebody_took_since_the_plan_is_not_adopted() {
    let lab = Lab::new("    db-1: { role: db }\n").await;
    let control = lab.sandbox.control();
    let id = control
        .create_droplet(ForeignDroplet::new("staging-db-1", &[]))
        .expect("a droplet");
    let plan = lab.plan(&Lab::request(PlanMode::Adopt)).await;
    let theirs = ["stagecraft-env-other".to_owned()];
    control.set_tags(id, &theirs).expect("the droplet is there");
    let report = lab.carry_out(plan).await;
    let failure = chain(&report.failed[0].error);
    assert!(failure.contains("have changed since the plan"), "{failure}");
    assert_eq!(lab.tags("staging-db-1"), theirs);
}

#[tokio::test]
async fn protection_is_taken_away_and_nothing_else() {
    let lab = Lab::new("    db: { role: db, count: 2, protect: true }\n").await;
    assert!(lab.up().await.report.is_complete());
    let before = lab.tags("staging-db-2");
    let mut request = Lab::request(PlanMode::Unprotect);
    request.hosts.insert("db-1".parse().expect("a valid name"));
    let plan = lab.plan(&request).await;
    let report = lab.carry_out(plan).await;
    assert_eq!(report.retagged.len(), 1, "{report:?}");
    let is_protected = |name: &str| lab.tags(name).iter().any(|tag| tag == tags::PROTECT_TAG);
    assert!(!is_protected("staging-db-1") && is_protected("staging-db-2"));
    assert_eq!(lab.tags("staging-db-2"), before);
    assert_eq!(lab.count(DELETE), 1);
}

#[tokio::test]
async fn reaping_goes_by_the_clouds_clock() {
    let lab = Lab::new("    db-1: { role: db, ttl: 5m }\n    db-2: { role: db, ttl: 5m }\n").await;
    assert!(lab.up().await.report.is_complete());
    let droplet = lab.droplet("staging-db-1");
    let mut own = droplet.tags.clone();
    own.push(tags::expires_tag(jiff::Timestamp::now().as_second() - 1));
    let control = lab.sandbox.control();
    control
        .set_tags(droplet.id, &own)
        .expect("the droplet is there");
    let request = Lab::request(PlanMode::Reap);
    let facts = lab.provider.observe(&lab.run(), &request).await;
    let facts = facts.expect("it can be observed");
    let now = jiff::Timestamp::now().as_second();
    assert!(
        facts.time.is_some_and(|time| (time - now).abs() < 30),
        "{:?}",
        facts.time
    );
    let plan = lab.plan(&request).await;
    let gone: Vec<&str> = plan.delete.iter().map(|host| host.name.as_str()).collect();
    assert_eq!(gone, ["db-1"]);
    let report = lab.carry_out(plan).await;
    assert_eq!(report.deleted.len(), 1, "{report:?}");
}

#[tokio::test]
async fn hosts_are_handed_over_with_the_role_that_they_get() {
    let mut lab = Lab::new("    db-1: { role: db }\n").await;
    assert!(lab.up().await.report.is_complete());
    let half = [
        "stagecraft",
        "stagecraft-env-staging",
        "stagecraft-project-shop",
    ];
    let half = ForeignDroplet::new("staging-db-2", &half);
    let control = lab.sandbox.control();
    control.create_droplet(half).expect("a droplet");
    // New tags do not show at once.
    control.update_knobs(|knobs| knobs.tag_lag = Duration::from_secs(1));
    lab.declare("    db-1: { role: cache }\n    db-2: { role: cache }\n");
    let up = lab.up().await;
    assert!(up.report.is_complete(), "{:?}", up.failures());
    assert_eq!(up.ready, ["db-1", "db-2"]);
    let cache = Some("cache".to_owned());
    assert_eq!(up.roles, [cache.clone(), cache]);
}

#[tokio::test]
async fn host_that_was_not_given_its_role_is_not_handed_over() {
    let mut lab = Lab::new("    db-1: { role: db }\n    db-2: { role: db }\n").await;
    assert!(lab.up().await.report.is_complete());
    lab.declare("    db-1: { role: cache }\n    db-2: { role: db }\n");
    let fault = Fault::status("POST", "/v2/tags/stagecraft-role-cache/resources", 403);
    lab.sandbox.control().add_fault(fault);
    let up = lab.up().await;
    assert_eq!(up.failures().len(), 1, "{up:?}");
    assert_eq!(up.ready, ["db-2"]);
}

#[tokio::test]
async fn what_makes_an_adopted_host_ours_is_put_last() {
    let lab = Lab::new("    db-1: { role: db, protect: true, tags: [web] }\n").await;
    let control = lab.sandbox.control();
    let foreign = ForeignDroplet::new("staging-db-1", &[]);
    control.create_droplet(foreign).expect("a droplet");
    let plan = lab.plan(&Lab::request(PlanMode::Adopt)).await;
    // The tag of the project is refused: without it the host is that of a run without one.
    let at = "/v2/tags/stagecraft-project-shop/resources";
    control.add_fault(Fault::status("POST", at, 403).times(1));
    let report = lab.carry_out(plan).await;
    assert_eq!(report.failed.len(), 1, "{report:?}");
    assert_eq!(lab.lasting_tags("staging-db-1"), ["stagecraft-protect"]);
    control.clear_requests();
    let plan = lab.plan(&Lab::request(PlanMode::Adopt)).await;
    let report = lab.carry_out(plan).await;
    assert!(report.is_complete(), "{report:?}");
    let made = lab.bodies("POST /v2/tags");
    let made: Vec<&str> = made.iter().filter_map(|own| own["name"].as_str()).collect();
    // Protection and project are made already.
    let wanted = [
        "stagecraft-role-db",
        "web",
        "stagecraft-env-staging",
        "stagecraft",
    ];
    assert_eq!(made, wanted);
}
