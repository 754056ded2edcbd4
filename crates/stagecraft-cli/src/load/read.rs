//! Reads the file and finds the errors of its envelope.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use stagecraft_core::config::{ConfigError, ConfigErrors, Document, Project};
use stagecraft_core::{Error, ErrorKind, Lookup};

use crate::args::{GlobalArgs, OTHER_CONFIG};
use crate::environment::ProcessEnvironment;
use crate::lookup::{ProjectLookup, read_bounded};

/// A parsed file with the errors of its envelope.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) project: Project,
    pub(super) lookup: Arc<ProjectLookup>,
    pub(super) flaws: Vec<ConfigError>,
}

/// Reads a file. Fails if its envelope has errors.
pub(crate) fn read_project(path: &Path) -> anyhow::Result<Project> {
    let read = read(path)?;
    match ConfigErrors::new(read.flaws) {
        Some(errors) => Err(Error::from(errors).into()),
        None => Ok(read.project),
    }
}

/// Reads the file, and the variables that it refers to.
pub(super) fn read(path: &Path) -> anyhow::Result<Read> {
    // One byte above the document's limit: the parser reports the excess with its place.
    let bytes = read_bounded(path, 2 * 1024 * 1024).map_err(|cause| {
        let message = format!("cannot read {}", path.display());
        let error = Error::new(ErrorKind::Config, message);
        let error = if cause.kind() == std::io::ErrorKind::NotFound {
            error.with_hint("write one with `stagecraft init`, or name another by --config; without --config stagecraft.yml and stagecraft.yaml are looked for here and in the directories above")
        } else {
            error
        };
        error.with_source(cause)
    })?;
    let text = String::from_utf8(bytes)
        .with_context(|| format!("{} is not a text in UTF-8", path.display()))?;
    let document = Document::new(path.display().to_string(), text).map_err(Error::from)?;
    let document = document.with_variables(Arc::new(ProcessEnvironment));
    let mut lookup = ProjectLookup::new(path.parent().unwrap_or(Path::new("")).to_path_buf());
    let mut flaws = Vec::new();
    // Errors of the key itself are reported with the rest of the envelope.
    let named: Option<PathBuf> = document.parse(&["env_file"]).ok().flatten();
    if let Some(named) = &named
        && let Err(message) = lookup.read_env_file(named)
    {
        let message = format!("{}: {message}", named.display());
        flaws.push(document.error(&["env_file"], message));
    }
    let lookup = Arc::new(lookup);
    let document = document.with_variables(Arc::clone(&lookup) as Arc<dyn Lookup>);
    let project = match Project::new(document.clone()) {
        Ok(project) => {
            if project.env_file() != named.as_deref() {
                let message = "must not depend on a variable of the file that it names";
                flaws.push(document.error(&["env_file"], message));
            }
            project
        }
        Err(errors) => {
            flaws.extend(errors);
            Project::salvage(document)
        }
    };
    Ok(Read {
        project,
        lookup,
        flaws,
    })
}

/// Refuses to choose between the two spellings of the file's name in one directory.
pub(super) fn refuse_two(global: &GlobalArgs) -> anyhow::Result<()> {
    let other = global.config.with_file_name(OTHER_CONFIG);
    if global.named_config.is_some() || global.config == other || !other.is_file() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Config,
        format!(
            "both {} and {} exist",
            global.config.display(),
            other.display()
        ),
    )
    .with_hint("name the one that is meant by --config, or remove the other")
    .into())
}
