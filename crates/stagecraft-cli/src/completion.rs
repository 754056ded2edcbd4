//! Completion of commands, options, and the names that the configuration holds.
//!
//! The script of a shell asks this program, so that names are those of the file of the moment.

use std::ffi::OsString;
use std::io;

use clap::{Command, Parser as _};
use clap_complete::env::{CompleteEnv, Shells};
use clap_complete::{ArgValueCandidates, CompletionCandidate, Shell};
use stagecraft_core::EnvironmentName;

use crate::args::{self, GlobalArgs};
use crate::load::{self, Loaded};

/// Set by the scripts of shells when they ask for candidates.
const VARIABLE: &str = "STAGECRAFT_COMPLETE";
const PROGRAM: &str = "stagecraft";

/// Answers a shell that asks for candidates. Whether one did.
pub(crate) fn answer() -> bool {
    let directory = std::env::current_dir().ok();
    let answered = CompleteEnv::with_factory(|| with_names(args::command()))
        .var(VARIABLE)
        .bin(PROGRAM)
        .completer(PROGRAM)
        .try_complete(std::env::args_os(), directory.as_deref());
    // A shell shows nothing of what goes wrong while somebody types.
    answered.unwrap_or(true)
}

/// The script that makes a shell ask this program.
///
/// # Errors
///
/// For a shell that cannot be made to.
pub(crate) fn script(shell: Shell) -> io::Result<String> {
    let name = shell.to_string();
    let shells = Shells::builtins();
    let completer = shells
        .completer(&name)
        .ok_or_else(|| io::Error::other(format!("no completions for {name}")))?;
    let mut script = Vec::new();
    completer.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script)?;
    Ok(String::from_utf8_lossy(&script).into_owned())
}

/// The command line with the names of the file behind its options.
fn with_names(command: Command) -> Command {
    let command = command.mut_args(|arg| {
        let names = match arg.get_id().as_str() {
            // A closed set of values, such as the sandbox's kinds of hosts, completes by itself.
            _ if !arg.get_possible_values().is_empty() => return arg,
            "env" => environments,
            "host" | "hosts" => hosts,
            "roles" => roles,
            _ => return arg,
        };
        arg.add(ArgValueCandidates::new(names))
    });
    command.mut_subcommands(with_names)
}

/// The environments of the file.
fn environments() -> Vec<CompletionCandidate> {
    let Some((loaded, _)) = typed() else {
        return Vec::new();
    };
    candidates(loaded.cloud.environments().iter())
}

/// The hosts of the environment that is typed, or of all of them.
fn hosts() -> Vec<CompletionCandidate> {
    let hosts = declared();
    candidates(hosts.iter().map(|spec| &spec.name))
}

/// The roles of the environment that is typed, or of all of them.
fn roles() -> Vec<CompletionCandidate> {
    let hosts = declared();
    candidates(hosts.iter().map(|spec| &spec.role))
}

fn declared() -> Vec<stagecraft_core::HostSpec> {
    let Some((loaded, environment)) = typed() else {
        return Vec::new();
    };
    let environments = match environment {
        Some(named) => vec![named],
        None => loaded.cloud.environments(),
    };
    let declared = environments
        .iter()
        .filter_map(|own| loaded.cloud.declared(own).ok());
    declared.flatten().collect()
}

fn candidates<T: ToString>(names: impl Iterator<Item = T>) -> Vec<CompletionCandidate> {
    let mut names: Vec<String> = names.map(|name| name.to_string()).collect();
    names.sort();
    names.dedup();
    names.into_iter().map(CompletionCandidate::new).collect()
}

/// The configuration and the environment that the line being typed means. `None` while there is
/// no valid file.
fn typed() -> Option<(Loaded, Option<EnvironmentName>)> {
    // Behind `--` stands what is typed, the program's name first.
    let words = std::env::args_os().skip_while(|word| word != "--").skip(1);
    let global = global_options(words);
    let loaded = load::load(&global).ok()?;
    Some((loaded, global.env))
}

/// The global options of a line that need not be complete.
fn global_options(words: impl Iterator<Item = OsString>) -> GlobalArgs {
    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        global: GlobalArgs,
    }
    let words: Vec<OsString> = words.collect();
    let mut kept = vec![OsString::from(PROGRAM)];
    for (at, word) in words.iter().enumerate() {
        let text = word.to_string_lossy();
        let takes_next = matches!(&*text, "-c" | "--config" | "-e" | "--env");
        let holds_value = ["--config=", "--env="]
            .iter()
            .any(|own| text.starts_with(own));
        if takes_next && let Some(value) = words.get(at + 1) {
            kept.extend([word.clone(), value.clone()]);
        } else if holds_value {
            kept.push(word.clone());
        }
    }
    // A value that is being typed may be no valid one yet.
    let line = Line::try_parse_from(kept);
    let line = line.or_else(|_| Line::try_parse_from([PROGRAM]));
    line.map(|line| line.global)
        .map_or_else(|_| GlobalArgs::default(), GlobalArgs::located)
}
