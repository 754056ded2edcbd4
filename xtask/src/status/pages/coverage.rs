//! How many lines of each crate the tests cover.

use super::{COMMAND, line};
use crate::coverage::{COMMAND as MEASURE, Figures, PATH, THIN, goal};

/// The page's file.
pub(crate) const NAME: &str = "coverage.md";

pub(crate) fn page(figures: &Figures) -> String {
    let mut page = format!(
        "<!-- Generated from {PATH} by `{COMMAND}`. Do not edit. -->\n\n\
         # Coverage\n\n\
         Lines that the test suite runs, measured by `{MEASURE}`, which also writes this page.\n\
         Counted are the lines with code in `src/` of each crate, without what has `#[cfg(test)]`.\n\
         CI fails if a crate is below its goal, or more than 3 points away from this table.\n\n\
         | crate | lines | covered | share | goal |\n|---|---|---|---|---|\n"
    );
    for (name, lines) in &figures.crates {
        let goal = goal(name).map_or_else(String::new, |goal| format!("{goal}%"));
        line(
            &mut page,
            format_args!(
                "| `{name}` | {} | {} | {}% | {goal} |",
                lines.all,
                lines.covered,
                lines.share()
            ),
        );
    }
    line(&mut page, format_args!("\n## Files below {THIN}%\n"));
    if figures.thin.is_empty() {
        page.push_str("None.\n");
        return page;
    }
    page.push_str("| file | lines | covered | share |\n|---|---|---|---|\n");
    for (file, lines) in &figures.thin {
        line(
            &mut page,
            format_args!(
                "| [{file}](../../../{file}) | {} | {} | {}% |",
                lines.all,
                lines.covered,
                lines.share()
            ),
        );
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coverage::Lines;

    #[test]
    fn page_has_a_row_for_each_crate_and_each_thin_file() {
        let lines = |all, covered| Lines { all, covered };
        let mut figures = Figures {
            crates: [
                ("stagecraft-core".to_owned(), lines(1000, 935)),
                ("tool".to_owned(), lines(3, 1)),
            ]
            .into(),
            thin: [("crates/tool/src/lib.rs".to_owned(), lines(3, 1))].into(),
        };
        let text = page(&figures);
        for row in [
            "| `stagecraft-core` | 1000 | 935 | 94% | 80% |",
            "| `tool` | 3 | 1 | 33% |  |",
            "| [crates/tool/src/lib.rs](../../../crates/tool/src/lib.rs) | 3 | 1 | 33% |",
            "measured by `cargo xtask coverage`",
        ] {
            assert!(text.contains(row), "{row}\n{text}");
        }
        assert_eq!(text, page(&figures), "the same each time");
        figures.thin.clear();
        assert!(page(&figures).ends_with("## Files below 60%\n\nNone.\n"));
    }
}
