//! Lists that shift, leave out or repeat.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::support::{Api, droplet, list, refused};
use provider_digitalocean::core::CloudProvider as _;
use provider_digitalocean::core::{ErrorKind, PlanMode, PlanRequest};
use serde_json::{Value, json};
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, Request, ResponseTemplate};

/// A sequence that looks like chance and is the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap_or_default() % most
    }
}

/// Droplets of which those below 100 stay, while others come and go between two pages.
struct Account {
    ids: Vec<u64>,
    next: u64,
    changes: usize,
    chance: Chance,
}

impl Account {
    fn new(seed: u64) -> Self {
        let mut chance = Chance(seed);
        let mut ids: Vec<u64> = (1..=20).chain(100..110).collect();
        for index in (1..ids.len()).rev() {
            ids.swap(index, chance.below(index + 1));
        }
        let changes = chance.below(12);
        Self {
            ids,
            next: 110,
            changes,
            chance,
        }
    }

    fn page(&mut self, number: usize) -> Value {
        let pages = self.ids.chunks(7).count();
        let shown = self.ids.chunks(7).nth(number - 1).unwrap_or_default();
        let droplets: Vec<Value> = shown.iter().map(|id| droplet(*id, "active")).collect();
        let next = format!("http://x/?page={}", number + 1);
        let links = if number < pages {
            json!({"pages": {"next": next}})
        } else {
            json!({})
        };
        let answer =
            json!({"droplets": droplets, "links": links, "meta": {"total": self.ids.len()}});
        if self.changes > 0 {
            self.changes -= 1;
            self.change();
        }
        answer
    }

    /// One more, one less, or both at once, which no total shows.
    fn change(&mut self) {
        let kind = self.chance.below(4);
        if kind != 0 {
            let goers: Vec<usize> = (0..self.ids.len())
                .filter(|at| self.ids[*at] >= 100)
                .collect();
            if !goers.is_empty() {
                self.ids.remove(goers[self.chance.below(goers.len())]);
            }
        }
        if kind != 1 {
            let at = self.chance.below(self.ids.len() + 1);
            self.ids.insert(at, self.next);
            self.next += 1;
        }
    }
}

async fn mount(api: &Api, account: Account) {
    let account = Mutex::new(account);
    Mock::given(method("GET"))
        .and(path("/v2/droplets"))
        .and(query_param("tag_name", "stagecraft-env-staging"))
        .respond_with(move |request: &Request| {
            let mut pairs = request.url.query_pairs();
            let page = pairs.find(|(key, _)| key == "page").expect("a page").1;
            let number = page.parse().expect("a number");
            let answer = account.lock().expect("no panic").page(number);
            ResponseTemplate::new(200).set_body_json(answer)
        })
        .with_priority(1)
        .mount(&api.server)
        .await;
}

#[tokio::test]
async fn no_host_is_lost_or_told_twice_however_the_pages_shift() {
    let mut settled = 0;
    for seed in 0..60 {
        let api = Api::start(Vec::new()).await;
        mount(&api, Account::new(seed)).await;
        match api.hosts().await {
            Ok(hosts) => {
                settled += 1;
                let ids: Vec<u64> = hosts
                    .iter()
                    .map(|host| host.id.as_str().parse().expect("a number"))
                    .collect();
                for id in 1..=20 {
                    let count = ids.iter().filter(|own| **own == id).count();
                    assert_eq!(count, 1, "seed {seed}: droplet {id} of {ids:?}");
                }
            }
            Err(error) => assert!(
                error
                    .to_string()
                    .contains("changes faster than it can be read"),
                "seed {seed}: {error}"
            ),
        }
    }
    assert!(settled > 40, "{settled}");
}

#[tokio::test]
async fn list_that_never_settles_ends_in_words() {
    let api = Api::start(Vec::new()).await;
    let mut account = Account::new(1);
    account.changes = usize::MAX;
    mount(&api, account).await;
    let error = api.hosts().await.expect_err("no end");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.hint().is_some());
}

#[tokio::test]
async fn filter_by_tag_without_its_scope_names_the_scope() {
    let api = Api::start(Vec::new()).await;
    Mock::given(query_param("tag_name", "stagecraft-env-staging"))
        .respond_with(refused(403))
        .with_priority(1)
        .mount(&api.server)
        .await;
    let error = api.hosts().await.expect_err("no scope");
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    assert_eq!(
        error.hint(),
        Some("give the token the scope droplet:read and tag:read")
    );
}

