//! Faults that the API injects on request.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A fault rule for matching requests.
///
/// Rules are tried in the order in which they were added. The first active one that matches handles
/// the request. A request that one rule skips may be handled by the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The method it applies to; `None` means every method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The path it applies to: a prefix, or a pattern.
    ///
    /// `*` matches any characters. A pattern with `*`, or one that ends in `$`, must match the
    /// whole path; any other is a prefix. The query is compared only if the pattern contains a `?`.
    pub path: String,
    /// Text that the request's body must contain, for example a name; `None` means any body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_contains: Option<String>,
    /// How many matching requests are passed through first.
    #[serde(default)]
    pub skip: u32,
    /// How many requests fail after that.
    #[serde(default = "once")]
    pub times: u32,
    /// Whether the fault replaces the request's effect. Otherwise the request is carried out first,
    /// and only its answer is affected.
    #[serde(default = "yes")]
    pub before: bool,
    /// The kind of fault.
    pub kind: FaultKind,
}

fn once() -> u32 {
    1
}

fn yes() -> bool {
    true
}

/// The kind of fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// An answer with this status.
    Status {
        /// The status code.
        code: u16,
        /// The body; `None` means the vendor's own error body for that status.
        #[serde(default)]
        body: Option<String>,
        /// Further headers, for example `retry-after`.
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    /// An answer of a gateway: this status and an HTML page.
    Html {
        /// The status code.
        code: u16,
    },
    /// The connection is reset without an answer.
    Reset,
    /// The answer's headers and half of its body, then a reset.
    Truncated,
    /// A delay; then the request continues as usual.
    ///
    /// For a client that disconnects earlier, the request has had no effect if the fault is
    /// `before`, and has had its effect if it is not.
    Hang {
        /// The delay in milliseconds.
        ms: u64,
    },
}

impl Fault {
    /// A rule that answers the next request with `code`, without carrying it out.
    pub fn status(method: &str, path: &str, code: u16) -> Self {
        Self::new(
            method,
            path,
            FaultKind::Status {
                code,
                body: None,
                headers: BTreeMap::new(),
            },
        )
    }

    /// A rule for the next request with this method and path.
    pub fn new(method: &str, path: &str, kind: FaultKind) -> Self {
        Self {
            method: Some(method.to_owned()),
            path: path.to_owned(),
            body_contains: None,
            skip: 0,
            times: 1,
            before: true,
            kind,
        }
    }

    /// Restricts the rule to requests with this text in their body: those of one droplet, for
    /// example.
    #[must_use]
    pub fn with_body(mut self, text: &str) -> Self {
        self.body_contains = Some(text.to_owned());
        self
    }

    /// Passes this many matching requests through first.
    #[must_use]
    pub fn skip(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    /// Applies this many times.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Carries the request out before its answer fails.
    #[must_use]
    pub fn after(mut self) -> Self {
        self.before = false;
        self
    }

    fn matches(&self, request: &Asked<'_>) -> bool {
        let is_other_method = |wanted: &String| !wanted.eq_ignore_ascii_case(request.method);
        let is_other_body = |text: &String| !request.body.contains(text.as_str());
        if self.method.as_ref().is_some_and(is_other_method)
            || self.body_contains.as_ref().is_some_and(is_other_body)
        {
            return false;
        }
        match request.query {
            Some(query) if self.path.contains('?') => {
                matches_pattern(&self.path, &format!("{}?{query}", request.path))
            }
            _ => matches_pattern(&self.path, request.path),
        }
    }
}

/// The parts of a request that rules match.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) body: &'a str,
}

fn matches_pattern(pattern: &str, text: &str) -> bool {
    let (pattern, whole) = match pattern.strip_suffix('$') {
        Some(pattern) => (pattern, true),
        None => (pattern, pattern.contains('*')),
    };
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    if !whole {
        return true;
    }
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// The active rules and their progress.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Vec<Fault>,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.rules.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    /// The active rules with their remaining counts.
    pub(crate) fn remaining(&self) -> Vec<Fault> {
        self.rules
            .iter()
            .filter(|rule| rule.times > 0)
            .cloned()
            .collect()
    }

    /// Returns the fault for a request, if there is one, and counts it.
    pub(crate) fn take(&mut self, request: &Asked<'_>) -> Option<Fault> {
        for rule in &mut self.rules {
            if rule.times == 0 || !rule.matches(request) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            rule.times -= 1;
            return Some(rule.clone());
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked<'a>(method: &'a str, path: &'a str, query: Option<&'a str>) -> Asked<'a> {
        Asked {
            method,
            path,
            query,
            ..Asked::default()
        }
    }

    #[test]
    fn patterns_are_prefixes_unless_they_have_a_star_or_a_dollar() {
        assert!(matches_pattern("/v2/droplets", "/v2/droplets/7"));
        assert!(!matches_pattern("/v2/droplets$", "/v2/droplets/7"));
        assert!(matches_pattern("/v2/droplets$", "/v2/droplets"));
        assert!(matches_pattern("/v2/droplets/*", "/v2/droplets/7"));
        assert!(!matches_pattern("/v2/droplets/*", "/v2/droplets"));
        assert!(matches_pattern(
            "/v2/tags/*/resources",
            "/v2/tags/a/resources"
        ));
        assert!(!matches_pattern(
            "/v2/tags/*/resources",
            "/v2/tags/a/resources/b"
        ));
    }

    #[test]
    fn the_query_counts_only_if_the_pattern_asks_for_it() {
        let plain = Fault::status("GET", "/v2/droplets$", 500);
        assert!(plain.matches(&asked("GET", "/v2/droplets", Some("page=2"))));
        let second = Fault::status("get", "/v2/droplets?*page=2*", 500);
        assert!(second.matches(&asked("GET", "/v2/droplets", Some("per_page=1&page=2"))));
        assert!(!second.matches(&asked("GET", "/v2/droplets", Some("page=1"))));
        assert!(!second.matches(&asked("GET", "/v2/droplets", None)));
    }

    #[test]
    fn the_body_counts_only_if_the_rule_names_a_text() {
        let create = |body| Asked {
            body,
            ..asked("POST", "/v2/droplets", None)
        };
        let any = Fault::status("POST", "/v2/droplets", 422);
        assert!(any.matches(&create(r#"{"names":["app-1"]}"#)));
        let one = any.with_body("\"db-1\"");
        assert!(one.matches(&create(r#"{"names":["db-1","db-2"]}"#)));
        assert!(!one.matches(&create(r#"{"names":["db-12"]}"#)));
        assert!(!one.matches(&create("")));
    }

    #[test]
    fn a_rule_skips_then_acts_then_is_spent() {
        let mut faults = Faults::default();
        faults.add(Fault::status("POST", "/v2/droplets", 500).skip(1).times(2));
        let mut taken = || faults.take(&asked("POST", "/v2/droplets", None)).is_some();
        assert_eq!(
            [taken(), taken(), taken(), taken()],
            [false, true, true, false]
        );
        assert_eq!(faults.remaining(), []);
    }

    #[test]
    fn json_needs_no_more_than_path_and_kind() {
        let fault: Fault =
            serde_json::from_str(r#"{"path": "/v2/", "kind": {"status": {"code": 503}}}"#).unwrap();
        assert_eq!((fault.times, fault.before, fault.skip), (1, true, 0));
        let reset: Fault = serde_json::from_str(r#"{"path": "/v2/", "kind": "reset"}"#).unwrap();
        assert_eq!(reset.kind, FaultKind::Reset);
    }
}
