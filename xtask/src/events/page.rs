//! The page about `--output json`, a function of the schema alone.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::COMMAND;
use super::fields::{Field, Reader, reference};

/// The page.
///
/// # Errors
///
/// If the schema does not have the form that the program gives it, or an event has no example.
pub(super) fn page(schema: &Value) -> Result<String> {
    let reader = Reader::new(schema).context("the schema has no definitions")?;
    let version = schema["x-version"].as_u64().context("no x-version")?;
    let mut page = Page {
        reader,
        text: String::new(),
    };
    page.push(&format!(
        "<!-- Generated from `stagecraft events schema` by `{COMMAND}`. Do not edit. -->

# What programs read

This is version {version} of what commands print with `--output json`, the `v` of every line and document.
Within one version fields and events may be added, so ignore what you do not know; none is renamed, removed or given another meaning.
`stagecraft events schema` prints the same as a [JSON schema](events.schema.json).

Only results go to standard output, one object a line or one document; what people read goes to standard error.
All fields are always there, with `null` where there is nothing to tell.
None holds a secret, but for those of `sandbox`, which open nothing else.
"
    ));
    page.lines()?;
    page.documents(schema)?;
    page.types()?;
    Ok(page.text)
}

struct Page<'s> {
    reader: Reader<'s>,
    text: String,
}

impl<'s> Page<'s> {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn lines(&mut self) -> Result<()> {
        let line = self.reader.definition("Line").context("no Line")?;
        let examples = line["examples"].as_array().context("no examples")?;
        self.push(
            "## Lines

`infra up` and `infra down` print one object a line while they work.
Any other command that fails prints one such line, the result, in place of its document.
The last line is the only `result`.
Hosts are worked on side by side: the order of lines is fixed within a host, not between hosts.

Every line has these fields before its own:
",
        );
        let stamp = self.reader.fields(line);
        self.table(&stamp);
        for variant in self.reader.variants(line) {
            let name = variant["properties"]["event"]["const"]
                .as_str()
                .context("an event without a name")?;
            let shown: Vec<&Value> = examples
                .iter()
                .filter(|example| example["event"] == name)
                .collect();
            self.push(&format!("### `{name}`\n\n{}\n", description(variant)));
            let fields = self.reader.fields(variant);
            self.table(&fields);
            let fields = [stamp.clone(), fields].concat();
            let forms = self.reader.variants(variant);
            if forms.is_empty() {
                ensure!(shown.len() == 1, "{name}: one example, not {}", shown.len());
                self.example(shown[0], &fields);
                continue;
            }
            ensure!(
                shown.len() == forms.len(),
                "{name}: {} forms, {} examples",
                forms.len(),
                shown.len()
            );
            for (form, example) in forms.iter().zip(shown) {
                self.push(&format!("#### {}\n", description(form)));
                let own = self.reader.fields(form);
                self.table(&own);
                self.example(example, &[fields.clone(), own].concat());
            }
        }
        Ok(())
    }

    fn documents(&mut self, schema: &'s Value) -> Result<()> {
        self.push(
            "## Documents

These commands print one object and nothing else.
`config schema` and `events schema` print a JSON schema, `completions` a script.
",
        );
        let documents = schema["x-documents"]
            .as_object()
            .context("no x-documents")?;
        let mut documents: Vec<_> = documents.iter().collect();
        documents.sort_by_key(|(command, _)| command.as_str());
        for (command, document) in documents {
            let definition = reference(document)
                .and_then(|name| self.reader.definition(name))
                .with_context(|| format!("{command}: no definition"))?;
            let example = definition["examples"]
                .get(0)
                .with_context(|| format!("{command}: no example"))?;
            self.push(&format!("### `{command}`\n\n{}\n", description(definition)));
            let fields = self.reader.fields(definition);
            self.table(&fields);
            self.example(example, &fields);
        }
        Ok(())
    }

