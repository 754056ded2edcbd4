//! `stagecraft`: arguments, wiring and rendering. It decides nothing about hosts.

mod args;
mod builtin;
mod commands;
mod environment;
mod exit;
mod failure;
mod load;
mod output;
mod progress;
mod render;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;
use crate::exit::Exit;
use crate::output::Output;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let exit = if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Done
            };
            // Nothing is left to tell it to if the terminal is gone.
            error.print().ok();
            return exit.into();
        }
    };
    let output = Output::new(cli.global.output);
    start_tracing(cli.global.verbose);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            output.problem(&format!("cannot start: {error}"));
            return Exit::Usage.into();
        }
    };
    match runtime.block_on(commands::run(cli, output)) {
        Ok(exit) => exit.into(),
        Err(error) => failure::report(output, &error).into(),
    }
}

/// Developers' logs go to standard error, by `-v` or by `STAGECRAFT_LOG`.
fn start_tracing(verbose: u8) {
    let level = match verbose {
        0 => "off",
        1 => "stagecraft=debug,provider=debug,infra=debug",
        _ => "debug",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("STAGECRAFT_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}
