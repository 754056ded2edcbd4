//! The documents of features: they exist, and their front matter agrees with the catalogue.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Problems;
use crate::status::catalogue::{Catalogue, Feature, Status};

/// The text between the first two lines of three hyphens.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontMatter {
    features: Vec<String>,
    status: String,
}

/// The spec of every feature that names one; analysis and outline of every done one.
pub(super) fn check(feature: &Feature, root: &Path, problems: &mut Problems) {
    match &feature.spec {
        Some(spec) => check_spec(feature, spec, root, problems),
        None if feature.is(Status::Done) => problems.add(&feature.id, "done, but has no spec"),
        None => {}
    }
    if feature.is(Status::Done) {
        for (what, path) in [
            ("analysis", feature.analysis()),
            ("outline", feature.outline()),
        ] {
            let is_written =
                fs::read_to_string(root.join(&path)).is_ok_and(|text| text.contains(&feature.id));
            if !is_written {
                let problem = format!("done, but its {what} {path} is missing or does not name it");
                problems.add(&feature.id, problem);
            }
        }
    }
}

fn check_spec(feature: &Feature, spec: &str, root: &Path, problems: &mut Problems) {
    let (path, anchor) = spec.split_once('#').unwrap_or((spec, ""));
    let id = &feature.id;
    if !path.starts_with("spec/") || Path::new(path).extension().is_none_or(|end| end != "md") {
        return problems.add(id, format!("its spec {path} is not a page in spec/"));
    }
    let Ok(text) = fs::read_to_string(root.join(path)) else {
        return problems.add(id, format!("its spec {path} does not exist"));
    };
    if !anchor.is_empty() && !headings(&text).any(|heading| slug(heading) == anchor) {
        problems.add(id, format!("its spec {path} has no heading for #{anchor}"));
    }
    match front_matter(&text) {
        Err(problem) => problems.add(id, format!("its spec {path} {problem}")),
        Ok(front) if !front.features.contains(id) => {
            problems.add(
                id,
                format!("its spec {path} does not name it in its front matter"),
            );
        }
        Ok(front) if front.status != feature.status => problems.add(
            id,
            format!(
                "is {}, but its spec {path} says {}",
                feature.status, front.status
            ),
        ),
        Ok(_) => {}
    }
}

/// Every page in `spec/` names known features whose spec it is.
pub(super) fn check_specs(catalogue: &Catalogue, root: &Path, problems: &mut Problems) {
    for path in pages(&root.join("spec")) {
        let shown = path
            .strip_prefix(root)
            .unwrap_or(&path)
            .display()
            .to_string();
        let text = fs::read_to_string(&path).unwrap_or_default();
        let front = match front_matter(&text) {
            Ok(front) => front,
            Err(problem) => {
                problems.add(&shown, problem);
                continue;
            }
        };
        for id in &front.features {
            let own = catalogue
                .feature(id)
                .and_then(|feature| feature.spec.as_deref());
            let own = own.and_then(|spec| spec.split('#').next());
            if own != Some(shown.as_str()) {
                let problem = format!("names {id}, whose spec in the catalogue is not this page");
                problems.add(&shown, problem);
            }
        }
    }
}

fn front_matter(text: &str) -> Result<FrontMatter, String> {
    let front = text
        .strip_prefix("---\n")
        .and_then(|rest| rest.split_once("\n---\n"))
        .ok_or("has no front matter")?;
    serde_yaml::from_str(front.0).map_err(|error| format!("has a broken front matter: {error}"))
}

fn headings(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim())
}

/// A heading's anchor, as GitHub generates it.
fn slug(heading: &str) -> String {
    let lower = heading.to_lowercase();
    let kept = lower
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn pages(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(pages(&path));
        } else if path.extension().is_some_and(|end| end == "md") {
            found.push(path);
        }
    }
    found.sort();
    found
}
