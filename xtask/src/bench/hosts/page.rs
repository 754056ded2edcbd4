//! The part of the page about hosts.

use std::fmt::Write as _;

use anyhow::Result;

use super::tool::Tool;
use super::{Figures, Row};
use crate::bench::{line_of, page};

/// The command's name, for messages and for the page.
pub(super) const COMMAND: &str = "cargo xtask bench hosts";

const INTRODUCTION: &str = include_str!("introduction.md");

/// The whole part.
pub(super) fn section(figures: &Figures, versions: &[String]) -> Result<String> {
    let machine = page::machine(COMMAND)?;
    let ssh = std::process::Command::new("ssh").arg("-V").output()?;
    let ssh = String::from_utf8_lossy(&ssh.stderr).into_owned();
    let ssh = ssh
        .split([' ', ','])
        .next()
        .unwrap_or_default()
        .replace('_', " ");
    let versions = format!(
        "The peers were {} and {ssh} with `bash` {}.\n",
        versions.join(", "),
        line_of("bash", &["-c", "echo ${BASH_VERSION%%(*}"])?,
    );
    Ok(format!(
        "{INTRODUCTION}\n{machine}{versions}\n{}",
        tables(figures)
    ))
}

fn tables(figures: &Figures) -> String {
    let mut text = format!(
        "### {} hosts that are as wanted\n\n\
         | added round trip | tool | seconds | least to most | times ours | controller CPU s | peak MiB | connections | hosts' CPU s | other load | key exchange |\n\
         |---:|---|---:|---|---:|---:|---:|---:|---:|---:|---|\n",
        figures.hosts
    );
    for row in &figures.rows {
        line(&mut text, figures, row);
    }
    text.push_str(
        "\n### Serial round trips for one host\n\n\
         | tool | seconds without | seconds with 500 ms | serial round trips |\n|---|---:|---:|---:|\n",
    );
    for (tool, (short, long)) in &figures.one_host {
        writeln!(
            text,
            "| {} | {:.2} | {:.2} | {:.1} |",
            tool.title(),
            short.as_secs_f64(),
            long.as_secs_f64(),
            figures.round_trips(*tool).unwrap_or_default()
        )
        .expect("writing to a string succeeds");
    }
    text.push_str("\n### Goals\n\n");
    for goal in figures.goals() {
        let state = if goal.is_met { "met" } else { "**missed**" };
        writeln!(text, "- {}: {state}", goal.text).expect("writing to a string succeeds");
    }
    text
}

#[expect(clippy::cast_precision_loss, reason = "a figure in MiB needs no more")]
fn line(text: &mut String, figures: &Figures, row: &Row) {
    let median = row.median();
    let walls = row.runs.iter().map(|run| run.wall);
    let (least, most) = (walls.clone().min(), walls.max());
    let seconds = |time: Option<std::time::Duration>| time.unwrap_or_default().as_secs_f64();
    let ratio = match (row.tool, figures.ratio(row.tool, row.round_trip)) {
        (Tool::Stagecraft, _) | (_, None) => String::new(),
        (_, Some(ratio)) => format!("{ratio:.1}"),
    };
    writeln!(
        text,
        "| {} ms | {} | {:.2} | {:.2} to {:.2}, {} runs | {ratio} | {:.2} | {:.1} | {} | {:.1} | {:.2} | {} |",
        row.round_trip.as_millis(),
        row.tool.title(),
        median.wall.as_secs_f64(),
        seconds(least),
        seconds(most),
        row.runs.len(),
        row.median_of(|run| run.controller).as_secs_f64(),
        row.median_of(|run| run.peak_kib) as f64 / 1024.0,
        median.connections,
        row.median_of(|run| run.hosts).as_secs_f64(),
        median.other.as_secs_f64() / median.wall.as_secs_f64(),
        row.key_exchange(),
    )
    .expect("writing to a string succeeds");
}
