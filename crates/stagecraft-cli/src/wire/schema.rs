//! The JSON schema of everything that programs read.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::document::{
    ConfigDocument, HostsDocument, InitDocument, PlanDocument, ProvidersDocument, SandboxDocument,
    VersionDocument,
};
use super::line::Line;
use super::setting::{ShowDocument, WhyDocument};
use super::{VERSION, examples};

/// The schema. A line is a `#/$defs/Line`; `x-documents` tells what each command prints that
/// has one answer.
pub(crate) fn schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator();
    let line = generator.subschema_for::<Line>().to_value();
    let mut documents = Map::new();
    let mut document = |command: &str, schema: Value| documents.insert(command.to_owned(), schema);
    document("config show", of::<ShowDocument>(&mut generator));
    document("config show --why", of::<WhyDocument>(&mut generator));
    document("config validate", of::<ConfigDocument>(&mut generator));
    document("infra hosts", of::<HostsDocument>(&mut generator));
    document("infra plan", of::<PlanDocument>(&mut generator));
    document("init", of::<InitDocument>(&mut generator));
    document("providers", of::<ProvidersDocument>(&mut generator));
    document("sandbox", of::<SandboxDocument>(&mut generator));
    document("version", of::<VersionDocument>(&mut generator));
    let mut definitions = generator.take_definitions(true);
    for (name, examples) in examples::all() {
        if let Some(Value::Object(definition)) = definitions.get_mut(&name) {
            definition.insert("examples".to_owned(), examples);
        }
    }
    let all: Vec<&Value> = std::iter::once(&line).chain(documents.values()).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What stagecraft prints with --output json",
        "x-version": VERSION,
        "anyOf": all,
        "x-line": line,
        "x-documents": documents,
        "$defs": definitions,
    })
}

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The `event`s that a list of schemas or examples names.
    fn names(list: &Value, pointer: &str) -> BTreeSet<String> {
        let list = list.as_array().unwrap().iter();
        list.map(|entry| entry.pointer(pointer).unwrap().as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn every_event_has_an_example() {
        let schema = schema();
        let line = &schema["$defs"]["Line"];
        let events = names(&line["oneOf"], "/properties/event/const");
        assert!(events.contains("planned") && events.contains("result"));
        assert_eq!(names(&line["examples"], "/event"), events);
    }

    #[test]
    fn every_example_is_valid_by_its_own_schema() {
        let schema = schema();
        let mut checked = 0;
        for (name, definition) in schema["$defs"].as_object().unwrap() {
            let mut schemas = boon::Schemas::new();
            let mut compiler = boon::Compiler::new();
            compiler.add_resource("s.json", schema.clone()).unwrap();
            let id = format!("s.json#/$defs/{name}");
            let id = compiler.compile(&id, &mut schemas).unwrap();
            for example in definition["examples"].as_array().into_iter().flatten() {
                if let Err(error) = schemas.validate(example, id) {
                    panic!("{name}: {error:#}");
                }
                checked += 1;
            }
        }
        assert!(checked > 20, "{checked}");
    }

    #[test]
    fn every_field_and_event_is_described() {
        fn check(value: &Value, place: &str) {
            if let Some(properties) = value["properties"].as_object() {
                for (name, property) in properties {
                    let told = property["description"].is_string() || property["const"].is_string();
                    assert!(told, "{place}: {name}");
                }
            }
            for list in ["oneOf", "anyOf"] {
                for entry in value[list].as_array().into_iter().flatten() {
                    assert!(entry["description"].is_string(), "{place}: {entry}");
                    check(entry, place);
                }
            }
        }
        for (name, definition) in schema()["$defs"].as_object().unwrap() {
            check(definition, name);
        }
    }
}
