//! Control, in process and over HTTP, and hosts behind droplets.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Method;
use serde_json::{Value, json};
use stagecraft_sandbox::{
    BootRequest, Breakage, ControlError, DriverError, DropletState, FailTimes, ForeignDroplet,
    HostDriver, Knobs, Sandbox, SandboxConfig, SandboxError,
};

use crate::support::{Cloud, KEY, KEY_FINGERPRINT, addresses, order};

/// Writes down what it is asked to do.
#[derive(Debug, Default)]
struct Notes(Mutex<Vec<String>>);

impl Notes {
    fn add(&self, note: String) {
        self.0.lock().unwrap().push(note);
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

#[async_trait]
impl HostDriver for Notes {
    fn ssh_port(&self) -> u16 {
        2222
    }

    async fn boot(&self, request: BootRequest) -> Result<Ipv4Addr, DriverError> {
        let BootRequest {
            name,
            image,
            user_data,
            authorized_keys,
            ..
        } = request;
        let keys = authorized_keys.len();
        self.add(format!(
            "boot {name} {image} {} {keys}",
            user_data.unwrap_or_default()
        ));
        if name.starts_with("broken") {
            return Err(DriverError {
                message: "no room".to_owned(),
            });
        }
        Ok(Ipv4Addr::new(127, 9, 9, 9))
    }

    async fn run(&self, _id: u64, script: &str) -> Result<String, DriverError> {
        self.add(format!("run {script}"));
        Ok("output".to_owned())
    }

    async fn destroy(&self, _id: u64) {
        self.add("destroy".to_owned());
    }

    async fn destroy_all(&self) {
        self.add("destroy all".to_owned());
    }
}

async fn hosts(knobs: Knobs) -> (Cloud, Arc<Notes>) {
    let notes = Arc::new(Notes::default());
    let driver: Option<Arc<dyn HostDriver>> = Some(Arc::clone(&notes) as Arc<dyn HostDriver>);
    (
        Cloud::with(SandboxConfig {
            knobs,
            driver,
            ..SandboxConfig::default()
        })
        .await,
        notes,
    )
}

async fn control(cloud: &Cloud, method: Method, path: &str, body: Value) -> (u16, Value) {
    let url = format!("{}{path}", cloud.sandbox.url());
    let response = cloud
        .client
        .request(method, url)
        .json(&body)
        .send()
        .await
        .unwrap();
    let (status, text) = (response.status().as_u16(), response.text().await.unwrap());
    (status, serde_json::from_str(&text).unwrap_or_default())
}

#[tokio::test]
async fn a_host_boots_with_its_droplet_and_goes_with_it() {
    let (cloud, notes) = hosts(Knobs::instant()).await;
    assert_eq!(cloud.sandbox.ssh_port(), Some(2222));
    let mut body = order("web-1");
    body["user_data"] = json!("#cloud-config");
    body["ssh_keys"] = json!([KEY_FINGERPRINT]);
    let id = cloud.post("/v2/droplets", body).await.json()["droplet"]["id"]
        .as_u64()
        .unwrap();
    let droplet = cloud.until_active(id).await;
    assert_eq!(addresses(&droplet, "public"), ["127.9.9.9"]);
    assert_eq!(
        cloud
            .sandbox
            .control()
            .run("web-1", "hostname")
            .await
            .unwrap(),
        "output"
    );
    let path = format!("/v2/droplets/{id}");
    cloud.delete(&path).await;
    cloud.until(&path, |reply| reply.status == 404).await;
    let gone = cloud
        .sandbox
        .control()
        .run("web-1", "hostname")
        .await
        .unwrap_err();
    assert!(matches!(gone, ControlError::NotFound(_)), "{gone}");
    cloud.sandbox.shutdown().await;
    let expected = [
        "boot web-1 ubuntu-24-04-x64 #cloud-config 1",
        "run hostname",
        "destroy",
        "destroy all",
    ];
    assert_eq!(notes.all(), expected);
}

#[tokio::test]
async fn a_host_that_does_not_boot_ends_the_creation_errored() {
    let (cloud, notes) = hosts(Knobs::instant()).await;
    let created = cloud.post("/v2/droplets", order("broken-1")).await.json();
    let path = format!("/v2/droplets/{}", created["droplet"]["id"]);
    cloud.until(&path, |reply| reply.status == 404).await;
    let action = format!("/v2/actions/{}", created["links"]["actions"][0]["id"]);
    assert_eq!(
        cloud.get(&action).await.json()["action"]["status"],
        "errored"
    );
    let view = cloud.sandbox.control().droplets().remove(0);
    assert_eq!(
        (view.state, view.failure.as_deref()),
        (DropletState::Failed, Some("no room"))
    );
    cloud.sandbox.shutdown().await;
    assert!(notes.all().contains(&"destroy".to_owned()));
}

#[tokio::test]
async fn a_failure_is_armed_for_hosts_that_run_and_that_come() {
    let (cloud, notes) = hosts(Knobs::instant()).await;
    let control = cloud.sandbox.control().clone();
    control
        .fail_program("web-1", "apt-get", FailTimes::Times(2), "no mirror")
        .await
        .unwrap();
    let id = cloud.create("web-1", &[]).await;
    cloud.until_active(id).await;
    let armed = notes.all();
    assert_eq!(armed.len(), 2);
    assert!(
        armed[1].contains("'2' 'no mirror' > /run/sandbox/fail/apt-get"),
        "{armed:?}"
    );

    control
        .fail_program("*", "docker", FailTimes::Always, "")
        .await
        .unwrap();
    assert!(notes.all()[2].contains("'always' '' > /run/sandbox/fail/docker"));
    control
        .fail_program("*", "docker", FailTimes::Times(0), "")
        .await
        .unwrap();
    assert!(notes.all()[3].contains("rm -f /run/sandbox/fail/docker"));
    let other = cloud.create("web-2", &[]).await;
    cloud.until_active(other).await;
    assert_eq!(
        notes.all().len(),
        5,
        "nothing is armed for web-2: {:?}",
        notes.all()
    );

    let bad = control
        .fail_program("web-1", "../x", FailTimes::Always, "")
        .await
        .unwrap_err();
    assert!(matches!(bad, ControlError::Invalid(_)), "{bad}");
}

#[tokio::test]
async fn a_name_of_several_hosts_is_ambiguous() {
    let (cloud, _) = hosts(Knobs::instant()).await;
    let ids = [
        cloud.create("web-1", &[]).await,
        cloud.create("web-1", &[]).await,
    ];
    let control = cloud.sandbox.control();
    let error = control.run("web-1", "true").await.unwrap_err();
    assert!(matches!(error, ControlError::Ambiguous { .. }), "{error}");
    cloud.until_active(ids[1]).await;
    assert_eq!(
        control.run(&ids[1].to_string(), "true").await.unwrap(),
        "output"
    );
}

#[tokio::test]
async fn without_hosts_nothing_runs() {
    let cloud = Cloud::new(Knobs::instant()).await;
    assert_eq!(cloud.sandbox.ssh_port(), None);
    let error = cloud
        .sandbox
        .control()
        .run("web-1", "true")
        .await
        .unwrap_err();
    assert!(matches!(error, ControlError::NoHosts), "{error}");
}

#[tokio::test]
async fn a_foreign_droplet_is_like_any_other_but_at_once() {
    let cloud = Cloud::new(Knobs {
        list_lag: Duration::from_mins(1),
        ..Knobs::instant()
    })
    .await;
    let foreign = ForeignDroplet::new("stranger", &["theirs"]);
    let id = cloud.sandbox.control().create_droplet(foreign).unwrap();
    assert_eq!(cloud.names("?tag_name=theirs").await, ["stranger"]);
    cloud
        .sandbox
        .control()
        .set_tags(id, &["ours".to_owned()])
        .unwrap();
    assert_eq!(cloud.names("?tag_name=theirs").await, Vec::<String>::new());
    assert_eq!(cloud.names("?tag_name=ours").await, ["stranger"]);
    let bad = ForeignDroplet {
        size: "huge".to_owned(),
        ..ForeignDroplet::new("x", &[])
    };
    assert!(cloud.sandbox.control().create_droplet(bad).is_err());
}

#[tokio::test]
async fn a_droplet_loses_its_address_and_vanishes() {
    let (cloud, notes) = hosts(Knobs::instant()).await;
    let id = cloud.create("web-1", &[]).await;
    assert_eq!(addresses(&cloud.until_active(id).await, "public").len(), 1);
    let control = cloud.sandbox.control().clone();
    control.break_droplet(id, Breakage::LoseAddress).unwrap();
    assert_eq!(
        addresses(&cloud.until_active(id).await, "public"),
        Vec::<&str>::new()
    );
    assert_eq!(
        control.droplets()[0].address,
        Some(Ipv4Addr::new(127, 9, 9, 9))
    );
    control.break_droplet(id, Breakage::Vanish).unwrap();
    assert_eq!(cloud.get(&format!("/v2/droplets/{id}")).await.status, 404);
    assert_eq!(control.droplets()[0].state, DropletState::Vanished);
    assert!(control.break_droplet(id, Breakage::Vanish).is_err());
    cloud.sandbox.shutdown().await;
    assert!(notes.all().contains(&"destroy".to_owned()));
}

#[tokio::test]
async fn a_droplet_can_be_denied_an_address() {
    let no_address = vec!["web-1".to_owned()];
    let cloud = Cloud::new(Knobs {
        no_address,
        ..Knobs::instant()
    })
    .await;
    let id = cloud.create("web-1", &[]).await;
    assert_eq!(
        addresses(&cloud.until_active(id).await, "public"),
        Vec::<&str>::new()
    );
}

#[tokio::test]
async fn requests_are_recorded_with_what_came_of_them() {
    let cloud = Cloud::new(Knobs::instant()).await;
    cloud.create("web-1", &[]).await;
    cloud.get("/v2/droplets/1?x=y").await;
    let control = cloud.sandbox.control();
    let requests = control.requests();
    assert_eq!(
        (requests[0].method.as_str(), requests[0].status),
        ("POST", Some(202))
    );
    let body: Value = serde_json::from_str(requests[0].body.as_ref().unwrap()).unwrap();
    assert_eq!(body["name"], "web-1");
    assert_eq!(
        (requests[1].target.as_str(), requests[1].status),
        ("/v2/droplets/1?x=y", Some(404))
    );
    assert_eq!(control.counters()["GET /v2/droplets/{id}"], 1);
    control.clear_requests();
    assert_eq!((control.requests().len(), control.counters().len()), (0, 0));
}

#[tokio::test]
async fn the_control_is_served_over_http() {
    let (cloud, notes) = hosts(Knobs::default()).await;
    let patch = json!({"boot_time_ms": 0, "address_delay_ms": 0, "list_lag_ms": 0});
    let (status, knobs) = control(&cloud, Method::PATCH, "/sandbox/knobs", patch).await;
    assert_eq!(
        (status, &knobs["boot_time_ms"], &knobs["delete_time_ms"]),
        (200, &json!(0), &json!(500))
    );
    let (status, error) = control(
        &cloud,
        Method::PUT,
        "/sandbox/knobs",
        json!({"boot_tiem_ms": 0}),
    )
    .await;
    assert_eq!(status, 422);
    assert!(error["error"].as_str().unwrap().contains("boot_tiem_ms"));

    let foreign = json!({"name": "stranger", "tags": ["theirs"]});
    let (status, made) = control(&cloud, Method::POST, "/sandbox/droplets", foreign).await;
    assert_eq!(status, 201);
    let id = made["id"].as_u64().unwrap();
    cloud.until_active(id).await;
    let tags = format!("/sandbox/droplets/{id}/tags");
    let (status, _) = control(&cloud, Method::PUT, &tags, json!({"tags": ["ours"]})).await;
    assert_eq!(status, 204);
    let (_, droplets) = control(&cloud, Method::GET, "/sandbox/droplets", json!({})).await;
    assert_eq!(
        (&droplets[0]["tags"], &droplets[0]["state"]),
        (&json!(["ours"]), &json!("active"))
    );

    let run = json!({"script": "hostname"});
    let (status, ran) = control(&cloud, Method::POST, "/sandbox/hosts/stranger/run", run).await;
    assert_eq!((status, &ran["output"]), (200, &json!("output")));
    let fail = json!({"program": "docker", "times": "always", "message": "down"});
    let (status, _) = control(&cloud, Method::POST, "/sandbox/hosts/stranger/fail", fail).await;
    assert_eq!(status, 204);
    assert!(
        notes
            .all()
            .last()
            .unwrap()
            .contains("/run/sandbox/fail/docker")
    );

    let fault = json!({"method": "GET", "path": "/v2/account$", "kind": {"status": {"code": 503}}});
    let (status, _) = control(&cloud, Method::POST, "/sandbox/faults", fault).await;
    assert_eq!((status, cloud.get("/v2/account").await.status), (200, 503));
    let (_, counters) = control(&cloud, Method::GET, "/sandbox/counters", json!({})).await;
    assert_eq!(counters["GET /v2/account"], 1);
    let (_, requests) = control(&cloud, Method::GET, "/sandbox/requests", json!({})).await;
    assert_eq!(requests.as_array().unwrap().last().unwrap()["status"], 503);

    let breaking = format!("/sandbox/droplets/{id}/break");
    let (status, _) = control(
        &cloud,
        Method::POST,
        &breaking,
        json!({"breakage": "vanish"}),
    )
    .await;
    assert_eq!(
        (
            status,
            cloud.get(&format!("/v2/droplets/{id}")).await.status
        ),
        (204, 404)
    );
    assert_eq!(
        control(&cloud, Method::GET, "/sandbox/nothing", json!({}))
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn web_pages_cannot_use_the_control() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let url = format!("{}/sandbox/knobs", cloud.sandbox.url());
    for (name, value) in [("origin", "https://evil.example"), ("host", "evil.example")] {
        let response = cloud
            .client
            .get(&url)
            .header(name, value)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status().as_u16(), 403, "{name}");
    }
}

#[tokio::test]
async fn a_sandbox_refuses_to_be_reachable_from_elsewhere() {
    let listen = SocketAddr::from(([0, 0, 0, 0], 0));
    let config = SandboxConfig {
        listen,
        ..SandboxConfig::default()
    };
    let error = Sandbox::start(config).await.unwrap_err();
    assert!(matches!(error, SandboxError::NotLoopback(_)), "{error}");
}

#[tokio::test]
async fn bad_keys_are_named_at_the_start() {
    let start = |keys: &[(&str, &str)]| {
        let own = |(name, key): &(&str, &str)| ((*name).to_owned(), (*key).to_owned());
        let ssh_keys = keys.iter().map(own).collect();
        Sandbox::start(SandboxConfig {
            ssh_keys,
            ..SandboxConfig::default()
        })
    };
    let invalid = start(&[("mine", "ssh-rsa nonsense")]).await.unwrap_err();
    assert!(
        matches!(&invalid, SandboxError::InvalidKey(name) if name == "mine"),
        "{invalid}"
    );
    let twice = start(&[("mine", KEY), ("again", KEY)]).await.unwrap_err();
    assert!(
        matches!(&twice, SandboxError::DuplicateKey(name) if name == "again"),
        "{twice}"
    );
}

#[tokio::test]
async fn a_dropped_sandbox_stops_to_answer_and_removes_its_hosts() {
    let (cloud, notes) = hosts(Knobs::instant()).await;
    let url = format!("{}/v2/account", cloud.sandbox.url());
    drop(cloud);
    let stopped = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        while !notes.all().contains(&"destroy all".to_owned()) {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), stopped)
        .await
        .unwrap();
    let error = crate::support::client().get(url).send().await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
}

#[test]
fn the_specification_names_every_knob() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../spec/sandbox.md");
    let specification = std::fs::read_to_string(path).unwrap();
    let named = |name: &String| specification.contains(&format!("`{name}`"));
    let missing: Vec<String> = Knobs::names()
        .into_iter()
        .filter(|name| !named(name))
        .collect();
    assert_eq!(missing, Vec::<String>::new());
}

#[tokio::test]
async fn knobs_are_set_over_http_with_units_and_refused_by_name() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let patch = async |body: Value| {
        let patched = cloud.try_send(Method::PATCH, "/sandbox/knobs", Some(body));
        patched.await.unwrap()
    };
    let changed = patch(json!({"list_lag_ms": "5s", "account_status": "warning"})).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!(changed.json()["list_lag_ms"], 5000);
    let refused = patch(json!({"list_lags": 1})).await;
    assert_eq!(refused.status, 422);
    let message = refused.json()["error"].as_str().unwrap().to_owned();
    assert!(message.contains("perhaps `list_lag_ms`"), "{message}");
}
