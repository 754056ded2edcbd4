//! Building blocks of texts: lines, columns and words.

use stagecraft_core::{Account, MicroUsd};

use crate::output::one_line;

/// Adds a line to a text.
macro_rules! line {
    ($text:expr, $($content:tt)+) => {{
        use std::fmt::Write as _;
        writeln!($text, $($content)+).expect("writing to a string cannot fail");
    }};
}
pub(super) use line;

/// A table with a head, padded to the widest cells. A cell is one line, whatever a name contains.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(ToString::to_string).collect();
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows.iter().cloned()).collect();
    rows_text(&rows)
}

/// Rows in columns, padded to their widest cell. A cell is one line, whatever a name contains.
pub(super) fn rows_text(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| one_line(cell)).collect())
        .collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let mut widths = vec![0; columns];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &[String]| {
        let mut text = String::new();
        for (cell, width) in cells.iter().zip(&widths) {
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 2));
        }
        format!("{}\n", text.trim_end())
    };
    rows.iter().map(|row| line(row)).collect()
}

/// A count with its noun.
pub(crate) fn plural(count: usize, what: &str) -> String {
    if count == 1 {
        format!("1 {what}")
    } else {
        format!("{count} {what}s")
    }
}

/// The pronoun for a count of named things.
pub(crate) fn them(count: usize) -> &'static str {
    if count == 1 { "it" } else { "them" }
}

/// The account's name for people, with its team.
pub(crate) fn account_text(account: &Account) -> String {
    let team = account.team.as_ref();
    let team = team
        .map(|team| format!(" (team {})", one_line(team)))
        .unwrap_or_default();
    format!("{}{team}", one_line(&account.name))
}

pub(super) fn price(monthly: Option<MicroUsd>, hourly: Option<MicroUsd>) -> String {
    let hourly = hourly.map(|amount| format!(" ({}/hour)", amount.with_fractions()));
    monthly
        .map(|amount| format!("{amount}/month{}", hourly.unwrap_or_default()))
        .unwrap_or_default()
}
