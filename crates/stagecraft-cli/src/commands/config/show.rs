//! `stagecraft config show`.

use serde_json::Value;
use stagecraft_core::config::{Location, Origin, Setting, nearest, to_yaml, tree};
use stagecraft_core::{Error, ErrorKind};

use crate::args::{GlobalArgs, ShowArgs};
use crate::exit::Exit;
use crate::output::{BOLD, DIM, Output, RESET};
use crate::settings::{self, Shown, variable_of};
use crate::wire;

pub(super) fn run(global: &GlobalArgs, args: &ShowArgs, output: Output) -> anyhow::Result<Exit> {
    let shown = settings::show(global)?;
    if let Some(key) = &args.why {
        let setting = find(&shown, key)?;
        if output.is_json() {
            output.document(&wire::WhyDocument::new(to_wire(setting, &shown)));
        } else {
            output.text(&why(setting, &shown));
        }
    } else if output.is_json() {
        let settings = shown.settings.iter();
        let settings = settings.map(|setting| to_wire(setting, &shown)).collect();
        let config = tree(&shown.settings);
        output.document(&wire::ShowDocument::new(config, settings));
    } else {
        output.text(&to_yaml(&tree(&shown.settings)));
    }
    Ok(Exit::Done)
}

/// Finds the setting of a key. A key that contains several settings is not one itself.
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

fn to_wire(setting: &Setting, shown: &Shown) -> wire::Setting {
    wire::Setting::new(setting, &shown.file, variable_of(setting))
}
