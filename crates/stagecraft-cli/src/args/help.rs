//! What help and mistakes on the command line show.

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command};

/// Verbs that delete, or lift what keeps from deleting. A mistyped word is never taken for one.
const DANGEROUS: [&str; 6] = ["down", "prune", "reap", "replace", "unlock", "unprotect"];

const ALL: &[&str] = &["config", "env", "output", "dry_run", "verbose"];

/// Commands, and the global options that do nothing there. They are accepted, since a variable
/// may set them for all commands, but help does not offer them.
const WITHOUT_EFFECT: &[(&[&str], &[&str])] = &[
    (&["init"], &["env", "verbose"]),
    (&["config", "validate"], &["dry_run", "verbose"]),
    (&["config", "show"], &["dry_run", "verbose"]),
    (&["config", "schema"], ALL),
    (&["providers"], &["config", "env", "dry_run", "verbose"]),
    (&["events", "schema"], ALL),
    (&["infra", "plan"], &["dry_run"]),
    (&["sandbox"], &["dry_run"]),
    (&["completions"], ALL),
    (&["version"], &["config", "env", "dry_run", "verbose"]),
];

/// The command line with all its parts, which offers options only where they have an effect.
pub(super) fn finished(command: Command) -> Command {
    let hidden = |command: &Command, options: &[&str]| -> Vec<Arg> {
        let global = command.get_arguments();
        let global = global.filter(|arg| options.contains(&arg.get_id().as_str()));
        global.map(|arg| arg.clone().hide(true)).collect()
    };
    WITHOUT_EFFECT
        .iter()
        .fold(command, |command, (path, options)| {
            let hidden = hidden(&command, options);
            place(command, path, hidden)
        })
}

/// Gives a command options of its own, which take the place of those that the root hands down.
fn place(command: Command, path: &[&str], options: Vec<Arg>) -> Command {
    match path.split_first() {
        // All of them, since one that is changed alone goes to the end of the list.
        Some((first, rest)) => command.mut_subcommands(|below| {
            if below.get_name() == *first {
                place(below, rest, options.clone())
            } else {
                below
            }
        }),
        None => command.args(options),
    }
}

/// The error without the advice to type a command that deletes.
pub(super) fn without_dangerous_suggestions(mut error: clap::Error) -> clap::Error {
    let is_dangerous = |word: &String| DANGEROUS.contains(&word.as_str());
    let kept = match error.get(ContextKind::SuggestedSubcommand) {
        Some(ContextValue::String(word)) if is_dangerous(word) => Vec::new(),
        Some(ContextValue::Strings(words)) if words.iter().any(is_dangerous) => {
            let words = words.iter().filter(|word| !is_dangerous(word));
            words.cloned().collect()
        }
        _ => return error,
    };
    if kept.is_empty() {
        error.remove(ContextKind::SuggestedSubcommand);
        // An empty list of further suggestions would leave a line of its own.
        if let Some(ContextValue::StyledStrs(further)) = error.get(ContextKind::Suggested)
            && further.is_empty()
        {
            error.remove(ContextKind::Suggested);
        }
    } else {
        error.insert(
            ContextKind::SuggestedSubcommand,
            ContextValue::Strings(kept),
        );
    }
    error
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::args::Cli;

    fn mistake(words: &[&str]) -> String {
        let words = std::iter::once(&"stagecraft").chain(words);
        let error = finished(Cli::command())
            .try_get_matches_from(words)
            .unwrap_err();
        without_dangerous_suggestions(error).render().to_string()
    }

    #[test]
    fn mistyped_command_is_never_taken_for_one_that_deletes() {
        for verb in DANGEROUS {
            for at in 0..verb.len() {
                let mut typed = verb.to_owned();
                typed.remove(at);
                let text = mistake(&["infra", &typed]);
                assert!(!text.contains("\n\n\n"), "{typed}: {text}");
                let tips = text.lines().filter(|line| line.contains("tip:"));
                for tip in tips {
                    let named = DANGEROUS
                        .iter()
                        .find(|verb| tip.contains(&format!("'{verb}'")));
                    assert_eq!(named, None, "{typed}: {text}");
                }
            }
        }
    }

    #[test]
    fn harmless_command_is_suggested() {
        let text = mistake(&["infra", "plam"]);
        assert!(text.contains("'plan'"), "{text}");
    }

    #[test]
    fn every_verb_that_takes_a_confirmation_is_dangerous() {
        let command = finished(Cli::command());
        let infra = command.find_subcommand("infra").unwrap();
        let confirmed: Vec<&str> = infra
            .get_subcommands()
            .filter(|verb| verb.get_arguments().any(|arg| arg.get_id() == "confirm"))
            .map(Command::get_name)
            // To adopt deletes nothing.
            .filter(|name| *name != "adopt")
            .collect();
        for verb in &confirmed {
            assert!(DANGEROUS.contains(verb), "{verb}");
        }
        assert_eq!(confirmed.len(), DANGEROUS.len());
    }
}
