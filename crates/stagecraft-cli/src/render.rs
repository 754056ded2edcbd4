//! From results to text.

mod event;
mod hosts;
mod machines;
mod plan;
mod report;

use crate::output::one_line;

pub(crate) use event::{end_at_once, event_line};
pub(crate) use hosts::hosts_text;
pub(crate) use plan::{
    OnHosts, REFUSED, account_text, change_text, held_text, plan_text, undeclared_text, where_text,
    work_text,
};
pub(crate) use report::{
    as_wanted_text, bootstrap_text, down_text, dry_run_text, found_text, held_hosts_text,
    replace_text, retag_text, up_text,
};

/// Columns, padded to their widest cell. A cell is one line, whatever a name contains.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(ToString::to_string).collect();
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows.iter().cloned()).collect();
    rows_text(&rows)
}

/// Rows in columns, padded to their widest cell. A cell is one line, whatever a name contains.
pub(crate) fn rows_text(rows: &[Vec<String>]) -> String {
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

/// A number of things.
pub(crate) fn plural(count: usize, what: &str) -> String {
    if count == 1 {
        format!("1 {what}")
    } else {
        format!("{count} {what}s")
    }
}

/// The word for a number of things that were named.
pub(crate) fn them(count: usize) -> &'static str {
    if count == 1 { "it" } else { "them" }
}
