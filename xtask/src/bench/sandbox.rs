//! A sandbox in a separate process, and its control.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

/// A running sandbox. Dropping it stops it.
#[derive(Debug)]
pub(super) struct Sandbox {
    process: Child,
    /// The variables that point commands to it.
    pub(super) variables: BTreeMap<String, String>,
}

/// A request as the sandbox recorded it.
#[derive(Debug, Deserialize)]
pub(super) struct Request {
    /// When it arrived, in milliseconds since the sandbox started.
    pub(super) at_ms: u64,
    /// Method and path, with ids replaced.
    pub(super) kind: String,
    /// The status of its answer.
    pub(super) status: Option<u16>,
}

/// A droplet as the sandbox has it.
#[derive(Debug, Deserialize)]
pub(super) struct Droplet {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) tags: Vec<String>,
    pub(super) address: Option<Ipv4Addr>,
}

#[derive(Debug, Deserialize)]
struct Announcement {
    variables: BTreeMap<String, String>,
}

impl Sandbox {
    /// Starts a sandbox for the configuration in `directory`, and waits until it serves.
    pub(super) fn start(binary: &Path, directory: &Path) -> Result<Self> {
        let mut process = Command::new(binary)
            .args(["--output", "json", "sandbox", "--hosts", "none"])
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the sandbox")?;
        let mut line = String::new();
        let stdout = process.stdout.take().context("no output")?;
        let mut sandbox = Self {
            process,
            variables: BTreeMap::new(),
        };
        BufReader::new(stdout).read_line(&mut line)?;
        let announced: Announcement = serde_json::from_str(&line)
            .with_context(|| format!("the sandbox did not start: {line}"))?;
        sandbox.variables = announced.variables;
        Ok(sandbox)
    }

    /// Changes its knobs.
    pub(super) fn set_knobs(&self, changes: &Value) -> Result<()> {
        self.call("PATCH", "/sandbox/knobs", Some(changes))
            .map(drop)
    }

    /// Resets the rate limits, and sets the limit per minute.
    pub(super) fn clear_burst_window(&self, limit: Option<u32>) -> Result<()> {
        // The sandbox drops old requests when the next one arrives.
        let forget = json!({"burst_limit": null, "burst_window_ms": 0, "hourly_limit": null});
        self.set_knobs(&forget)?;
        self.call("GET", "/v2/account", None)?;
        self.set_knobs(
            &json!({"burst_limit": limit, "burst_window_ms": 60_000, "hourly_limit": 5000}),
        )
    }

    /// Clears the record of requests.
    pub(super) fn clear_requests(&self) -> Result<()> {
        self.call("DELETE", "/sandbox/requests", None).map(drop)
    }

    /// The requests so far, the oldest first.
    pub(super) fn requests(&self) -> Result<Vec<Request>> {
        let body = self.call("GET", "/sandbox/requests", None)?;
        serde_json::from_str(&body).context("cannot parse the record of requests")
    }

    /// The droplets with their true state.
    pub(super) fn droplets(&self) -> Result<Vec<Droplet>> {
        let body = self.call("GET", "/sandbox/droplets", None)?;
        serde_json::from_str(&body).context("cannot parse the droplets")
    }

    /// Replaces the tags of a droplet.
    pub(super) fn set_tags(&self, id: u64, tags: &[String]) -> Result<()> {
        let path = format!("/sandbox/droplets/{id}/tags");
        let body = json!({ "tags": tags });
        self.call("PUT", &path, Some(&body)).map(drop)
    }

    /// One request on its own connection.
    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<String> {
        let variable = |name: &str| {
            let value = self.variables.get(name);
            value.with_context(|| format!("the sandbox announced no {name}"))
        };
        let url = variable("DIGITALOCEAN_API_URL")?;
        let address = url.strip_prefix("http://").context("no plain http")?;
        let token = variable("DO_TOKEN")?;
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut stream = TcpStream::connect(address)?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let Some((head, body)) = answer.split_once("\r\n\r\n") else {
            bail!("{method} {path}: no answer");
        };
        let status = head.split(' ').nth(1).unwrap_or_default();
        ensure!(status.starts_with('2'), "{method} {path}: {status} {body}");
        ensure!(
            !head.to_ascii_lowercase().contains("transfer-encoding"),
            "{method} {path}: an answer in chunks"
        );
        Ok(body.to_owned())
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // It may have ended by itself; a destructor cannot report errors.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
