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
             also report where README differs from the output
  examples   run the examples of the library crates and check their output
  features   compile each library crate with each of its features alone
  check      rules, format and lints: run this before the tests
  test       run the tests that need no hosts; with --sandbox, all except those on container hosts
  ci         run everything that CI runs; as root, install what that needs
  lab        container hosts for tests: `lab image` builds their images, `lab up` serves
             packages to them, `lab down` stops everything, `lab status` shows what exists
  e2e        run the tests on container hosts; builds missing parts of the lab
  fuzz       run the properties with hostile input for 300 s, or the given number of seconds
  bench      `bench cloud` measures the cost of fleets over their life and writes the page;
             with numbers of hosts it measures these and only prints; `bench hosts` measures, as
             root, the cost of finding container hosts unchanged, compared with Ansible, pyinfra
             and ssh; with a number of hosts or names of tools it only prints
  events     write the schema and the page of `--output json`; with --check, only compare
  coverage   run the suite and record how many lines of each crate it covers; with --check,
             only report missed goals and outdated figures
  status     write the status pages of the features; with --check, only report what is wrong
  tidy       check rules about crates that the compiler does not check
  measure    print size and start-up time of the release build
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
