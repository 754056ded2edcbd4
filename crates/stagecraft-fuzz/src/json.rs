//! JSON that a service never sends, or never should.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

const TEXTS: &[&str] = &[
    "",
    "<nil>",
    "null",
    "\0",
    "a\nb",
    "\u{1b}[2J\u{1b}[1;1Hgone",
    "\u{9b}8m",
    "\u{202e}gpj.exe",
    "1.2.3.4",
    "256.1.1.1",
    "::1",
    "fe80::1%eth0",
    "Running",
    "NeedsLogin",
    "active",
    "new",
    "off",
    "archive",
    "completed",
    "errored",
    "public",
    "private",
    "staging-app-1",
    "stagecraft",
    "stagecraft-env-staging",
    "stagecraft-role-app",
    "stagecraft-role-",
    "stagecraft-hostkey-",
    "stagecraft-hostkey-aaaa",
    "https://elsewhere.example/v2/droplets?page=2",
    "http://[::1",
    "https://api.example/?page=4294967296",
    "https://api.example/?page=2&page=3",
    "?page=2",
    "file:///etc/passwd",
    "é\u{fffd}\u{10ffff}",
    "tag:x",
    "v1.2.3",
];

fn scalar() -> BoxedStrategy<Value> {
    prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        1 => select(&[0u64, 1, 2, 3, 200, 4_294_967_295, u64::MAX][..]).prop_map(Value::from),
        1 => select(&[0.1, -1.0, 1e15, 9e15, 1e300, -1e300, 5e-324][..]).prop_map(Value::from),
        6 => select(TEXTS).prop_map(Value::from),
        1 => "\\PC{0,40}".prop_map(Value::from),
        1 => (select(TEXTS), 1usize..3000).prop_map(|(text, times)| Value::from(text.repeat(times))),
    ]
    .boxed()
}

/// Any JSON. `keys` are those that the reader knows.
pub fn hostile_json(keys: &'static [&'static str]) -> impl Strategy<Value = Value> {
    scalar().prop_recursive(6, 60, 8, move |inner| {
        let key = prop_oneof![9 => select(keys).prop_map(str::to_owned), 1 => "\\PC{0,10}"];
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            2 => prop::collection::vec((key, inner), 0..8)
                .prop_map(|entries| Value::Object(entries.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

#[derive(Debug, Clone)]
enum Change {
    Replace(Value),
    Remove,
    Double(usize),
    Nest(usize),
    SwapWith(Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => scalar().prop_map(Change::Replace),
        2 => select(&["{}", "[]", "[[]]", "[null]", "{\"x\":{}}"][..]).prop_map(|text| {
            Change::Replace(text.parse().unwrap_or_default())
        }),
        2 => Just(Change::Remove),
        1 => (2usize..40).prop_map(Change::Double),
        1 => select(&[1usize, 3, 100, 126, 127, 128, 200][..]).prop_map(Change::Nest),
        2 => any::<Index>().prop_map(Change::SwapWith),
    ]
}

/// A real answer with changes in up to six places.
pub fn changed_json(real: Value) -> impl Strategy<Value = Value> {
    let changes = prop::collection::vec((any::<Index>(), change()), 0..6);
    changes.prop_map(move |changes| {
        let mut value = real.clone();
        for (at, change) in changes {
            let places = pointers(&value);
            let place = at.get(&places);
            apply(&mut value, place, &change, &places);
        }
        value
    })
}

fn apply(value: &mut Value, place: &str, change: &Change, places: &[String]) {
    match change {
        Change::Remove => {
            if let Some((parent, key)) = place.rsplit_once('/')
                && let Some(Value::Object(entries)) = value.pointer_mut(parent)
            {
                entries.remove(key);
            }
        }
        Change::SwapWith(other) => {
            let Some(other) = value.pointer(&places[other.index(places.len())]).cloned() else {
                return;
            };
            if let Some(found) = value.pointer_mut(place) {
                *found = other;
            }
        }
        Change::Replace(new) => {
            if let Some(found) = value.pointer_mut(place) {
                *found = new.clone();
            }
        }
        Change::Double(times) => {
            if let Some(Value::Array(items)) = value.pointer_mut(place) {
                let one = items.clone();
                items.extend(one.into_iter().cycle().take(times * 2));
            }
        }
        Change::Nest(depth) => {
            if let Some(found) = value.pointer_mut(place) {
                for _ in 0..*depth {
                    *found = json!([found.take()]);
                }
            }
        }
    }
}

/// Pointers into a value, from the top, not deeper than any change.
fn pointers(value: &Value) -> Vec<String> {
    fn walk(value: &Value, at: &str, depth: usize, found: &mut Vec<String>) {
        found.push(at.to_owned());
        if depth == 8 {
            return;
        }
        match value {
            Value::Object(entries) => {
                for (key, value) in entries {
                    let key = key.replace('~', "~0").replace('/', "~1");
                    walk(value, &format!("{at}/{key}"), depth + 1, found);
                }
            }
            Value::Array(items) => {
                for (index, value) in items.iter().take(20).enumerate() {
                    walk(value, &format!("{at}/{index}"), depth + 1, found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(value, "", 0, &mut found);
    found
}
