//! Record of the received requests.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

/// Most requests kept; older ones are dropped, the counters continue.
const MOST_REQUESTS: usize = 10_000;
/// Most bytes of request bodies kept in all.
const MOST_BODY_BYTES: usize = 16 << 20;

/// A received request under `/v2`, and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedRequest {
    /// Counts from 1 in the order of arrival.
    pub number: u64,
    /// When it arrived, in milliseconds since the sandbox started.
    pub at_ms: u64,
    /// The method.
    pub method: String,
    /// The path with its query.
    pub target: String,
    /// The method and the path with ids and names replaced, as in `GET /v2/droplets/{id}`.
    pub kind: String,
    /// The status of the answer; `None` while there is none, or if there never will be one because
    /// the connection was reset or the client disconnected.
    pub status: Option<u16>,
    /// The body, if there was one.
    pub body: Option<String>,
}

/// The latest requests, and counters of all.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    requests: VecDeque<RecordedRequest>,
    counters: BTreeMap<String, u64>,
    body_bytes: usize,
    made: u64,
}

impl Journal {
    /// Records the arrival of a request and returns its number.
    pub(crate) fn arrive(
        &mut self,
        at_ms: u64,
        method: &str,
        target: &str,
        body: Option<String>,
    ) -> u64 {
        self.made += 1;
        let path = target.split('?').next().unwrap_or_default();
        let kind = kind(method, path);
        *self.counters.entry(kind.clone()).or_default() += 1;
        self.body_bytes += body.as_ref().map_or(0, String::len);
        self.requests.push_back(RecordedRequest {
            number: self.made,
            at_ms,
            method: method.to_owned(),
            target: target.to_owned(),
            kind,
            status: None,
            body,
        });
        while self.requests.len() > MOST_REQUESTS
            || (self.body_bytes > MOST_BODY_BYTES && self.requests.len() > 1)
        {
            let dropped = self.requests.pop_front().and_then(|request| request.body);
            self.body_bytes -= dropped.map_or(0, |body| body.len());
        }
        self.made
    }

    /// Records the answer to a request.
    pub(crate) fn answer(&mut self, number: u64, status: u16) {
        let found = self
            .requests
            .binary_search_by_key(&number, |request| request.number);
        if let Some(request) = found.ok().and_then(|at| self.requests.get_mut(at)) {
            request.status = Some(status);
        }
    }

    pub(crate) fn requests(&self) -> Vec<RecordedRequest> {
        self.requests.iter().cloned().collect()
    }

    pub(crate) fn counters(&self) -> BTreeMap<String, u64> {
        self.counters.clone()
    }

    /// Clears requests and counters; numbers continue.
    pub(crate) fn clear(&mut self) {
        *self = Self {
            made: self.made,
            ..Self::default()
        };
    }
}

/// The method and the path with ids and names replaced.
pub(crate) fn kind(method: &str, path: &str) -> String {
    let mut kind = format!("{method} ");
    let mut collection = "";
    for segment in path.split('/').skip(1) {
        kind.push('/');
        let placeholder = match collection {
            "droplets" | "actions" | "firewalls" | "vpcs" | "volumes" | "snapshots" => "{id}",
            "projects" if segment != "default" => "{id}",
            "keys" | "images" => "{key}",
            "reserved_ips" => "{ip}",
            "tags" => "{tag}",
            _ => "",
        };
        if placeholder.is_empty() || (collection == "droplets" && segment == "actions") {
            kind.push_str(segment);
            collection = segment;
        } else {
            kind.push_str(placeholder);
            collection = "";
        }
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_no_ids() {
        let cases = [
            ("/v2/droplets", "GET /v2/droplets"),
            ("/v2/droplets/7", "GET /v2/droplets/{id}"),
            (
                "/v2/droplets/7/actions/8",
                "GET /v2/droplets/{id}/actions/{id}",
            ),
            (
                "/v2/tags/droplets/resources",
                "GET /v2/tags/{tag}/resources",
            ),
            ("/v2/account/keys/aa:bb", "GET /v2/account/keys/{key}"),
            ("/v2/firewalls/1-2-3", "GET /v2/firewalls/{id}"),
            ("/v2/vpcs/1-2-3/members", "GET /v2/vpcs/{id}/members"),
            ("/v2/projects/default", "GET /v2/projects/default"),
            (
                "/v2/projects/1-2/resources",
                "GET /v2/projects/{id}/resources",
            ),
            ("/v2/reserved_ips/192.0.2.1", "GET /v2/reserved_ips/{ip}"),
        ];
        for (path, expected) in cases {
            assert_eq!(kind("GET", path), expected);
        }
    }

    #[test]
    fn the_log_is_bounded_and_the_counters_are_not() {
        let mut journal = Journal::default();
        for _ in 0..MOST_REQUESTS + 5 {
            journal.arrive(0, "GET", "/v2/droplets?page=1", None);
        }
        assert_eq!(journal.requests().len(), MOST_REQUESTS);
        assert_eq!(journal.requests()[0].number, 6);
        assert_eq!(
            journal.counters()["GET /v2/droplets"],
            MOST_REQUESTS as u64 + 5
        );
    }

    #[test]
    fn large_bodies_push_old_requests_out() {
        let mut journal = Journal::default();
        for _ in 0..40 {
            journal.arrive(0, "POST", "/v2/droplets", Some("x".repeat(1 << 20)));
        }
        assert_eq!(journal.requests().len(), MOST_BODY_BYTES >> 20);
    }

    #[test]
    fn answers_find_their_request() {
        let mut journal = Journal::default();
        let first = journal.arrive(0, "GET", "/v2/account", None);
        let second = journal.arrive(1, "GET", "/v2/sizes", None);
        journal.answer(second, 200);
        journal.answer(second + 1, 500);
        let statuses: Vec<_> = journal
            .requests()
            .iter()
            .map(|request| request.status)
            .collect();
        assert_eq!((first, statuses), (1, vec![None, Some(200)]));
    }
}
