//! Saved plans.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

use anyhow::Context as _;
use stagecraft_core::{EnvironmentName, Error, ErrorKind, PlanMode, SAVED_PLAN_LIMIT, SavedPlan};
use tempfile::NamedTempFile;

use crate::output::{GREEN, Output, RESET};

/// What to do with a saved plan.
#[derive(Debug, Clone, Copy)]
pub(super) enum Next {
    /// `up` applies it.
    Up,
    /// `up` applies it if drift may stay.
    UpAllowingDiffer,
    /// It deletes, which no saved plan does.
    Review,
    /// It would be refused.
    Refused,
}

impl Next {
    pub(super) fn of(saved: &SavedPlan, is_refused: bool) -> Self {
        let plan = saved.plan();
        match plan.mode {
            _ if is_refused => Self::Refused,
            PlanMode::Reconcile if plan.differ.is_empty() => Self::Up,
            PlanMode::Reconcile => Self::UpAllowingDiffer,
            _ => Self::Review,
        }
    }
}

/// Writes a plan atomically, readable by its owner only.
///
/// Replaces an existing file. Anything else at the path, such as a device, stays.
pub(super) fn write(
    saved: &SavedPlan,
    path: &Path,
    is_dry_run: bool,
    next: Next,
    output: Output,
) -> anyhow::Result<()> {
    let shown = path.display();
    let id = saved.plan().id();
    let id = &id[..12];
    if is_dry_run {
        output.message(&format!("dry run: plan {id} is not written to {shown}"));
        return Ok(());
    }
    let cannot = || format!("cannot write the plan to {shown}");
    if std::fs::symlink_metadata(path).is_ok_and(|there| !there.is_file()) {
        anyhow::bail!("{}: it is there and no plain file", cannot());
    }
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut file = NamedTempFile::new_in(directory).with_context(cannot)?;
    file.write_all(&saved.encode()).with_context(cannot)?;
    file.as_file().sync_all().with_context(cannot)?;
    file.persist(path)
        .map_err(|error| error.error)
        .with_context(cannot)?;
    let next = match next {
        Next::Up => format!("\nnext: stagecraft infra up --plan {shown}"),
        Next::UpAllowingDiffer => {
            format!("\nnext: stagecraft infra up --plan {shown} --allow-differ")
        }
        Next::Review => ", for review".to_owned(),
        Next::Refused => ", for review: it cannot be carried out as it is".to_owned(),
    };
    output.message(&format!("{GREEN}wrote{RESET} plan {id} to {shown}{next}"));
    Ok(())
}

/// Reads a plan that `up` may apply, for the given environment if there is one.
pub(super) fn read(
    path: &Path,
    environment: Option<&EnvironmentName>,
) -> anyhow::Result<SavedPlan> {
    let shown = path.display();
    let mut bytes = Vec::new();
    // One byte above the limit is enough to detect an excess.
    let limit = SAVED_PLAN_LIMIT as u64 + 1;
    File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .with_context(|| {
            format!("cannot read the plan {shown}: write one with `stagecraft infra plan --out`")
        })?;
    let saved = SavedPlan::decode(&bytes).map_err(|error| {
        let hint = error.hint().map(str::to_owned).unwrap_or_default();
        Error::new(error.kind(), format!("{shown} cannot be carried out"))
            .with_hint(hint)
            .with_source(error)
    })?;
    let plan = saved.plan();
    if let Some(named) = environment
        && *named != plan.environment
    {
        return Err(Error::new(
            ErrorKind::Config,
            format!(
                "{shown} is a plan for `{}`, not for `{named}`",
                plan.environment
            ),
        )
        .with_hint("leave --env and STAGECRAFT_ENV out, or plan again")
        .into());
    }
    if plan.mode != PlanMode::Reconcile || !plan.delete.is_empty() {
        return Err(Error::new(
            ErrorKind::Guard,
            format!("{shown} is a plan that deletes hosts, and `up` never deletes"),
        )
        .with_hint("`stagecraft infra down` deletes, and asks for the environment's name")
        .into());
    }
    Ok(saved)
}
