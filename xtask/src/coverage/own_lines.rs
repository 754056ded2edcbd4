//! Which lines of a source file are tests.
//!
//! Tests would count as lines that are always covered. So `#[cfg(test)]` is excluded:
//! items by their lines, modules in separate files by their files.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The parts of a file that exist for tests only.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct TestParts {
    /// From the attribute to the end of the item, counted from 1.
    pub(crate) lines: Vec<RangeInclusive<usize>>,
    /// Files that are modules with the attribute.
    pub(crate) files: Vec<PathBuf>,
}

impl TestParts {
    /// Finds them in the text of `file`; returns nothing if the text is not Rust.
    pub(crate) fn of(file: &Path, text: &str) -> Self {
        let mut parts = Self::default();
        if let Ok(tokens) = text.parse::<TokenStream>() {
            parts.add(file, tokens);
        }
        parts
    }

    pub(crate) fn contain(&self, line: usize) -> bool {
        self.lines.iter().any(|lines| lines.contains(&line))
    }

    fn add(&mut self, file: &Path, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut rest = tokens.as_slice();
        while let [token, after @ ..] = rest {
            rest = after;
            match (token, after) {
                (TokenTree::Punct(hash), [TokenTree::Group(attribute), item @ ..])
                    if hash.as_char() == '#' && is_test(&attribute.stream()) =>
                {
                    let from = hash.span().start().line;
                    rest = self.add_item(file, from, item);
                }
                (TokenTree::Group(group), _) => self.add(file, group.stream()),
                _ => {}
            }
        }
    }

    /// Consumes the item that begins here, and returns what follows it.
    fn add_item<'t>(&mut self, file: &Path, from: usize, item: &'t [TokenTree]) -> &'t [TokenTree] {
        for (index, token) in item.iter().enumerate() {
            let ends = match token {
                TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
                TokenTree::Punct(punct) => punct.as_char() == ';',
                _ => false,
            };
            if let [
                TokenTree::Ident(word),
                TokenTree::Ident(name),
                TokenTree::Punct(_),
                ..,
            ] = &item[index..]
                && word == "mod"
            {
                self.files.push(directory(file).join(format!("{name}.rs")));
            }
            if ends {
                self.lines.push(from..=token.span().end().line);
                return &item[index + 1..];
            }
        }
        &[]
    }
}

fn is_test(attribute: &TokenStream) -> bool {
    attribute.to_string().replace(' ', "") == "cfg(test)"
}

/// Where the modules of a file are.
fn directory(file: &Path) -> PathBuf {
    match file.file_stem().and_then(|stem| stem.to_str()) {
        Some("lib" | "main" | "mod") => file.with_file_name(""),
        _ => file.with_extension(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_for_tests_are_found_by_their_lines() {
        let text = "\
fn one() {}
#[cfg(test)]
use a::{b};
#[cfg(not(test))]
fn two() {}
impl X {
    #[cfg(test)]
    #[must_use]
    fn three(&self) -> [u8; 2] {
        [1, 2]
    }
}
#[cfg(test)]
mod tests {
    const TEXT: &str = \"
}
\";
}
fn four() {}
";
        let parts = TestParts::of(Path::new("a.rs"), text);
        let counted: Vec<usize> = (1..=19).filter(|line| !parts.contain(*line)).collect();
        assert_eq!(counted, [1, 4, 5, 6, 12, 19]);
        assert!(parts.files.is_empty());
    }

    #[test]
    fn modules_for_tests_are_found_by_their_files() {
        let text = "mod usual; #[cfg(test)] mod tests;";
        for (file, module) in [
            ("src/up.rs", "src/up/tests.rs"),
            ("src/lib.rs", "src/tests.rs"),
        ] {
            let parts = TestParts::of(Path::new(file), text);
            assert_eq!(parts.files, [PathBuf::from(module)]);
        }
    }
}
