//! The JSON schema of the whole file, composed from the schemas of its parts.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::envelope::Envelope;
use super::keys::{DEPTH_LIMIT, resolve};
use crate::registry::{Kind, Registry};

/// Users' own top-level keys, which nothing reads.
const EXTENSIONS: &str = "^x-";

/// Returns the schema of `stagecraft.yml` for the providers and steps of a registry.
///
/// `bootstrap` are the further blocks of `infra.bootstrap`, by key.
pub fn project_schema(registry: &Registry, bootstrap: &[(&str, schemars::Schema)]) -> Value {
    let mut root = schemars::schema_for!(Envelope).to_value();
    root["title"] = json!("stagecraft.yml");
    let mut defs = root["$defs"].as_object().cloned().unwrap_or_default();
    let mut parts = |kind: Kind, more: &[(&str, schemars::Schema)]| {
        let registered = registry
            .descriptors()
            .filter(|descriptor| descriptor.kind() == kind)
            .map(|descriptor| (descriptor.id, (descriptor.schema)()));
        let mut properties = Map::new();
        for (id, schema) in registered.chain(more.iter().cloned()) {
            properties.insert(id.to_owned(), embed(id, schema.to_value(), &mut defs));
        }
        json!({ "type": "object", "additionalProperties": false, "properties": properties })
    };
    let ids = |kind: Kind| registry.ids(kind);
    let clouds = parts(Kind::Cloud, &[]);
    let networks = parts(Kind::Network, &[]);
    let steps = parts(Kind::Step, bootstrap);

    let infra = defs.remove("InfraSection").unwrap_or_default();
    let cloud = defs.remove("CloudSection").unwrap_or_default();
    let network = defs.remove("ProviderSection").unwrap_or_default();
    for (key, mut own, providers) in [("cloud", cloud, clouds), ("network", network, networks)] {
        own["properties"]["providers"] = providers;
        let kind = if key == "cloud" {
            Kind::Cloud
        } else {
            Kind::Network
        };
        own["properties"]["provider"]["enum"] = json!(ids(kind));
        root["properties"][key] = own;
    }
    root["properties"]["infra"] = infra;
    root["properties"]["infra"]["properties"]["bootstrap"] = steps;
    root["$defs"] = Value::Object(defs);
    // Without hosts there is nothing to do.
    root["required"] = json!(["cloud"]);
    allow_variables(&mut root);
    // For anchors that other parts of the file refer to.
    root["patternProperties"] = json!({ EXTENSIONS: true });
    root
}

/// Allows a text with `${NAME}` in place of a number, an enum value or a pattern.
fn allow_variables(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    for key in ["properties", "patternProperties", "$defs"] {
        let children = object.get_mut(key).and_then(Value::as_object_mut);
        for child in children.into_iter().flat_map(Map::values_mut) {
            allow_variables(child);
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(child) = object.get_mut(key) {
            allow_variables(child);
        }
    }
    let is_scalar = |word: &Value| {
        matches!(
            word.as_str(),
            Some("integer" | "number" | "boolean" | "string" | "null")
        )
    };
    let is_plain = match &object.get("type") {
        Some(Value::Array(several)) => several.iter().all(is_scalar),
        Some(one) => is_scalar(one) && *one != "null",
        None => object.contains_key("oneOf") || object.contains_key("enum"),
    };
    let is_narrow = ["enum", "const", "oneOf", "pattern"]
        .iter()
        .any(|key| object.contains_key(*key))
        || object
            .get("type")
            .is_some_and(|own| !own.to_string().contains("string"));
    if is_plain && is_narrow {
        let mut outer = Map::new();
        for key in ["description", "default"] {
            if let Some(value) = object.remove(key) {
                outer.insert(key.to_owned(), value);
            }
        }
        let own = std::mem::take(object);
        let text = json!({ "type": "string", "pattern": r"\$\{" });
        outer.insert("anyOf".to_owned(), json!([own, text]));
        *object = outer;
    }
}

/// Moves a schema's own definitions to the root, under unique names.
fn embed(id: &str, mut schema: Value, defs: &mut Map<String, Value>) -> Value {
    rename(&mut schema, id);
    if let Some(object) = schema.as_object_mut() {
        object.remove("$schema");
        if let Some(Value::Object(own)) = object.remove("$defs") {
            for (name, definition) in own {
                defs.insert(format!("{id}.{name}"), definition);
            }
        }
    }
    schema
}

fn rename(value: &mut Value, id: &str) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                match (key.as_str(), &*value) {
                    ("$ref", Value::String(at)) => {
                        if let Some(name) = at.strip_prefix("#/$defs/") {
                            *value = json!(format!("#/$defs/{id}.{name}"));
                        }
                    }
                    _ => rename(value, id),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, id)),
        _ => {}
    }
}

/// One key of a schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SchemaKey {
    /// The keys that lead to it, joined by dots; `*` stands for a name that the user chooses.
    pub key: String,
    /// The type of its value, in the terms of JSON Schema.
    pub kind: String,
    /// Whether it is required in its mapping.
    pub is_required: bool,
    /// What it means.
    pub description: String,
}

/// Returns every key of a schema that has a value, in alphabetical order.
///
/// Keys that are refused as unsupported are left out.
pub fn schema_keys(schema: &Value) -> Vec<SchemaKey> {
    let mut found = Vec::new();
    walk(schema, schema, &mut Vec::new(), false, "", &mut found);
    found.sort_by(|a, b| a.key.cmp(&b.key));
    found
}

fn walk(
    root: &Value,
    schema: &Value,
    path: &mut Vec<String>,
    is_required: bool,
    description: &str,
    found: &mut Vec<SchemaKey>,
) {
    let Some(schema) = resolve(root, schema).filter(|_| path.len() < DEPTH_LIMIT) else {
        return;
    };
    let properties = schema["properties"].as_object();
    let any_key = schema["patternProperties"]
        .as_object()
        .and_then(|patterns| patterns.iter().find(|(pattern, _)| *pattern != EXTENSIONS))
        .map(|(_, schema)| schema)
        .or_else(|| Some(&schema["additionalProperties"]).filter(|others| others.is_object()));
    if properties.is_none() && any_key.is_none() {
        found.push(SchemaKey {
            key: path.join("."),
            kind: type_of(schema),
            is_required,
            description: description.replace('\n', " "),
        });
        return;
    }
    for (name, property) in properties.into_iter().flatten() {
        if property["type"] == "null" {
            continue;
        }
        let required = schema["required"].as_array();
        let is_required = required.is_some_and(|names| names.iter().any(|own| own == name));
        let description = property["description"].as_str().unwrap_or_default();
        path.push(name.clone());
        walk(root, property, path, is_required, description, found);
        path.pop();
    }
    if let Some(any_key) = any_key {
        path.push("*".to_owned());
        walk(root, any_key, path, false, description, found);
        path.pop();
    }
}

fn type_of(schema: &Value) -> String {
    match &schema["type"] {
        Value::String(own) if own == "array" => "list".to_owned(),
        Value::String(own) => own.clone(),
        Value::Array(several) => {
            let names = several.iter().filter_map(Value::as_str);
            let names: Vec<&str> = names.filter(|own| *own != "null").collect();
            names.join(" or ").replace("array", "list")
        }
        _ => "string".to_owned(),
    }
}
