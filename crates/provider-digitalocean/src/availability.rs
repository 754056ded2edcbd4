//! Messages about sizes and regions that are not available.

use std::collections::BTreeMap;

use stagecraft_core::config::nearest;
use stagecraft_core::{CloudFacts, SizeOffer};

/// The message for an unknown size, with the nearest known one.
pub(crate) fn no_size(facts: &CloudFacts, size: &str) -> (String, Option<String>) {
    let near = nearest(size, facts.sizes.keys().map(String::as_str));
    let hint = near.map(|near| format!("did you mean `{near}`?"));
    (format!("size `{size}` does not exist"), hint)
}

pub(crate) fn no_region(
    regions: &BTreeMap<String, bool>,
    region: &str,
) -> (String, Option<String>) {
    let open: Vec<&str> = regions
        .iter()
        .filter(|(_, is_open)| **is_open)
        .map(|(slug, _)| slug.as_str())
        .collect();
    let hint = format!("the regions that take new droplets: {}", open.join(", "));
    (format!("region `{region}` does not exist"), Some(hint))
}

/// Where a size is available now, for hints.
pub(crate) fn where_available(
    sizes: &BTreeMap<String, SizeOffer>,
    regions: Option<&BTreeMap<String, bool>>,
    size: &str,
) -> String {
    let is_open = |region: &&String| regions.is_none_or(|all| all.get(*region) == Some(&true));
    let offer = sizes.get(size).map(|offer| &offer.regions);
    let open: Vec<&str> = offer
        .into_iter()
        .flatten()
        .filter(is_open)
        .map(String::as_str)
        .collect();
    if open.is_empty() {
        "it is available nowhere at the moment".to_owned()
    } else {
        format!("it is available in {}", open.join(", "))
    }
}
