//! The page about the figures.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context as _, Result};

use super::floor::Floor;
use super::goals::goals;
use super::{BURST_LIMIT, Life, line_of};

const INTRODUCTION: &str = include_str!("introduction.md");
const PEERS: &str = include_str!("peers.md");
/// Where the part about hosts begins.
const HOSTS_PART: &str = "<!-- Written by `cargo xtask bench hosts`. -->";

/// The machine in general terms, and the day.
pub(super) fn machine(command: &str) -> Result<String> {
    let memory = fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
    let kib: u64 = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse().ok())
        .context("/proc/meminfo has no total")?;
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system = release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map_or("Linux", |name| name.trim_matches('"'));
    let cores = std::thread::available_parallelism()?;
    let kernel = line_of("uname", &["-r"])?;
    let kernel: Vec<&str> = kernel.splitn(3, '.').take(2).collect();
    Ok(format!(
        "Measured on {} with `{command}` on a machine with {cores} cores, {} GiB of memory, {system} and Linux {}.\n\
         The machine did other work at the same time.\n",
        line_of("date", &["+%Y-%m-%d"])?,
        kib.div_ceil(1024 * 1024),
        kernel.join("."),
    ))
}

/// The whole page.
pub(super) fn page(lives: &[Life], machine: &str) -> String {
    format!("{INTRODUCTION}\n{machine}\n{}\n{PEERS}", tables(lives))
}

/// The page with another part about hosts, which is its last part.
pub(super) fn with_hosts(page: &str, part: &str) -> String {
    let (rest, _) = split(page);
    format!("{}\n\n{}\n", rest.trim_end(), part.trim_end())
}

/// The page with everything except the part about hosts from another.
pub(super) fn with_cloud(page: &str, part: &str) -> String {
    match split(page) {
        (_, Some(hosts)) => with_hosts(part, hosts),
        (_, None) => part.to_owned(),
    }
}

fn split(page: &str) -> (&str, Option<&str>) {
    match page.find(HOSTS_PART) {
        Some(at) => (&page[..at], Some(&page[at..])),
        None => (page, None),
    }
}

/// The tables of the figures.
pub(super) fn tables(lives: &[Life]) -> String {
    let mut text = String::from("## Figures\n");
    for is_limited in [false, true] {
        let lives = lives.iter().filter(|life| life.is_limited == is_limited);
        let title = if is_limited {
            format!("With the limit of {BURST_LIMIT} requests in a minute")
        } else {
            "Without a limit of requests in a minute".to_owned()
        };
        write!(
            text,
            "\n### {title}\n\n\
             | hosts | command | seconds | floor | requests | floor | 429 | peak MiB | goals |\n\
             |---:|---|---:|---:|---:|---:|---:|---:|---|\n"
        )
        .expect("writing to a string succeeds");
        for life in lives {
            rows(&mut text, life);
        }
    }
    text.push_str("\n## Requests by kind\n\nThese are the requests without a limit.\n");
    for life in lives.iter().filter(|life| !life.is_limited) {
        kinds(&mut text, life);
    }
    text
}

#[expect(clippy::cast_precision_loss, reason = "a figure in MiB needs no more")]
fn rows(text: &mut String, life: &Life) {
    for measured in &life.steps {
        let floor = Floor::of(measured.step, life.hosts, life.is_limited);
        let goals: Vec<String> = goals(measured, life.hosts, life.is_limited)
            .into_iter()
            .map(|goal| {
                let state = if goal.is_met { "met" } else { "**missed**" };
                format!("{}: {state}", goal.text)
            })
            .collect();
        writeln!(
            text,
            "| {} | {} | {:.2} | {:.1} | {} | {} | {} | {:.1} | {} |",
            life.hosts,
            measured.step.title(),
            measured.wall.as_secs_f64(),
            floor.time.as_secs_f64(),
            measured.total(),
            floor.requests,
            measured.refused,
            measured.peak_kib as f64 / 1024.0,
            goals.join("; ")
        )
        .expect("writing to a string succeeds");
    }
}

fn kinds(text: &mut String, life: &Life) {
    write!(text, "\n{} hosts:\n\n", life.hosts).expect("writing to a string succeeds");
    for measured in &life.steps {
        let kinds: Vec<String> = measured
            .requests
            .iter()
            .map(|(kind, count)| format!("{count} `{kind}`"))
            .collect();
        writeln!(text, "- {}: {}.", measured.step.title(), kinds.join(", "))
            .expect("writing to a string succeeds");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_command_keeps_what_the_other_wrote() {
        let part = format!("{HOSTS_PART}\n\n## Hosts\n");
        let page = with_hosts("# Benchmarks\n\nold\n", &part);
        assert_eq!(page, format!("# Benchmarks\n\nold\n\n{part}"));
        assert_eq!(with_hosts(&page, &part), page);
        let page = with_cloud(&page, "# Benchmarks\n\nnew\n");
        assert_eq!(page, format!("# Benchmarks\n\nnew\n\n{part}"));
        assert_eq!(with_cloud("old", "new\n"), "new\n");
    }
}
