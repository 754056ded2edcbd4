//! The generated pages: a function of the catalogue alone, so the same bytes every time.

mod analysis;
mod coverage;
mod phase;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::COMMAND;
use super::catalogue::{CATALOGUE, Catalogue, Feature, Status};
pub(crate) use coverage::{NAME as COVERAGE, page as coverage};

/// How every generated page begins.
pub(crate) const MARK: &str =
    "<!-- Generated from spec/features.yaml by `cargo xtask status`. Do not edit. -->";

/// Every page by its file name.
pub(crate) fn all(catalogue: &Catalogue) -> BTreeMap<String, String> {
    let mut pages = BTreeMap::from([
        ("implementation-status.md".to_owned(), overview(catalogue)),
        (
            "feature-completion-analysis.md".to_owned(),
            analysis::page(catalogue),
        ),
    ]);
    for phase in &catalogue.phases {
        pages.insert(page_of(&phase.id), phase::page(catalogue, phase));
    }
    pages
}

/// The number of features of each status.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    done: usize,
    wip: usize,
    todo: usize,
    cancelled: usize,
}

impl Counts {
    fn of<'f>(features: impl IntoIterator<Item = &'f Feature>) -> Self {
        let mut counts = Self::default();
        for feature in features {
            match Status::parse(&feature.status) {
                Some(Status::Done) => counts.done += 1,
                Some(Status::Wip) => counts.wip += 1,
                Some(Status::Cancelled) => counts.cancelled += 1,
                Some(Status::Todo) | None => counts.todo += 1,
            }
        }
        counts
    }

    /// Those that count: all except the cancelled ones.
    fn total(self) -> usize {
        self.done + self.wip + self.todo
    }

    /// The share of `part`, in percent with one decimal.
    fn share(self, part: usize) -> String {
        let permille = (part * 1000 + self.total() / 2).checked_div(self.total());
        let permille = permille.unwrap_or(0);
        format!("{}.{}%", permille / 10, permille % 10)
    }

    fn word(self) -> &'static str {
        if self.total() == 0 {
            "empty"
        } else if self.done == self.total() {
            "complete"
        } else if self.done + self.wip == 0 {
            "not started"
        } else {
            "in progress"
        }
    }
}

fn overview(catalogue: &Catalogue) -> String {
    let mut page = head("Implementation status");
    let counts = Counts::of(&catalogue.features);
    page.push_str("## Overall\n\n| metric | value |\n|---|---|\n");
    line(&mut page, format_args!("| features | {} |", counts.total()));
    for (name, part) in [
        ("done", counts.done),
        ("in work", counts.wip),
        ("planned", counts.todo),
    ] {
        line(
            &mut page,
            format_args!("| {name} | {part} ({}) |", counts.share(part)),
        );
    }
    line(
        &mut page,
        format_args!("| cancelled, not counted | {} |", counts.cancelled),
    );
    line(
        &mut page,
        format_args!("\nLines that the tests cover, by crate: [{COVERAGE}]({COVERAGE})."),
    );
    page.push_str("\n## By phase\n\n");
    page.push_str(&phase_table(catalogue));
    for phase in &catalogue.phases {
        line(
            &mut page,
            format_args!("\n## {}\n", title(&phase.id, &phase.title)),
        );
        page.push_str(&feature_table(catalogue, &catalogue.of_phase(&phase.id)));
    }
    page
}

fn phase_table(catalogue: &Catalogue) -> String {
    let mut table =
        "| phase | features | done | wip | todo | cancelled | completion | status |\n|---|---|---|---|---|---|---|---|\n"
            .to_owned();
    for phase in &catalogue.phases {
        let counts = Counts::of(catalogue.of_phase(&phase.id));
        line(
            &mut table,
            format_args!(
                "| [{}]({}) | {} | {} | {} | {} | {} | {} | {} |",
                title(&phase.id, &phase.title),
                page_of(&phase.id),
                counts.total(),
                counts.done,
                counts.wip,
                counts.todo,
                counts.cancelled,
                counts.share(counts.done),
                counts.word(),
            ),
        );
    }
    table
}

