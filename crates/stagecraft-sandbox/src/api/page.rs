//! Pagination.

use std::collections::BTreeMap;

use axum::Json;
use serde_json::{Map, Value, json};

use crate::state::World;

const USUAL_PER_PAGE: usize = 20;
const MOST_PER_PAGE: usize = 200;

/// The query of a list. Unknown parameters are ignored.
pub(super) type Parameters = BTreeMap<String, String>;

/// The requested page of a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page<'a> {
    path: &'a str,
    parameters: &'a Parameters,
    number: usize,
    size: usize,
}

impl<'a> Page<'a> {
    /// Parses `page` and `per_page`. Invalid values count as absent, and more than 200 per page as
    /// 200.
    pub(super) fn new(path: &'a str, parameters: &'a Parameters) -> Self {
        let number = |name| {
            let value: Option<usize> = parameters.get(name).and_then(|value| value.parse().ok());
            value.filter(|value| *value > 0)
        };
        Self {
            path,
            parameters,
            number: number("page").unwrap_or(1),
            size: number("per_page")
                .unwrap_or(USUAL_PER_PAGE)
                .min(MOST_PER_PAGE),
        }
    }

    /// Cuts the page out of all items and wraps it as the API does.
    pub(super) fn answer<T>(
        self,
        world: &World,
        links_base: Option<&str>,
        key: &str,
        items: impl IntoIterator<Item = T>,
        render: impl FnMut(T) -> Value,
    ) -> Json<Value> {
        let items: Vec<T> = items.into_iter().collect();
        let total = items.len();
        let start = (self.number - 1).saturating_mul(self.size);
        let page: Vec<Value> = items
            .into_iter()
            .skip(start)
            .take(self.size)
            .map(render)
            .collect();
        let own = format!("http://{}", world.address);
        let links = self.links(links_base.unwrap_or(&own), total);
        Json(json!({key: page, "links": links, "meta": {"total": total}}))
    }

    /// `{}` if all fits on one page, else links to the other pages.
    fn links(&self, base: &str, total: usize) -> Value {
        let last = total.div_ceil(self.size).max(1);
        let mut pages = Map::new();
        let mut link = |name: &str, number| {
            pages.insert(name.to_owned(), Value::String(self.link(base, number)));
        };
        if self.number > 1 {
            link("first", 1);
            link("prev", self.number - 1);
        }
        if self.number < last {
            link("next", self.number + 1);
            link("last", last);
        }
        if pages.is_empty() {
            json!({})
        } else {
            json!({"pages": pages})
        }
    }

    fn link(&self, base: &str, number: usize) -> String {
        let mut link = format!("{base}{}?page={number}", self.path);
        if self.parameters.contains_key("per_page") {
            link.push_str("&per_page=");
            link.push_str(&self.size.to_string());
        }
        for (name, value) in self.parameters {
            if name != "page" && name != "per_page" {
                link.extend(["&", &encode(name), "=", &encode(value)]);
            }
        }
        link
    }
}

/// Percent-encodes characters that are not allowed in a query.
fn encode(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encoded = text.bytes().map(|byte| {
        if is_plain(byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    });
    encoded.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(query: &[(&str, &str)], total: usize) -> Value {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let parameters = query.iter().map(own).collect();
        Page::new("/v2/droplets", &parameters).links("http://h", total)
    }

    #[test]
    fn one_page_has_no_links() {
        assert_eq!(links(&[], 20), json!({}));
        assert_eq!(links(&[], 0), json!({}));
    }

    #[test]
    fn links_are_absolute_and_keep_the_filter() {
        let links = links(&[("page", "2"), ("per_page", "1"), ("tag_name", "a:b")], 3);
        let expected = json!({"pages": {
            "first": "http://h/v2/droplets?page=1&per_page=1&tag_name=a%3Ab",
            "prev": "http://h/v2/droplets?page=1&per_page=1&tag_name=a%3Ab",
            "next": "http://h/v2/droplets?page=3&per_page=1&tag_name=a%3Ab",
            "last": "http://h/v2/droplets?page=3&per_page=1&tag_name=a%3Ab",
        }});
        assert_eq!(links, expected);
    }

    #[test]
    fn nonsense_counts_as_absent_and_the_maximum_is_200() {
        let last = |query: &[(&str, &str)], total| {
            links(query, total)["pages"]["last"]
                .as_str()
                .unwrap_or("none")
                .to_owned()
        };
        assert_eq!(last(&[("page", "x")], 41), "http://h/v2/droplets?page=3");
        assert_eq!(last(&[("per_page", "0")], 20), "none");
        assert!(last(&[("per_page", "999")], 401).contains("page=3&per_page=200"));
    }
}
