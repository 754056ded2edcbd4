//! Reads a JSON schema: which fields an object has, in the order in which they are printed.

use serde_json::{Map, Value};

/// One field of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field<'s> {
    pub(super) name: &'s str,
    pub(super) schema: &'s Value,
}

/// A schema with the definitions that it refers to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'s> {
    definitions: &'s Map<String, Value>,
}

impl<'s> Reader<'s> {
    /// `None` if the schema has no definitions.
    pub(super) fn new(schema: &'s Value) -> Option<Self> {
        let definitions = schema["$defs"].as_object()?;
        Some(Self { definitions })
    }

    /// The definition of a name.
    pub(super) fn definition(self, name: &str) -> Option<&'s Value> {
        self.definitions.get(name)
    }

    /// The names of all definitions, sorted.
    pub(super) fn names(self) -> Vec<&'s str> {
        let mut names: Vec<&str> = self.definitions.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// The fields that an object always has: its own in the order of printing, then those of the
    /// definition that it includes.
    pub(super) fn fields(self, schema: &'s Value) -> Vec<Field<'s>> {
        let mut fields = own_fields(schema);
        if let Some(included) = self.included(schema) {
            fields.extend(self.fields(included));
        }
        fields
    }

    /// The possible forms of a value: variants of an enum.
    pub(super) fn variants(self, schema: &'s Value) -> &'s [Value] {
        let own = ["oneOf", "anyOf"]
            .into_iter()
            .find_map(|key| schema[key].as_array());
        match (own, self.included(schema)) {
            (Some(own), _) => own,
            (None, Some(included)) => self.variants(included),
            (None, None) => &[],
        }
    }

    /// The name of the definition that has exactly these forms.
    pub(super) fn named(self, variants: &[Value]) -> Option<&'s str> {
        let mut names = self.names().into_iter();
        names.find(|name| {
            let definition = &self.definitions[*name];
            own_fields(definition).is_empty() && self.variants(definition) == variants
        })
    }

    /// A value with its fields in the given order, on one line.
    pub(super) fn print(self, value: &Value, fields: &[Field<'s>]) -> String {
        let Value::Object(object) = value else {
            return value.to_string();
        };
        let place = |key: &str| fields.iter().position(|field| field.name == key);
        let mut keys: Vec<&str> = object.keys().map(String::as_str).collect();
        keys.sort_by_key(|key| (place(key).unwrap_or(usize::MAX), *key));
        let parts = keys.into_iter().map(|key| {
            let below = place(key).map_or(&Value::Null, |index| fields[index].schema);
            let value = self.print_by(&object[key], below);
            format!("{}:{value}", Value::from(key))
        });
        format!("{{{}}}", parts.collect::<Vec<_>>().join(","))
    }

    fn print_by(self, value: &Value, schema: &'s Value) -> String {
        match value {
            Value::Array(list) => {
                let entries = list
                    .iter()
                    .map(|entry| self.print_by(entry, &schema["items"]));
                format!("[{}]", entries.collect::<Vec<_>>().join(","))
            }
            other => self.print(other, &self.known(schema)),
        }
    }

    /// All fields that an object may have, whatever its form.
    fn known(self, schema: &'s Value) -> Vec<Field<'s>> {
        let mut fields = own_fields(schema);
        if let Some(included) = self.included(schema) {
            fields.extend(self.known(included));
        }
        for key in ["oneOf", "anyOf"] {
            for variant in schema[key].as_array().into_iter().flatten() {
                fields.extend(self.known(variant));
            }
        }
        fields
    }

    fn included(self, schema: &'s Value) -> Option<&'s Value> {
        self.definition(reference(schema)?)
    }
}

/// The name of the definition that a schema refers to.
pub(super) fn reference(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.strip_prefix("#/$defs/")
}

/// `required` keeps the order of printing; all fields are always there.
fn own_fields(schema: &Value) -> Vec<Field<'_>> {
    let names = schema["required"].as_array().into_iter().flatten();
    names
        .filter_map(Value::as_str)
        .filter_map(|name| {
            let schema = schema["properties"].get(name)?;
            Some(Field { name, schema })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({ "$defs": {
            "Line": {
                "properties": { "seq": { "type": "integer" } },
                "required": ["seq"],
                "oneOf": [{
                    "$ref": "#/$defs/Plan",
                    "properties": { "event": { "const": "planned" } },
                    "required": ["event"],
                }],
            },
            "Plan": {
                "properties": { "id": {}, "hosts": { "items": { "$ref": "#/$defs/Host" } } },
                "required": ["id", "hosts"],
            },
            "Host": { "properties": { "a": {}, "z": {} }, "required": ["z", "a"] },
        }})
    }

    #[test]
    fn included_fields_follow_the_own_ones() {
        let schema = schema();
        let reader = Reader::new(&schema).unwrap();
        let line = reader.definition("Line").unwrap();
        let variant = &reader.variants(line)[0];
        let names: Vec<&str> = reader.fields(variant).iter().map(|f| f.name).collect();
        assert_eq!(names, ["event", "id", "hosts"]);
    }

    #[test]
    fn values_are_printed_in_the_order_of_the_schema() {
        let schema = schema();
        let reader = Reader::new(&schema).unwrap();
        let line = reader.definition("Line").unwrap();
        let fields = [
            reader.fields(line),
            reader.fields(&reader.variants(line)[0]),
        ];
        let value = json!({ "id": 1, "hosts": [{ "a": 1, "z": 2 }], "event": "planned", "seq": 0 });
        assert_eq!(
            reader.print(&value, &fields.concat()),
            r#"{"seq":0,"event":"planned","id":1,"hosts":[{"z":2,"a":1}]}"#
        );
    }

    #[test]
    fn forms_are_found_again_under_their_name() {
        let forms = json!([{ "const": "a" }]);
        let schema = json!({ "$defs": {
            "Form": { "oneOf": forms },
            "Report": { "oneOf": forms, "properties": { "x": {} }, "required": ["x"] },
        }});
        let reader = Reader::new(&schema).unwrap();
        assert_eq!(reader.named(forms.as_array().unwrap()), Some("Form"));
        assert_eq!(reader.named(&[]), None);
    }
}
