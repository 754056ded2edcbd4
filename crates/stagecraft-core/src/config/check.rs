//! Everything that is wrong with the shape of a configuration, in one pass.
//!
//! The typed decoder stops at its first error. This walks the same text along the schema of
//! the same type, and finds the others: unknown keys, missing keys, wrong types and unknown
//! words. What only the type itself can tell (a bad name, say) stays with the decoder.

use serde_json::Value as Json;
use serde_yaml::Value as Yaml;

use super::error::nearest;

/// One thing that is wrong: where, whether with the key itself, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) path: Vec<String>,
    pub(super) is_at_key: bool,
    pub(super) message: String,
    pub(super) suggestion: Option<String>,
}

/// Walks a value along a schema.
pub(super) fn check(value: &Yaml, schema: &Json) -> Vec<Flaw> {
    let mut walk = Walk {
        root: schema,
        path: Vec::new(),
        flaws: Vec::new(),
    };
    walk.value(value, schema);
    walk.flaws
}

struct Walk<'s> {
    root: &'s Json,
    path: Vec<String>,
    flaws: Vec<Flaw>,
}

impl<'s> Walk<'s> {
    fn value(&mut self, value: &Yaml, schema: &'s Json) {
        let schema = self.resolve(schema, value);
        if let Some(words) = words(schema) {
            self.word(value, &words);
        } else if is_object(schema) {
            self.mapping(value, schema);
        } else {
            self.scalar(value, schema);
        }
    }

    /// Follows references, and picks the branch of an optional value.
    fn resolve(&self, schema: &'s Json, value: &Yaml) -> &'s Json {
        let mut schema = schema;
        loop {
            if let Some(name) = schema["$ref"]
                .as_str()
                .and_then(|at| at.strip_prefix("#/$defs/"))
            {
                schema = &self.root["$defs"][name];
            } else if let Some(branches) = schema["anyOf"].as_array() {
                let is_null = |branch: &&Json| branch["type"] == "null";
                let wanted = branches
                    .iter()
                    .find(|branch| is_null(branch) == value.is_null());
                let Some(branch) = wanted.or(branches.first()) else {
                    return schema;
                };
                schema = branch;
            } else {
                return schema;
            }
        }
    }

    fn mapping(&mut self, value: &Yaml, schema: &'s Json) {
        let Yaml::Mapping(entries) = value else {
            if !value.is_null() || !allows(schema, "null") {
                self.flaw(
                    false,
                    format!("invalid type: {}, expected a mapping", kind(value)),
                    None,
                );
            }
            return;
        };
        let properties = schema["properties"].as_object();
        let others = any_key(schema);
        let mut seen = Vec::new();
        let before = self.flaws.len();
        for (key, value) in entries {
            let Some(key) = key.as_str() else { continue };
            self.path.push(key.to_owned());
            let name = snake_case(key);
            match properties.and_then(|properties| properties.get(&name)) {
                Some(property) if property["type"] == "null" => {
                    self.flaw(false, "not supported yet".to_owned(), None);
                }
                Some(property) => self.value(value, property),
                None => match others {
                    Some(schema) => self.value(value, schema),
                    None => self.unknown_key(key, schema),
                },
            }
            seen.push(name);
            self.path.pop();
        }
        for required in schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Json::as_str)
        {
            // A missing key that an unknown one was meant to be is the same mistake.
            let is_misspelt = self.flaws[before..].iter().any(|flaw| {
                flaw.path.len() == self.path.len() + 1
                    && flaw.suggestion.as_deref() == Some(required)
            });
            if !is_misspelt && !seen.iter().any(|name| name == required) {
                self.flaw(false, format!("missing field `{required}`"), None);
            }
        }
    }

    fn unknown_key(&mut self, key: &str, schema: &Json) {
        let known: Vec<&str> = schema["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, property)| property["type"] != "null")
            .map(|(name, _)| name.as_str())
            .collect();
        let list: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
        self.flaw(
            true,
            format!("unknown field `{key}`, expected one of {}", list.join(", ")),
            nearest(key, known),
        );
    }

    fn word(&mut self, value: &Yaml, words: &[&str]) {
        match value.as_str() {
            Some(word) if words.contains(&word) => {}
            Some(word) => {
                let list: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
                self.flaw(
                    false,
                    format!(
                        "unknown value `{word}`, expected one of {}",
                        list.join(", ")
                    ),
                    nearest(word, words.iter().copied()),
                );
            }
            None => self.flaw(
                false,
                format!("invalid type: {}, expected a string", kind(value)),
                None,
            ),
        }
    }

    fn scalar(&mut self, value: &Yaml, schema: &'s Json) {
        let fits = match value {
            Yaml::Null => allows(schema, "null"),
            Yaml::Bool(_) => allows(schema, "boolean"),
            Yaml::Number(number) if number.is_f64() => allows(schema, "number"),
            Yaml::Number(_) => allows(schema, "integer") || allows(schema, "number"),
            Yaml::String(_) => allows(schema, "string"),
            Yaml::Sequence(_) => allows(schema, "array"),
            Yaml::Mapping(_) => allows(schema, "object"),
            Yaml::Tagged(_) => false,
        };
        if !fits {
            let message = format!(
                "invalid type: {}, expected {}",
                kind(value),
                expected(schema)
            );
            self.flaw(false, message, None);
        } else if let Yaml::Sequence(items) = value {
            for (index, item) in items.iter().enumerate() {
                self.path.push(index.to_string());
                self.value(item, &schema["items"]);
                self.path.pop();
            }
        }
    }

    fn flaw(&mut self, is_at_key: bool, message: String, suggestion: Option<String>) {
        self.flaws.push(Flaw {
            path: self.path.clone(),
            is_at_key,
            message,
            suggestion,
        });
    }
}

/// The words that an enumeration allows: a list of them, or each with its own description.
fn words(schema: &Json) -> Option<Vec<&str>> {
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().map(Json::as_str).collect();
    }
    if let Some(word) = schema["const"].as_str() {
        return Some(vec![word]);
    }
    let branches = schema["oneOf"].as_array()?;
    let words: Option<Vec<Vec<&str>>> = branches.iter().map(words).collect();
    let mut words = words?.concat();
    words.sort_unstable();
    Some(words)
}

