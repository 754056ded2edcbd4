//! `stagecraft`: arguments, wiring and rendering. Makes no decisions about hosts.

mod args;
mod builtin;
mod bundle;
mod commands;
mod completion;
mod environment;
mod exit;
mod failure;
mod hidden;
mod host_keys;
mod load;
mod login;
mod lookup;
mod output;
mod passphrase;
mod progress;
mod recording;
mod render;
mod settings;
mod wire;

use std::ffi::OsString;
use std::process::ExitCode;

use stagecraft_core::Lookup as _;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::environment::ProcessEnvironment;
use crate::exit::Exit;
use crate::output::{Output, OutputFormat};

fn main() -> ExitCode {
    if completion::answer() {
        return ExitCode::SUCCESS;
    }
    let cli = match args::parse(&ProcessEnvironment) {
        Ok(cli) => cli,
        Err(error) => {
            let exit = if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Done
            };
            // If the terminal is gone, the error cannot be shown.
            error.print().ok();
            if exit == Exit::Usage && wants_json(std::env::args_os()) {
                failure::report_usage(Output::new(OutputFormat::Json), &error);
            }
            return exit.into();
        }
    };
    let output = Output::new(cli.global.output);
    Output::show_details(cli.global.verbose > 0);
    start_tracing(cli.global.verbose, output);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let error = anyhow::Error::new(error).context("cannot start");
            return failure::report(output, &error).into();
        }
    };
    let exit = match runtime.block_on(commands::run(cli, output)) {
        Ok(exit) => exit,
        Err(error) => failure::report(output, &error),
    };
    bundle::finish(output, exit);
    // A thread may still wait for terminal input that is no longer needed.
    runtime.shutdown_background();
    match exit {
        Exit::Done | Exit::Pending if Output::was_lost() => Exit::Usage.into(),
        exit => exit.into(),
    }
}

/// Whether an invalid command line asks for JSON.
fn wants_json(arguments: impl IntoIterator<Item = OsString>) -> bool {
    let arguments: Vec<String> = arguments
        .into_iter()
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let named = arguments
        .windows(2)
        .any(|pair| matches!(pair[0].as_str(), "-o" | "--output") && pair[1] == "json");
    let joined = arguments
        .iter()
        .any(|argument| matches!(argument.as_str(), "--output=json" | "-ojson" | "-o=json"));
    named || joined || ProcessEnvironment.get("STAGECRAFT_OUTPUT").as_deref() == Some("json")
}

/// Starts logging to standard error, by `-v` or by `STAGECRAFT_LOG`, for example
/// `STAGECRAFT_LOG=stagecraft_ssh=trace`: `-vv` shows each request to an API, `-vvv` all. Other
/// libraries than ours are excluded from both, since they would log secrets.
fn start_tracing(verbose: u8, output: Output) {
    let level = match verbose {
        0 => LevelFilter::OFF,
        1 => LevelFilter::WARN,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    // Prefixes of our own crates' names.
    let own = ["stagecraft", "infra_bootstrap", "provider"];
    let named = ProcessEnvironment.get("STAGECRAFT_LOG");
    let named = named.and_then(|text| match text.parse::<Targets>() {
        Ok(targets) => Some(targets),
        Err(error) => {
            output.message(&format!("ignoring invalid STAGECRAFT_LOG: {error}"));
            None
        }
    });
    let targets =
        named.unwrap_or_else(|| Targets::new().with_targets(own.map(|name| (name, level))));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    tracing_subscriber::registry()
        .with(lines.with_filter(targets))
        .init();
}
