//! `stagecraft init`.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use stagecraft_core::{
    EnvironmentName, Error, ErrorKind, HostName, NamePattern, Naming, ProjectName,
};
use tokio_util::sync::CancellationToken;

use crate::args::{DEFAULT_CONFIG, GlobalArgs, InitArgs, OTHER_CONFIG};
use crate::exit::Exit;
use crate::output::{GREEN, Output, RESET};
use crate::wire;

/// Most letters of a directory's name used for the project: the names of its hosts have at most 63.
const MOST: usize = 40;

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
    let text = text(&name);
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
    // In this directory, even if one above has a file.
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

/// The content of a project's file.
fn text(name: &ProjectName) -> String {
    let text = TEMPLATE.replace("PROJECT", name.as_str());
    text.replace("PATTERN", &pattern(name).to_string())
}

/// The simplest name pattern with the project in it that fits the hosts of the file.
fn pattern(name: &ProjectName) -> NamePattern {
    let environment = EnvironmentName::new("staging").expect("it is a name");
    let host = HostName::new("app-1").expect("it is a name");
    let patterns = ["{project}-{env}-{host}", "{project}--{env}-{host}"];
    let mut patterns = patterns.iter().filter_map(|pattern| pattern.parse().ok());
    let fits = |pattern: &NamePattern| {
        let naming = Naming::new(Some(name.clone()), pattern.clone());
        naming.node(&environment, &host).is_ok()
    };
    // A name that is too long, or contains `--`, still fits the default one.
    patterns.find(fits).unwrap_or_default()
}

/// The directory's name, converted to a valid project name.
fn directory_name() -> String {
    let directory = std::env::current_dir().ok();
    let name = directory
        .as_deref()
        .and_then(|path| path.file_name())
        .map(|name| name.to_string_lossy().to_ascii_lowercase())
        .unwrap_or_default();
    sanitised(&name)
}

/// Lower-case letters and digits, with one `-` for everything between them.
fn sanitised(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let name: String = words.join("-").chars().take(MOST).collect();
    match name.trim_end_matches('-') {
        "" => "app".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use stagecraft_core::config::{Document, Project};

    use super::*;

    #[test]
    fn template_is_a_valid_project_whatever_its_name() {
        let long = "p".repeat(60);
        for (name, pattern) in [
            ("shop", "{project}-{env}-{host}"),
            ("web-shop", "{project}--{env}-{host}"),
            ("staging", "{project}--{env}-{host}"),
            ("a--b", "{env}-{host}"),
            (long.as_str(), "{env}-{host}"),
        ] {
            let name = ProjectName::new(name).unwrap();
            let document = Document::new("stagecraft.yml", text(&name)).unwrap();
            let project = Project::new(document).unwrap();
            assert_eq!(project.name(), Some(&name));
            assert_eq!(project.cloud().unwrap(), "digitalocean");
            assert_eq!(project.naming().pattern().to_string(), pattern);
        }
    }

    #[test]
    fn any_directory_gives_a_project_name() {
        for (directory, name) in [
            ("my shop", "my-shop"),
            ("__my__shop.v2__", "my-shop-v2"),
            ("münchen", "m-nchen"),
            ("店", "app"),
            ("", "app"),
        ] {
            assert_eq!(sanitised(directory), name);
        }
        let long = sanitised(&"ab-".repeat(30));
        assert!(
            ProjectName::new(long.clone()).is_ok() && long.len() <= MOST,
            "{long}"
        );
    }
}