/// The schema of values under keys that the user chooses.
fn any_key(schema: &Json) -> Option<&Json> {
    let by_pattern = schema["patternProperties"].as_object();
    by_pattern
        .and_then(|patterns| patterns.values().next())
        .or_else(|| {
            Some(&schema["additionalProperties"])
                .filter(|others| !others.is_boolean() && !others.is_null())
        })
        .or_else(|| {
            Some(schema)
                .filter(|schema| schema["additionalProperties"] == true)
                .map(|_| &Json::Null)
        })
}

fn is_object(schema: &Json) -> bool {
    schema["properties"].is_object()
        || schema["patternProperties"].is_object()
        || (schema["type"] == "object")
}

/// Whether the schema allows a type. One that names no type allows all.
fn allows(schema: &Json, wanted: &str) -> bool {
    match &schema["type"] {
        Json::String(own) => own == wanted,
        Json::Array(several) => several.iter().any(|own| own == wanted),
        _ => true,
    }
}

fn expected(schema: &Json) -> String {
    let article = |word: &str| match word {
        "integer" => "an integer".to_owned(),
        "array" => "a list".to_owned(),
        "object" => "a mapping".to_owned(),
        other => format!("a {other}"),
    };
    match &schema["type"] {
        Json::String(own) => article(own),
        Json::Array(several) => several
            .iter()
            .filter_map(Json::as_str)
            .filter(|own| *own != "null")
            .map(article)
            .collect::<Vec<_>>()
            .join(" or "),
        _ => "something else".to_owned(),
    }
}

fn kind(value: &Yaml) -> String {
    match value {
        Yaml::Null => "nothing".to_owned(),
        Yaml::Bool(value) => format!("boolean `{value}`"),
        Yaml::Number(value) => format!("number `{value}`"),
        Yaml::String(_) => "a string".to_owned(),
        Yaml::Sequence(_) => "a list".to_owned(),
        Yaml::Mapping(_) => "a mapping".to_owned(),
        Yaml::Tagged(_) => "a tagged value".to_owned(),
    }
}

/// Keys are written in snake case; camel case is understood as well.
fn snake_case(key: &str) -> String {
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

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;

    use super::super::document::Document;
    use super::super::map::UniqueMap;
    use super::super::unsupported;

    #[derive(Debug, serde::Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only decoding matters")]
    struct Outer {
        name: String,
        count: Option<u32>,
        mode: Option<Mode>,
        #[serde(default)]
        parts: UniqueMap<String, Part>,
        #[serde(default, deserialize_with = "unsupported")]
        later: Option<()>,
    }

    #[derive(Debug, serde::Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only decoding matters")]
    struct Part {
        #[serde(alias = "longName")]
        long_name: String,
        #[serde(default)]
        tags: Vec<String>,
    }

    #[derive(Debug, serde::Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum Mode {
        /// With docs.
        Fast,
        Slow,
    }

    fn errors(text: &str) -> Vec<String> {
        let document = Document::new("f.yml", text).unwrap();
        let errors = document.parse::<Outer>(&[]).unwrap_err();
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn all_flaws_are_told_in_the_order_of_the_file() {
        let text = "\
count: many
mode: fats
parts:
  a: { longName: 7, tags: [x, [y]] }
  b: { tag: [] }
  c: 5
later: { x: 1 }
nmae: x
";
        assert_eq!(
            errors(text),
            [
                "f.yml:1:8: count: invalid type: a string, expected an integer",
                "f.yml:2:7: mode: unknown value `fats`, expected one of `fast`, `slow` (did you mean `fast`?)",
                "f.yml:4:18: parts.a.longName: invalid type: number `7`, expected a string",
                "f.yml:4:31: parts.a.tags.1: invalid type: a list, expected a string",
                "f.yml:5:6: parts.b: missing field `long_name`",
                "f.yml:5:8: parts.b: unknown field `tag`, expected one of `long_name`, `tags` (did you mean `tags`?)",
                "f.yml:6:6: parts.c: invalid type: number `5`, expected a mapping",
                "f.yml:7:8: later: not supported yet",
                "f.yml:8:1: unknown field `nmae`, expected one of `count`, `mode`, `name`, `parts` (did you mean `name`?)",
            ]
        );
    }

    #[test]
    fn what_only_the_type_refuses_is_told_too() {
        assert_eq!(errors("name: x\nparts: {}\nparts: {}\n").len(), 1);
        assert_eq!(errors("name: x\ncount: -1\n").len(), 1);
    }

    #[test]
    fn good_file_has_no_flaws() {
        let document = Document::new(
            "f.yml",
            "name: x\nparts: { a: { longName: y, tags: [z] } }\n",
        )
        .unwrap();
        assert!(document.parse::<Outer>(&[]).unwrap().is_some());
    }
}