fn feature_table(catalogue: &Catalogue, features: &[&Feature]) -> String {
    let mut table =
        "| feature | title | status | depends on | spec |\n|---|---|---|---|---|\n".to_owned();
    for feature in features {
        let needs: Vec<String> = feature.depends_on.iter().map(|need| code(need)).collect();
        let spec = feature
            .spec
            .as_ref()
            .map_or_else(String::new, |spec| spec_link(spec));
        let status = &feature.status;
        let waits = if feature.is(Status::Todo) && catalogue.open_needs(feature).is_empty() {
            " (ready)"
        } else {
            ""
        };
        line(
            &mut table,
            format_args!(
                "| {} | {} | {status}{waits} | {} | {spec} |",
                code(&feature.id),
                cell(&feature.title),
                needs.join(", "),
            ),
        );
    }
    table
}

fn head(title: &str) -> String {
    format!(
        "{MARK}\n\n# {title}\n\nGenerated from [`{CATALOGUE}`](../../../{CATALOGUE}) by `{COMMAND}`.\n\n"
    )
}

fn title(id: &str, title: &str) -> String {
    if id.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("Phase {id}: {title}")
    } else {
        title.to_owned()
    }
}

fn page_of(phase: &str) -> String {
    format!("phase-{phase}.md")
}

fn spec_link(spec: &str) -> String {
    let name = spec.split('#').next().unwrap_or(spec);
    let name = name.strip_prefix("spec/").unwrap_or(name);
    format!("[{name}](../../../{spec})")
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

/// A text as the cell of a table.
fn cell(text: &str) -> String {
    text.trim().replace('|', "\\|").replace('\n', " ")
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(page, "{text}").expect("a text takes whatever is written");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::catalogue::Phase;

    fn feature(id: &str, status: &str, depends_on: &[&str]) -> Feature {
        Feature {
            id: id.into(),
            title: format!("does {id}|it"),
            phase: "7".into(),
            status: status.into(),
            spec: (status == "done").then(|| "spec/a.md#x".to_owned()),
            owner: "core".into(),
            depends_on: depends_on.iter().map(|need| (*need).to_owned()).collect(),
            tests: Vec::new(),
            reason: None,
            missing: (status == "wip").then(|| "the end".to_owned()),
        }
    }

    fn catalogue() -> Catalogue {
        Catalogue {
            phases: vec![Phase {
                id: "7".into(),
                title: "Infrastructure".into(),
            }],
            features: vec![
                feature("A", "done", &[]),
                feature("B", "wip", &["A"]),
                feature("C", "todo", &["A"]),
                feature("D", "todo", &["C"]),
                feature("E", "cancelled", &[]),
            ],
        }
    }

    #[test]
    fn pages_are_marked_and_the_same_each_time() {
        let pages = all(&catalogue());
        let names: Vec<&str> = pages.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "feature-completion-analysis.md",
                "implementation-status.md",
                "phase-7.md"
            ]
        );
        assert!(pages.values().all(|page| page.starts_with(MARK)));
        assert_eq!(pages, all(&catalogue()));
    }

    #[test]
    fn cancelled_features_do_not_count_and_shares_are_rounded() {
        let pages = all(&catalogue());
        let overview = &pages["implementation-status.md"];
        for row in [
            "| features | 4 |",
            "| done | 1 (25.0%) |",
            "| cancelled, not counted | 1 |",
            "| [Phase 7: Infrastructure](phase-7.md) | 4 | 1 | 1 | 2 | 1 | 25.0% | in progress |",
            "| `A` | does A\\|it | done |  | [a.md](../../../spec/a.md#x) |",
            "| `C` | does C\\|it | todo (ready) | `A` |  |",
            "| `D` | does D\\|it | todo | `C` |  |",
        ] {
            assert!(overview.contains(row), "{row}\n{overview}");
        }
        assert_eq!(
            Counts {
                done: 2,
                wip: 1,
                ..Counts::default()
            }
            .share(2),
            "66.7%"
        );
        assert_eq!(Counts::default().share(0), "0.0%");
    }

    #[test]
    fn phase_page_tells_what_is_next_and_what_blocks_the_rest() {
        let page = &all(&catalogue())["phase-7.md"];
        for text in [
            "1 of 4 features are done (25.0%)",
            "1. `C`: does C|it. Unblocks `D`.",
            "- `D` waits for `C`.",
            "Missing: the end",
        ] {
            assert!(page.contains(text), "{text}\n{page}");
        }
    }
}
