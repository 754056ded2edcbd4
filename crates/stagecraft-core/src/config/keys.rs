//! The keys of one mapping, according to a schema.

use serde_json::Value as Json;

/// The limit for schemas that refer to themselves.
pub(super) const DEPTH_LIMIT: usize = 16;

/// The keys of a mapping with fixed keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Keys<'s> {
    /// Keys that have an effect.
    pub(super) known: Vec<&'s str>,
    /// Keys that are required.
    pub(super) required: Vec<&'s str>,
}

/// Returns the keys of the mapping at `path`. `None` if the schema says nothing about it.
pub(super) fn keys<'s>(schema: &'s Json, path: &[String]) -> Option<Keys<'s>> {
    let mut at = resolve(schema, schema)?;
    for name in path {
        at = resolve(schema, below(at, name)?)?;
    }
    let known = at["properties"].as_object()?;
    let required = at["required"].as_array();
    Some(Keys {
        known: known
            .iter()
            // A key that is refused as unsupported allows no value at all.
            .filter(|(_, property)| property["type"] != "null")
            .map(|(name, _)| name.as_str())
            .collect(),
        required: required
            .into_iter()
            .flatten()
            .filter_map(Json::as_str)
            .collect(),
    })
}

/// Follows references, and the branch of an optional value that is not null.
pub(super) fn resolve<'s>(root: &'s Json, schema: &'s Json) -> Option<&'s Json> {
    let mut schema = schema;
    for _ in 0..DEPTH_LIMIT {
        if let Some(at) = schema["$ref"].as_str() {
            schema = root.pointer(at.strip_prefix('#')?)?;
        } else if let Some(branches) = schema["anyOf"].as_array() {
            schema = branches.iter().find(|branch| branch["type"] != "null")?;
        } else {
            return Some(schema);
        }
    }
    None
}

fn below<'s>(schema: &'s Json, name: &str) -> Option<&'s Json> {
    if schema["items"].is_object() {
        return Some(&schema["items"]);
    }
    let properties = schema["properties"].as_object();
    properties
        .and_then(|properties| properties.get(&snake_case(name)))
        .or_else(|| any_key(schema))
}

/// Returns the schema of values under keys that the user chooses.
fn any_key(schema: &Json) -> Option<&Json> {
    let by_pattern = schema["patternProperties"].as_object();
    by_pattern
        .and_then(|patterns| patterns.values().next())
        .or_else(|| Some(&schema["additionalProperties"]).filter(|others| others.is_object()))
}

/// Converts a key to snake case. Camel case is accepted as well.
pub(super) fn snake_case(key: &str) -> String {
    let mut snake = String::with_capacity(key.len() + 4);
    for c in key.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
            snake.push(c.to_ascii_lowercase());
        } else {
            snake.push(c);
        }
    }
    snake
}
