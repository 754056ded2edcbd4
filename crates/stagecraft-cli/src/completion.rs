//! Completion of commands, options and configured names.
//!
//! The shell's script calls this program, so the names are those of the current file.

use std::ffi::OsString;
use std::io;

use clap::{Command, Parser as _};
use clap_complete::env::{CompleteEnv, Shells};
use clap_complete::{ArgValueCandidates, CompletionCandidate, Shell};
use stagecraft_core::EnvironmentName;

use crate::args::{self, GlobalArgs};
use crate::load::{self, Loaded};

/// Set by the shells' scripts when they request candidates.
const VARIABLE: &str = "STAGECRAFT_COMPLETE";
const PROGRAM: &str = "stagecraft";

/// Answers a shell's request for candidates. Returns whether there was one.
pub(crate) fn answer() -> bool {
    let directory = std::env::current_dir().ok();
    let answered = CompleteEnv::with_factory(|| with_names(args::command()))
        .var(VARIABLE)
        .bin(PROGRAM)
        .completer(PROGRAM)
        .try_complete(std::env::args_os(), directory.as_deref());
    // A shell shows no errors while the user types.
    answered.unwrap_or(true)
}

/// The script with which a shell calls this program.
///
/// # Errors
///
/// For a shell without support.
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

/// The command line, with the file's names as candidates of its options.
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

/// The hosts of the typed environment, or of all of them.
fn hosts() -> Vec<CompletionCandidate> {
    let hosts = declared();
    candidates(hosts.iter().map(|spec| &spec.name))
}

/// The roles of the typed environment, or of all of them.
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

/// The configuration and environment of the typed line. `None` without a valid file.
fn typed() -> Option<(Loaded, Option<EnvironmentName>)> {
    // The typed words follow `--`, the program's name first.
    let words = std::env::args_os().skip_while(|word| word != "--").skip(1);
    let global = global_options(words);
    let loaded = load::load(&global).ok()?;
    Some((loaded, global.env))
}

/// The global options of a possibly incomplete line.
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
    // A value that is still being typed may be invalid.
    let line = Line::try_parse_from(kept);
    let line = line.or_else(|_| Line::try_parse_from([PROGRAM]));
    line.map(|line| line.global)
        .map_or_else(|_| GlobalArgs::default(), GlobalArgs::located)
}
