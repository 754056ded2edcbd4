//! `stagecraft infra unlock`.

use stagecraft_core::{Confirmation, EnvironmentName, Run};

use super::confirm::Question;
use crate::args::{GlobalArgs, UnlockArgs};
use crate::commands::start_run;
use crate::exit::Exit;
use crate::output::Output;
use crate::progress::Progress;
use crate::{load, render, wire};

pub(super) async fn run(
    global: &GlobalArgs,
    args: &UnlockArgs,
    output: Output,
) -> anyhow::Result<Exit> {
    let loaded = load::load(global)?;
    let environment = loaded.environment(global.env.as_ref())?;
    let engine = loaded.engine(false)?;
    let progress = Progress::new(output);
    let run = start_run(progress.sink(), &loaded);
    let state = engine.lease(&run, &environment).await?;
    let outcome = match &state {
        None => {
            progress.finish();
            // Without a lease it is an environment of the file, or it was mistyped.
            loaded.declared_environment(Some(&environment))?;
            tell(output, &format!("{environment} is not locked\n"));
            wire::Outcome::Done
        }
        Some(state) => {
            let why = state.gone.as_deref().unwrap_or("it may be alive");
            progress.finish();
            tell(
                output,
                &format!("{environment} is locked by {}: {why}\n", state.marker),
            );
            if global.dry_run {
                wire::Outcome::DryRun
            } else {
                if state.gone.is_none() && !args.force {
                    // Refused before asking.
                    engine.break_lease(&run, state, false).await?;
                }
                let account = loaded.cloud.account(&run, &environment).await?;
                let text = format!(
                    "Break the lease in account {}?",
                    render::account_text(&account)
                );
                confirm(text, args, &environment, output, &progress, &run).await?;
                engine.break_lease(&run, state, args.force).await?;
                tell(output, "unlocked\n");
                wire::Outcome::Done
            }
        }
    };
    if output.is_json() {
        let is_unlocked = state.is_some() && !global.dry_run;
        let result = wire::UnlockResult::new(&environment, state.as_ref(), is_unlocked);
        progress.result(Exit::Done, outcome, wire::Body::Unlock(result));
    }
    Ok(Exit::Done)
}

async fn confirm(
    text: String,
    args: &UnlockArgs,
    environment: &EnvironmentName,
    output: Output,
    progress: &Progress,
    run: &Run,
) -> anyhow::Result<Confirmation> {
    let question = Question {
        text,
        about: "whether to break the lease",
        nothing: "the lease was not broken",
    };
    question
        .confirm(
            args.confirm.confirm.as_deref(),
            environment,
            output,
            progress,
            run,
        )
        .await
}

/// Prints a message for people. Programs read all of it in the result.
fn tell(output: Output, text: &str) {
    if !output.is_json() {
        output.text(text);
    }
}
