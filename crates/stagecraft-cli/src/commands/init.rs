//! `stagecraft init`.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use stagecraft_core::{Error, ErrorKind, ProjectName};
use tokio_util::sync::CancellationToken;

use crate::args::{DEFAULT_CONFIG, GlobalArgs, InitArgs, OTHER_CONFIG};
use crate::exit::Exit;
use crate::output::{GREEN, Output, RESET};
use crate::wire;

const TEMPLATE: &str = include_str!("init/stagecraft.yml");

pub(super) async fn run(
    global: &GlobalArgs,
    args: &InitArgs,
    output: Output,
) -> anyhow::Result<Exit> {
    let default = directory_name();
    let name = match &args.project {
        Some(name) => name.clone(),
        None if output.can_ask() => output
            .ask(
                &format!("Name of the project [{default}]:"),
                &CancellationToken::new(),
            )
            .await
            .filter(|answer| !answer.is_empty())
            .unwrap_or(default),
        None => default,
    };
    let name = ProjectName::new(name).map_err(|error| {
        Error::new(ErrorKind::Config, error.to_string()).with_hint("give one by --project")
    })?;
    let text = TEMPLATE.replace("PROJECT", name.as_str());
    if global.dry_run {
        if output.is_json() {
            output.document(&wire::InitDocument::dry_run(text));
        } else {
            output.text(&text);
        }
        return Ok(Exit::Done);
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(!args.force);
    if args.force {
        options.create(true).truncate(true);
    }
    // Here, also where a directory above has one.
    let path = global
        .named_config
        .as_deref()
        .unwrap_or(Path::new(DEFAULT_CONFIG));
    let other = Path::new(OTHER_CONFIG);
    if global.named_config.is_none() && other.exists() {
        return Err(Error::new(
            ErrorKind::Config,
            format!("{OTHER_CONFIG} exists, which is read as {DEFAULT_CONFIG} is"),
        )
        .with_hint("rename or remove it, or write another file by --config")
        .into());
    }
    let mut file = options.open(path).with_context(|| {
        if path.exists() {
            format!("{} exists: --force writes over it", path.display())
        } else {
            format!("cannot write {}", path.display())
        }
    })?;
    file.write_all(text.as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))?;
    if output.is_json() {
        output.document(&wire::InitDocument::written(path));
    } else {
        output.message(&format!(
            "{GREEN}wrote{RESET} {}\nnext: stagecraft sandbox -- stagecraft infra up --yes",
            path.display()
        ));
    }
    Ok(Exit::Done)
}

/// The directory's name, as far as it can be a project's.
fn directory_name() -> String {
    let directory = std::env::current_dir().ok();
    let name = directory
        .as_deref()
        .and_then(|path| path.file_name())
        .map(|name| name.to_string_lossy().to_ascii_lowercase())
        .unwrap_or_default();
    let name: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(40)
        .collect();
    let name = name.trim_matches('-');
    if name.is_empty() {
        "app".to_owned()
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use stagecraft_core::config::{Document, Project};

    use super::*;

    #[test]
    fn template_is_a_valid_project() {
        let text = TEMPLATE.replace("PROJECT", "shop");
        let project = Project::new(Document::new("stagecraft.yml", text).unwrap()).unwrap();
        assert_eq!(project.name().map(ProjectName::as_str), Some("shop"));
        assert_eq!(project.cloud().unwrap(), "digitalocean");
    }
}
