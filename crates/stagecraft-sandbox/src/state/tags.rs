//! Tags: compared without case, shown in the capitalisation of the first use.

use std::collections::{BTreeMap, BTreeSet};

/// The tags of the account.
///
/// A tag keeps its capitalisation even after it was deleted: the vendor calls this "case stable".
#[derive(Debug, Default)]
pub(crate) struct Tags {
    spelling: BTreeMap<String, String>,
    existing: BTreeSet<String>,
}

impl Tags {
    /// Ensures that the tag exists and returns its key, which droplets store.
    ///
    /// `seen` contains earlier capitalisations of the account.
    pub(crate) fn ensure(&mut self, name: &str, seen: &BTreeMap<String, String>) -> String {
        let key = fold(name);
        let before = seen.iter().find(|(tag, _)| fold(tag) == key);
        let first = before.map_or(name, |(_, spelling)| spelling);
        self.spelling
            .entry(key.clone())
            .or_insert_with(|| first.to_owned());
        self.existing.insert(key.clone());
        key
    }

    /// Deletes the tag; its capitalisation stays known.
    pub(crate) fn delete(&mut self, key: &str) {
        self.existing.remove(key);
    }

    /// The key of an existing tag, if `name` is its canonical capitalisation.
    pub(crate) fn exact(&self, name: &str) -> Option<String> {
        let key = self.any_case(name)?;
        (self.spelling(&key) == name).then_some(key)
    }

    /// The key of an existing tag in any capitalisation.
    pub(crate) fn any_case(&self, name: &str) -> Option<String> {
        let key = fold(name);
        self.existing.contains(&key).then_some(key)
    }

    /// The canonical capitalisation of a key.
    pub(crate) fn spelling<'a>(&'a self, key: &'a str) -> &'a str {
        self.spelling.get(key).map_or(key, String::as_str)
    }

    /// The keys of all existing tags, in order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.existing.iter().map(String::as_str)
    }
}

/// Whether the API accepts this as a tag's name.
pub(crate) fn is_valid(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ':');
    !name.is_empty() && name.len() <= 255 && name.chars().all(allowed)
}

fn fold(name: &str) -> String {
    name.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_capitalisation_wins_even_after_deletion() {
        let mut tags = Tags::default();
        let key = tags.ensure("My-Tag", &BTreeMap::new());
        assert_eq!(tags.ensure("MY-TAG", &BTreeMap::new()), key);
        assert_eq!(tags.spelling(&key), "My-Tag");
        tags.delete(&key);
        assert_eq!(tags.exact("My-Tag"), None);
        tags.ensure("my-tag", &BTreeMap::new());
        assert_eq!(tags.spelling(&key), "My-Tag");
    }

    #[test]
    fn only_the_canonical_capitalisation_is_exact() {
        let mut tags = Tags::default();
        tags.ensure("PROD", &BTreeMap::new());
        assert!(tags.exact("PROD").is_some());
        assert!(tags.exact("prod").is_none());
        assert!(tags.any_case("prod").is_some());
    }

    #[test]
    fn names_follow_the_vendors_rule() {
        for good in ["a", "env:prod", "x_y-1", &"a".repeat(255)] {
            assert!(is_valid(good), "{good}");
        }
        for bad in ["", "a b", "a=b", "a/b", "a.b", "ä", &"a".repeat(256)] {
            assert!(!is_valid(bad), "{bad}");
        }
    }
}