#[tokio::test]
async fn all_scopes_that_a_plan_misses_are_named_at_once() {
    let api = Api::start(Vec::new()).await;
    for at in ["/v2/tags", "/v2/sizes", "/v2/account/keys"] {
        api.on("GET", at, refused(403), 1).await;
    }
    let request = PlanRequest::new("staging".parse().expect("a name"), PlanMode::Reconcile);
    let error = api
        .provider
        .observe(&api.run, &request)
        .await
        .expect_err("no scope");
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    assert_eq!(
        error.hint(),
        Some("give the token the scopes sizes:read, ssh_key:read, tag:read")
    );
}

#[tokio::test]
async fn reserved_address_is_not_taken_for_the_hosts_own() {
    let networks = json!({"v4": [
        {"ip_address": "198.51.100.1", "type": "public", "gateway": "198.51.100.254"},
        {"ip_address": "10.0.0.2", "type": "private", "gateway": "<nil>"},
        {"ip_address": "203.0.113.7", "type": "public"},
    ]});
    let mut doubled = droplet(1, "active");
    doubled["networks"] = networks;
    let mut young = droplet(2, "new");
    young["networks"] = json!({});
    for (answer, own) in [
        (
            ResponseTemplate::new(200)
                .set_body_json(list("reserved_ips", &[json!({"ip": "198.51.100.1"})])),
            "203.0.113.7",
        ),
        // Without the scope either address leads to it.
        (refused(403), "198.51.100.1"),
    ] {
        let api = Api::start(vec![doubled.clone(), young.clone()]).await;
        api.on("GET", "/v2/reserved_ips", answer, 1).await;
        let hosts = api.hosts().await.expect("a list");
        assert_eq!(hosts[0].public_ipv4.expect("an address").to_string(), own);
        assert_eq!(
            hosts[0].private_ipv4.expect("an address").to_string(),
            "10.0.0.2"
        );
        assert_eq!(hosts[1].public_ipv4, None);
    }

    let api = Api::start(vec![droplet(1, "active")]).await;
    let asked = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&asked);
    Mock::given(path("/v2/reserved_ips"))
        .respond_with(move |_: &Request| {
            *counted.lock().expect("no panic") += 1;
            refused(500)
        })
        .mount(&api.server)
        .await;
    api.hosts().await.expect("a list");
    assert_eq!(
        *asked.lock().expect("no panic"),
        0,
        "nobody has two addresses"
    );
}

/// An `up` whose create has lost its answer if told so, and whose list shifts for a while then.
async fn up_beside_others(create: ResponseTemplate) -> (usize, usize) {
    let api = Api::start(Vec::new()).await;
    let plan = api.approve(PlanMode::Reconcile).await;
    api.on("POST", "/v2/droplets", create, 1).await;
    let lists = AtomicUsize::new(0);
    Mock::given(method("GET"))
        .and(path("/v2/droplets"))
        .and(query_param("tag_name", "stagecraft-env-staging"))
        .respond_with(move |_: &Request| {
            let number = lists.fetch_add(1, Ordering::Relaxed);
            let shown = (number > 0).then(|| droplet(7, "active"));
            let mut answer = list("droplets", shown.as_slice());
            if (1..12).contains(&number) {
                answer["meta"]["total"] = json!(2);
            }
            ResponseTemplate::new(200).set_body_json(answer)
        })
        .with_priority(1)
        .mount(&api.server)
        .await;
    let (report, ready) = api.apply(&plan).await;
    assert!(report.is_complete(), "{report:?}");
    (ready.len(), api.sent("POST").await)
}

#[tokio::test]
async fn created_host_is_awaited_over_a_list_that_shifts() {
    let created = json!({"droplets": [droplet(7, "new")]});
    let created = ResponseTemplate::new(202).set_body_json(created);
    assert_eq!(up_beside_others(created).await, (1, 1));
    let unreadable = ResponseTemplate::new(202).set_body_string("{");
    assert_eq!(up_beside_others(unreadable).await, (1, 1));
}
