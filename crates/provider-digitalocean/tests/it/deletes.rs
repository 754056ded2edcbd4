//! Many deletes: side by side, with the fewest requests, and no tag taken from who stays.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::{Api, CONFIG, Ready, droplet, list, only_failure, refused};
use async_trait::async_trait;
use provider_digitalocean::core::{
    CloudProvider as _, Error, ErrorKind, HostKey, PlanMode, WriteGuard,
};
use serde_json::{Value, json};
use wiremock::matchers::{method, path, path_regex, query_param_is_missing};
use wiremock::{Mock, Request, ResponseTemplate};

const LATENCY: Duration = Duration::from_millis(100);

fn pin() -> String {
    HostKey::generate().expect("a key").fingerprint().tag()
}

fn host(id: u64, pin: &str) -> Value {
    let mut host = droplet(id, "active");
    host["name"] = json!(format!("staging-app-{id}"));
    let tags = host["tags"].as_array_mut().expect("tags");
    tags.push(json!(pin));
    host
}

/// A run without a project deletes only what it declares.
async fn account(hosts: Vec<Value>, rate: &str) -> Api {
    let config = CONFIG
        .replace("db-1: { role: db }", "app: { role: app, count: 100 }")
        .replace("window: 1ms", rate);
    Api::with(hosts, &config, "t0ken").await
}

/// Carries deletes of droplets out, after the latency.
async fn obey(api: &Api) {
    let droplets = Arc::clone(&api.droplets);
    Mock::given(method("DELETE"))
        .and(path_regex("^/v2/droplets/"))
        .respond_with(move |request: &Request| {
            let id = request
                .url
                .path()
                .rsplit('/')
                .next()
                .expect("an id")
                .to_owned();
            let id: u64 = id.parse().expect("a number");
            let is_other = |one: &Value| one["id"] != id;
            droplets.lock().expect("no panic").retain(is_other);
            ResponseTemplate::new(204).set_delay(LATENCY)
        })
        .with_priority(5)
        .mount(&api.server)
        .await;
    Mock::given(method("DELETE"))
        .and(path_regex("^/v2/tags/"))
        .respond_with(ResponseTemplate::new(204).set_delay(LATENCY))
        .mount(&api.server)
        .await;
}

async fn deleted_tags(api: &Api) -> Vec<String> {
    let requests = api.server.received_requests().await.expect("recording");
    let paths = requests
        .iter()
        .filter(|request| request.method.as_str() == "DELETE")
        .filter_map(|request| request.url.path().strip_prefix("/v2/tags/"));
    paths.map(str::to_owned).collect()
}

#[tokio::test]
async fn hundred_hosts_are_gone_in_seconds_and_with_few_requests() {
    let pins: Vec<String> = (0..10).map(|_| pin()).collect();
    let pin_of_each = pins.iter().flat_map(|pin| [pin; 10]);
    let hosts = (1..=100).zip(pin_of_each).map(|(id, pin)| host(id, pin));
    let api = account(hosts.collect(), "window: 60s").await;
    obey(&api).await;
    let started = Instant::now();
    let report = api.down().await;
    let took = started.elapsed();
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(report.deleted.len(), 100);
    // One after the other they would take ten seconds.
    assert!(took < Duration::from_secs(8), "{took:?}");
    let mut tags = deleted_tags(&api).await;
    tags.sort();
    let mut wanted = pins.clone();
    wanted.sort();
    assert_eq!(tags, wanted);
    let sent = api.sent("GET").await + api.sent("DELETE").await;
    assert!(sent <= 120, "{sent}");
}

#[tokio::test]
async fn pin_that_a_host_bears_which_stays_is_not_deleted() {
    let shared = pin();
    let api = account(vec![host(1, &shared), host(2, &shared)], "window: 1ms").await;
    api.on("DELETE", "/v2/droplets/2", refused(403), 1).await;
    obey(&api).await;
    let report = api.down().await;
    assert_eq!(only_failure(&report).0, ErrorKind::Forbidden);
    assert_eq!(report.deleted.len(), 1);
    assert_eq!(deleted_tags(&api).await, Vec::<String>::new());
}

#[tokio::test]
async fn refused_for_the_rate_a_delete_is_sent_again_on_tags_that_were_read_again() {
    let api = account(vec![host(1, &pin())], "window: 1ms").await;
    let plan = api.approve(PlanMode::Destroy).await;
    // While it is refused, the host is given to somebody else.
    let refusals = AtomicUsize::new(0);
    let droplets = Arc::clone(&api.droplets);
    Mock::given(method("DELETE"))
        .respond_with(move |_: &Request| {
            if refusals.fetch_add(1, Ordering::Relaxed) == 6 {
                droplets.lock().expect("no panic")[0]["tags"] = json!(["elsewhere"]);
            }
            ResponseTemplate::new(429).insert_header("retry-after", "0")
        })
        .expect(7)
        .with_priority(1)
        .mount(&api.server)
        .await;
    let (report, _) = api.apply(&plan).await;
    assert_eq!(only_failure(&report).0, ErrorKind::Guard);
}

