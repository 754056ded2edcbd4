//! `stagecraft config show`.

use serde_json::{Value, json};
use stagecraft_core::config::{Location, Origin, Setting, nearest, to_yaml, tree};
use stagecraft_core::{Error, ErrorKind};

use crate::args::{GlobalArgs, ShowArgs};
use crate::exit::Exit;
use crate::load::{self, Shown, variable_of};
use crate::output::{BOLD, DIM, Output, RESET};

pub(super) fn run(global: &GlobalArgs, args: &ShowArgs, output: Output) -> anyhow::Result<Exit> {
    let shown = load::show(global)?;
    if let Some(key) = &args.why {
        let setting = find(&shown, key)?;
        if output.is_json() {
            output.document(&to_json(setting, &shown));
        } else {
            output.text(&why(setting, &shown));
        }
    } else if output.is_json() {
        let settings: Vec<Value> = shown
            .settings
            .iter()
            .map(|setting| to_json(setting, &shown))
            .collect();
        output.document(&json!({ "config": tree(&shown.settings), "settings": settings }));
    } else {
        output.text(&to_yaml(&tree(&shown.settings)));
    }
    Ok(Exit::Done)
}

/// The setting of a key. A key above several of them is no setting.
fn find<'s>(shown: &'s Shown, key: &str) -> anyhow::Result<&'s Setting> {
    let keys: Vec<String> = shown.settings.iter().map(Setting::key).collect();
    if let Some(at) = keys.iter().position(|own| own == key) {
        return Ok(&shown.settings[at]);
    }
    let mut below: Vec<&str> = keys
        .iter()
        .filter_map(|own| own.strip_prefix(key)?.strip_prefix('.')?.split('.').next())
        .collect();
    below.dedup();
    let error = Error::new(ErrorKind::Config, format!("no setting `{key}`"));
    let error = if !below.is_empty() {
        error.with_hint(format!("below it there are: {}", below.join(", ")))
    } else if let Some(near) = nearest(key, keys.iter().map(String::as_str)) {
        error.with_hint(format!("did you mean `{near}`?"))
    } else {
        error.with_hint("`stagecraft config show` lists all of them")
    };
    Err(error.into())
}

fn why(setting: &Setting, shown: &Shown) -> String {
    let value = match &setting.value {
        Value::Null => format!("{DIM}not set{RESET}"),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let place =
        |location: &Location| format!("{}:{}:{}", shown.file, location.line, location.column);
    let put_in = |variables: &[String]| match variables {
        [] => String::new(),
        several => format!(", with ${{{}}}", several.join("}, ${")),
    };
    let origin = match (&setting.origin, variable_of(setting)) {
        (Origin::Default, Some(variable)) => format!("variable {variable}"),
        (Origin::Default, None) if setting.value.is_null() => {
            "nowhere: it has no default".to_owned()
        }
        (Origin::Default, None) => "default".to_owned(),
        (
            Origin::File {
                location,
                variables,
            },
            _,
        ) => format!("{}{}", place(location), put_in(variables)),
        (
            Origin::Key {
                path,
                location,
                variables,
            },
            _,
        ) => {
            let at = location.as_ref().map_or("its default".to_owned(), place);
            format!("{} at {at}{}", path.join("."), put_in(variables))
        }
    };
    format!(
        "{BOLD}{}{RESET} = {value}\n  from {origin}\n",
        setting.key()
    )
}

fn to_json(setting: &Setting, shown: &Shown) -> Value {
    let mut value = json!({ "key": setting.key(), "value": setting.value });
    let (source, location, variables) = match &setting.origin {
        Origin::File {
            location,
            variables,
        } => ("file", Some(location), variables.as_slice()),
        Origin::Key {
            path,
            location,
            variables,
        } => {
            value["taken_from"] = json!(path.join("."));
            ("key", location.as_ref(), variables.as_slice())
        }
        Origin::Default => ("default", None, &[][..]),
    };
    value["source"] = json!(source);
    if let (Origin::Default, Some(variable)) = (&setting.origin, variable_of(setting)) {
        value["source"] = json!("variable");
        value["variables"] = json!([variable]);
    }
    if let Some(location) = location {
        value["file"] = json!(shown.file);
        value["line"] = json!(location.line);
        value["column"] = json!(location.column);
    }
    if !variables.is_empty() {
        value["variables"] = json!(variables);
    }
    value
}
