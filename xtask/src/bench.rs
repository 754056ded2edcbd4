//! The cost of a fleet over its life in requests, time and memory, against the sandbox.

mod floor;
mod goals;
mod hosts;
mod page;
mod sandbox;
mod step;

use std::fs;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use self::sandbox::Sandbox;
use self::step::{Measured, Step};
use crate::process::{root, target};
use crate::{measure, process};

/// The fleet sizes on the page.
const SIZES: [u32; 4] = [10, 100, 300, 1000];
/// The sandbox's behaviour, which the page states in seconds.
const LATENCY_MS: u64 = 100;
const BOOT_MS: u64 = 10_000;
const LIST_LAG_MS: u64 = 2_000;
const DELETE_MS: u64 = 2_000;
/// The vendor's limit of requests per minute.
const BURST_LIMIT: u32 = 250;
const PAGE: &str = "docs/benchmarks.md";

/// The life of one fleet.
#[derive(Debug)]
struct Life {
    hosts: u32,
    is_limited: bool,
    steps: Vec<Measured>,
}

/// Measures fleets of the given sizes and prints the tables. Without sizes it measures all of
/// them and writes the page as well.
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a developers' tool talks to a terminal"
)]
pub(crate) fn cloud(sizes: &[&str]) -> Result<()> {
    let named: Vec<u32> = sizes
        .iter()
        .map(|text| {
            let size = text
                .parse()
                .with_context(|| format!("`{text}` is not a number of hosts"))?;
            ensure!((1..=1000).contains(&size), "from 1 to 1000 hosts: {size}");
            Ok(size)
        })
        .collect::<Result<_>>()?;
    measure::build()?;
    let mut lives = Vec::new();
    for hosts in if named.is_empty() {
        SIZES.to_vec()
    } else {
        named.clone()
    } {
        for is_limited in [false, true] {
            let limit = if is_limited { "with" } else { "without" };
            eprintln!("bench: {hosts} hosts {limit} the limit");
            lives.push(live(hosts, is_limited)?);
        }
    }
    let machine = page::machine(COMMAND)?;
    let text = page::page(&lives, &machine);
    if named.is_empty() {
        let path = root().join(PAGE);
        let former = fs::read_to_string(&path).unwrap_or_default();
        fs::write(path, page::with_cloud(&former, &text))
            .with_context(|| format!("cannot write {PAGE}"))?;
        println!("bench: wrote {PAGE}");
    } else {
        print!("{}", page::tables(&lives));
    }
    Ok(())
}

pub(crate) use self::hosts::measure_hosts;

/// From an empty account to an empty account.
fn live(hosts: u32, is_limited: bool) -> Result<Life> {
    let binary = target("release").join("stagecraft");
    let directory = std::env::temp_dir().join(format!("stagecraft-bench-{}", std::process::id()));
    fs::create_dir_all(&directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    let result = (|| {
        fs::write(directory.join("stagecraft.yml"), config(hosts, ""))?;
        let sandbox = Sandbox::start(&binary, &directory)?;
        sandbox.set_knobs(&json!({
            "latency_ms": LATENCY_MS,
            "boot_time_ms": BOOT_MS,
            "address_delay_ms": 0,
            "list_lag_ms": LIST_LAG_MS,
            "delete_time_ms": DELETE_MS,
            "droplet_limit": 2000,
        }))?;
        let mut steps = Vec::new();
        for step in Step::ALL {
            sandbox.clear_burst_window(is_limited.then_some(BURST_LIMIT))?;
            sandbox.clear_requests()?;
            let measured = step::measure(step, &binary, &directory, &sandbox)?;
            measured.tell();
            steps.push(measured);
        }
        Ok(Life {
            hosts,
            is_limited,
            steps,
        })
    })();
    fs::remove_dir_all(&directory)
        .with_context(|| format!("cannot remove {}", directory.display()))?;
    result
}

/// A project as a user would write it, without optional keys. `more` is
/// added to the options of the hosts.
fn config(hosts: u32, more: &str) -> String {
    format!(
        "\
project: {{ name: bench }}
cloud:
  provider: digitalocean
  providers:
    digitalocean:
      token_env: DO_TOKEN
      ssh_key_name: my-ssh-key
      default_region: nyc3
      default_size: s-1vcpu-1gb
      hosts:
        staging:
          app: {{ role: app, count: {hosts}{more} }}
"
    )
}

/// The command's name, for messages and for the page.
const COMMAND: &str = "cargo xtask bench cloud";

/// The output of a program without its line end.
fn line_of(program: &str, arguments: &[&str]) -> Result<String> {
    let text = process::output(std::process::Command::new(program).args(arguments))?;
    Ok(text.trim().to_owned())
}