/// Shows the account's droplets on pages of seven, between strangers who come with every look.
async fn shift(api: &Api) {
    let droplets = Arc::clone(&api.droplets);
    let strangers = AtomicUsize::new(8);
    Mock::given(method("GET"))
        .and(path("/v2/droplets"))
        .and(query_param_is_missing("tag_name"))
        .and(query_param_is_missing("type"))
        .respond_with(move |request: &Request| {
            let count = strangers.fetch_add(1, Ordering::Relaxed) as u64;
            let mut pairs = request.url.query_pairs();
            let number = pairs.find(|(key, _)| key == "page").expect("a page").1;
            let number: usize = number.parse().expect("a number");
            let own = droplets.lock().expect("no panic").clone();
            let strange = (0..=count).map(|one| {
                let mut stranger = droplet(1000 + count - one, "active");
                stranger["tags"] = json!([]);
                stranger
            });
            let all: Vec<Value> = strange.chain(own).collect();
            let pages: Vec<&[Value]> = all.chunks(7).collect();
            let mut answer = list("droplets", pages.get(number - 1).unwrap_or(&&[][..]));
            answer["meta"]["total"] = json!(all.len());
            if number < pages.len() {
                let next = format!("http://x/?page={}", number + 1);
                answer["links"] = json!({"pages": {"next": next}});
            }
            ResponseTemplate::new(200).set_body_json(answer)
        })
        .with_priority(1)
        .mount(&api.server)
        .await;
    let droplets = Arc::clone(&api.droplets);
    Mock::given(method("GET"))
        .and(path_regex("^/v2/droplets/[0-9]+$"))
        .respond_with(move |request: &Request| {
            let droplets = droplets.lock().expect("no panic");
            let path = request.url.path();
            let is_meant = |one: &&Value| path.ends_with(&format!("/{}", one["id"]));
            match droplets.iter().find(is_meant) {
                Some(found) => ResponseTemplate::new(200).set_body_json(json!({"droplet": found})),
                None => refused(404),
            }
        })
        .mount(&api.server)
        .await;
}

#[tokio::test]
async fn hosts_of_an_account_whose_list_never_holds_still_are_deleted_and_proven_gone() {
    let pins = [pin(), pin()];
    let hosts = (1..=20).map(|id| host(id, &pins[usize::from(id > 10)]));
    let api = account(hosts.collect(), "window: 1ms").await;
    let plan = api.approve(PlanMode::Destroy).await;
    let mut other = host(21, &pins[1]);
    other["name"] = json!("other");
    api.droplets.lock().expect("no panic").push(other);
    obey(&api).await;
    shift(&api).await;
    let (report, _) = api.apply(&plan).await;
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(report.deleted.len(), 20);
    assert_eq!(api.droplets.lock().expect("no panic").len(), 1);
    assert!(!deleted_tags(&api).await.contains(&pins[1]), "it is in use");
}

#[tokio::test]
async fn passing_tags_go_also_where_the_list_never_holds_still() {
    let own = pin();
    let api = account(vec![host(1, &own)], "window: 1ms").await;
    let plan = api.approve(PlanMode::Destroy).await;
    obey(&api).await;
    shift(&api).await;
    let (report, _) = api.apply(&plan).await;
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(deleted_tags(&api).await, [own]);
}

/// What happens to a lease.
#[derive(Debug)]
enum Fate {
    /// Its first beat is long in coming, while somebody else takes the hosts.
    Slow(Arc<Mutex<Vec<Value>>>),
    /// It is lost after the first write.
    Lost,
}

#[derive(Debug)]
struct Lease {
    checks: AtomicUsize,
    fate: Fate,
}

impl Lease {
    fn new(fate: Fate) -> Arc<Self> {
        let checks = AtomicUsize::new(0);
        Arc::new(Self { checks, fate })
    }
}

#[async_trait]
impl WriteGuard for Lease {
    async fn check(&self) -> Result<(), Error> {
        let number = self.checks.fetch_add(1, Ordering::Relaxed);
        match &self.fate {
            Fate::Slow(droplets) if number == 0 => {
                droplets.lock().expect("no panic")[0]["tags"] = json!(["elsewhere"]);
                let started = Instant::now();
                let mut interval = tokio::time::interval(Duration::from_millis(10));
                while started.elapsed() < Duration::from_millis(2100) {
                    interval.tick().await;
                }
                Ok(())
            }
            Fate::Lost if number > 0 => Err(Error::new(ErrorKind::Locked, "it is lost")),
            Fate::Slow(_) | Fate::Lost => Ok(()),
        }
    }

    fn is_fresh(&self) -> bool {
        true
    }

    fn lost(&self) -> Option<Error> {
        None
    }

    fn run_id(&self) -> &'static str {
        "0000000000000000"
    }
}

#[tokio::test]
async fn tags_that_grew_old_while_the_lease_was_made_sure_of_are_read_again() {
    let api = account(vec![host(1, &pin())], "window: 1ms").await;
    obey(&api).await;
    let plan = api.approve(PlanMode::Destroy).await;
    let guard = Lease::new(Fate::Slow(Arc::clone(&api.droplets)));
    let run = api.run.guarded(guard);
    let report = api.provider.apply(&run, &plan, &Ready::default()).await;
    assert_eq!(only_failure(&report).0, ErrorKind::Guard);
    assert_eq!(api.sent("DELETE").await, 0);
}

#[tokio::test]
async fn tags_are_not_removed_by_who_has_lost_the_lease() {
    let api = account(vec![host(1, &pin())], "window: 1ms").await;
    obey(&api).await;
    let plan = api.approve(PlanMode::Destroy).await;
    let run = api.run.guarded(Lease::new(Fate::Lost));
    let report = api.provider.apply(&run, &plan, &Ready::default()).await;
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(api.sent("DELETE").await, 1, "the droplet alone");
}

#[tokio::test]
async fn tag_that_is_in_use_in_another_case_is_not_deleted() {
    let own = pin();
    let api = account(vec![host(1, &own)], "window: 1ms").await;
    let plan = api.approve(PlanMode::Destroy).await;
    let mut other = host(2, &own.to_ascii_uppercase());
    other["name"] = json!("other");
    api.droplets.lock().expect("no panic").push(other);
    obey(&api).await;
    let (report, _) = api.apply(&plan).await;
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(deleted_tags(&api).await, Vec::<String>::new());
}
