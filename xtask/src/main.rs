//! The project's own tools: `cargo xtask --help`.

mod bench;
mod coverage;
mod demo;
mod events;
mod examples;
mod features;
mod fuzz;
mod lab;
mod measure;
mod process;
mod status;
mod test;
mod tidy;

use std::process::ExitCode;

const HELP: &str = "\
The project's own tools.

Usage: cargo xtask COMMAND

  demo       build, then run the whole life of three hosts in a sandbox; with --check,
             also tell where README shows something else
  examples   run the examples of the library crates and look at what they print
  features   compile each library crate with each of its features alone
  check      rules, format and lints: what a change has to pass before its tests
  test       run the tests that need no hosts; with --sandbox, all but those on container hosts
  ci         run everything that CI runs; installs what that needs where it may
  lab        container hosts for tests: `lab image` makes what they boot from, `lab up` serves
             packages to them, `lab down` ends it all, `lab status` tells what is there
  e2e        run the tests on container hosts; makes the lab, as far as it is missing
  fuzz       feed hostile input to everything that is read, for 300 or the named seconds
  bench      `bench cloud` measures what the life of a fleet costs and writes the page about it;
             with numbers of hosts it measures these and only prints; `bench hosts` measures as
             root, on containers, what it costs to find hosts as wanted, beside Ansible, pyinfra
             and ssh; with a number of hosts or names of tools it only prints
  events     write the schema and the page of what programs read; with --check, only compare
  coverage   run the suite, write down how many lines of each crate it covers; with --check,
             only tell what misses its goal or is written down wrongly
  status     write the pages about what is done; with --check, only tell what is wrong
  tidy       check the rules about crates that the compiler does not
  measure    print the size and the start-up time of the release build
";

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a developers' tool talks to a terminal"
)]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["demo"] => demo::demo(),
        ["demo", "--check"] => demo::check(),
        ["examples"] => examples::run_all(),
        ["features"] => features::run(),
        ["check"] => test::check(),
        ["test"] => test::quick(),
        ["test", "--sandbox"] => test::with_sandbox(),
        ["ci"] => test::ci(),
        ["lab", "image"] => lab::image(),
        ["lab", "up"] => lab::up(),
        ["lab", "down"] => lab::down(),
        ["lab", "status"] => lab::status(),
        ["e2e"] => lab::e2e(),
        ["fuzz"] => fuzz::fuzz(fuzz::DEFAULT),
        ["fuzz", time] => fuzz::seconds(time).and_then(fuzz::fuzz),
        ["bench", "cloud", sizes @ ..] => bench::cloud(sizes),
        ["bench", "hosts", rest @ ..] => bench::measure_hosts(rest),
        ["events"] => events::run(status::Mode::Write),
        ["events", "--check"] => events::run(status::Mode::Check),
        ["coverage"] => test::install_programs().and_then(|()| coverage::write()),
        ["coverage", "--check"] => test::install_programs().and_then(|()| coverage::check()),
        ["status"] => status::run(status::Mode::Write),
        ["status", "--check"] => status::run(status::Mode::Check),
        ["tidy"] => tidy::run(),
        ["measure"] => measure::run_all(),
        ["--help" | "-h" | "help"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{HELP}");
            return ExitCode::FAILURE;
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
