//! A client of a sandbox.

use std::sync::Once;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use stagecraft_sandbox::{Knobs, Sandbox, SandboxConfig};

pub(crate) const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIc97hasv1q/warG+Tkpby9YNHI0GJTEPB25bFl2a6wG laptop";
pub(crate) const KEY_FINGERPRINT: &str = "6e:fd:3d:14:72:4d:84:b1:2f:23:7d:bd:6d:17:f3:e1";

/// A sandbox and a client of it.
pub(crate) struct Cloud {
    pub(crate) sandbox: Sandbox,
    pub(crate) client: Client,
}

/// An answer, read to its end.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    pub(crate) fn message(&self) -> String {
        self.json()["message"].as_str().unwrap().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .unwrap_or_else(|| panic!("no header {name}"))
            .to_str()
            .unwrap()
    }
}

impl Cloud {
    pub(crate) async fn new(knobs: Knobs) -> Self {
        Self::with(SandboxConfig {
            knobs,
            ..SandboxConfig::default()
        })
        .await
    }

    pub(crate) async fn with(config: SandboxConfig) -> Self {
        let ssh_keys = vec![("laptop".to_owned(), KEY.to_owned())];
        let sandbox = Sandbox::start(SandboxConfig { ssh_keys, ..config })
            .await
            .unwrap();
        Self {
            sandbox,
            client: client(),
        }
    }

    pub(crate) async fn try_send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> reqwest::Result<Reply> {
        let url = format!("{}{path}", self.sandbox.url());
        let mut request = self
            .client
            .request(method, url)
            .bearer_auth(self.sandbox.token());
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Reply {
            status,
            headers,
            text: response.text().await?,
        })
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.try_send(Method::GET, path, None).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.try_send(Method::POST, path, Some(body)).await.unwrap()
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.try_send(Method::DELETE, path, None).await.unwrap()
    }

    /// Creates a droplet and returns its id.
    pub(crate) async fn create(&self, name: &str, tags: &[&str]) -> u64 {
        let mut body = order(name);
        body["tags"] = json!(tags);
        let reply = self.post("/v2/droplets", body).await;
        assert_eq!(reply.status, 202, "{}", reply.text);
        reply.json()["droplet"]["id"].as_u64().unwrap()
    }

    /// The names on a list of droplets.
    pub(crate) async fn names(&self, query: &str) -> Vec<String> {
        let reply = self.get(&format!("/v2/droplets{query}")).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        let name = |droplet: &Value| droplet["name"].as_str().unwrap().to_owned();
        reply.json()["droplets"]
            .as_array()
            .unwrap()
            .iter()
            .map(name)
            .collect()
    }

    /// Reads again and again until what is read satisfies.
    pub(crate) async fn until(&self, path: &str, satisfied: impl Fn(&Reply) -> bool) -> Reply {
        let poll = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(10));
            loop {
                ticks.tick().await;
                let reply = self.get(path).await;
                if satisfied(&reply) {
                    return reply;
                }
            }
        };
        let deadline = Duration::from_secs(20);
        tokio::time::timeout(deadline, poll)
            .await
            .unwrap_or_else(|_| panic!("{path} never did"))
    }

    /// Waits until a droplet is active and returns it.
    pub(crate) async fn until_active(&self, id: u64) -> Value {
        let path = format!("/v2/droplets/{id}");
        let active = |reply: &Reply| reply.json()["droplet"]["status"] == "active";
        self.until(&path, active).await.json()["droplet"].clone()
    }
}

/// The smallest body that creates a droplet.
pub(crate) fn order(name: &str) -> Value {
    json!({
        "name": name,
        "size": "s-1vcpu-1gb",
        "image": "ubuntu-24-04-x64",
        "region": "nyc3",
    })
}

pub(crate) fn client() -> Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        rustls::crypto::ring::default_provider()
            .install_default()
            .expect("called once");
    });
    Client::builder().no_proxy().build().unwrap()
}

/// The addresses of one type that a droplet shows.
pub(crate) fn addresses<'a>(droplet: &'a Value, kind: &str) -> Vec<&'a str> {
    droplet["networks"]["v4"]
        .as_array()
        .map(|v4| {
            let wanted = v4.iter().filter(|network| network["type"] == kind);
            wanted
                .map(|network| network["ip_address"].as_str().unwrap())
                .collect()
        })
        .unwrap_or_default()
}