    /// Every definition to which a table refers.
    fn types(&mut self) -> Result<()> {
        self.push("## Types\n");
        let mut parts = Vec::new();
        for name in self.reader.names() {
            let definition = self.reader.definition(name).context("no definition")?;
            let mut part = Page {
                reader: self.reader,
                text: String::new(),
            };
            part.definition(name, definition);
            parts.push((link(name), part.text));
        }
        // Nothing links to types that are described above as an event or a document.
        let above = self.text.clone();
        for (link, part) in &parts {
            let mut others = parts.iter().filter(|(other, _)| other != link);
            if above.contains(link) || others.any(|(_, text)| text.contains(link)) {
                self.text.push_str(part);
            }
        }
        self.text.truncate(self.text.trim_end().len());
        self.text.push('\n');
        Ok(())
    }

    fn definition(&mut self, name: &str, definition: &'s Value) {
        self.push(&format!("### {name}\n\n{}\n", description(definition)));
        let fields = self.reader.fields(definition);
        self.table(&fields);
        let variants = self.reader.variants(definition);
        if variants.is_empty() {
            return;
        }
        if let Some(other) = self.reader.named(variants).filter(|other| *other != name) {
            self.push(&format!("And the fields of {}.\n", link(other)));
        } else if variants.iter().all(|variant| variant["const"].is_string()) {
            self.push("| value | meaning |\n|---|---|");
            for variant in variants {
                let value = variant["const"].as_str().unwrap_or_default();
                self.push(&format!("| `{value}` | {} |", cell(description(variant))));
            }
            self.push("");
        } else {
            for variant in variants {
                self.variant(variant);
            }
        }
    }

    /// One form of an object that has several, distinguished by a field.
    fn variant(&mut self, variant: &'s Value) {
        let (tags, fields): (Vec<_>, Vec<_>) = self
            .reader
            .fields(variant)
            .into_iter()
            .partition(|field| field.schema["const"].is_string());
        let tags: Vec<String> = tags
            .iter()
            .map(|tag| format!("`{}` {}: ", tag.name, type_of(tag.schema)))
            .collect();
        self.push(&format!("{}{}\n", tags.concat(), description(variant)));
        self.table(&fields);
    }

    fn table(&mut self, fields: &[Field<'_>]) {
        let fields = fields.iter().filter(|field| field.name != "event");
        let mut rows = String::new();
        for Field { name, schema } in fields {
            let unit = schema["x-unit"].as_str().unwrap_or_default();
            writeln!(
                rows,
                "| `{name}` | {} | {unit} | {} |",
                type_of(schema),
                cell(description(schema))
            )
            .expect("writing to a string cannot fail");
        }
        if !rows.is_empty() {
            self.push("| field | type | unit | meaning |\n|---|---|---|---|");
            self.push(&rows);
        }
    }

    fn example(&mut self, example: &Value, fields: &[Field<'s>]) {
        let line = self.reader.print(example, fields);
        self.push(&format!("```json\n{line}\n```\n"));
    }
}

fn description(schema: &Value) -> &str {
    schema["description"].as_str().unwrap_or_default()
}

/// Text for a cell of a table: one line, no column marks.
fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

/// A link to a type's part of the page.
fn link(name: &str) -> String {
    format!("[{name}](#{})", name.to_lowercase())
}

/// What a value is, with links to the types described below.
fn type_of(schema: &Value) -> String {
    if let Some(name) = reference(schema) {
        return link(name);
    }
    if let Some(value) = schema.get("const") {
        return format!("`{value}`");
    }
    let either = schema["anyOf"].as_array().or(schema["oneOf"].as_array());
    if let Some(either) = either {
        let types: Vec<String> = either.iter().map(type_of).collect();
        return types.join(" or ");
    }
    match &schema["type"] {
        Value::Array(types) => {
            let types: Vec<&str> = types.iter().filter_map(Value::as_str).collect();
            types.join(" or ")
        }
        Value::String(name) if name == "array" => format!("array of {}", type_of(&schema["items"])),
        Value::String(name) if name == "object" => {
            format!(
                "object of {} by name",
                type_of(&schema["additionalProperties"])
            )
        }
        Value::String(name) => match schema["format"].as_str() {
            Some("date-time") => "RFC 3339 time".to_owned(),
            _ => name.clone(),
        },
        _ => "any".to_owned(),
    }
}
