//! The JSON schema of the whole file, put together from everyone who reads a part of it.

use serde_json::{Map, Value, json};

use super::project::Envelope;
use crate::registry::{Kind, Registry};

/// The schema of `stagecraft.yml` for the providers and steps of a registry.
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
    let clouds = parts(Kind::Cloud, &[]);
    let networks = parts(Kind::Network, &[]);
    let steps = parts(Kind::Step, bootstrap);

    let infra = defs.remove("InfraSection").unwrap_or_default();
    let section = defs.remove("ProviderSection").unwrap_or_default();
    for (key, providers) in [("cloud", clouds), ("network", networks)] {
        let mut own = section.clone();
        own["properties"]["providers"] = providers;
        root["properties"][key] = own;
    }
    root["properties"]["infra"] = infra;
    root["properties"]["infra"]["properties"]["bootstrap"] = steps;
    root["$defs"] = Value::Object(defs);
    root
}

/// Moves a schema's own definitions to the root, under names that no other part has.
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
