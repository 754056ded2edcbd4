//! Every kind of error is asserted by a test.
//!
//! A kind counts if it is in the body of a test that asserts something, also in a table that the
//! test goes through. Only a reader can see whether the code or the test itself made the error.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The variants of `enum ErrorKind` in a source.
pub(crate) fn variants(source: &str) -> BTreeSet<String> {
    let tokens: Vec<TokenTree> = parse(source);
    let body = tokens.windows(3).find_map(|window| match window {
        [
            TokenTree::Ident(word),
            TokenTree::Ident(name),
            TokenTree::Group(body),
        ] if word == "enum" && name == "ErrorKind" => Some(body.stream()),
        _ => None,
    });
    let idents = body.into_iter().flatten().filter_map(|token| match token {
        TokenTree::Ident(ident) => Some(ident.to_string()),
        _ => None,
    });
    idents.collect()
}

/// The kinds that the tests of a source name.
pub(crate) fn asserted(source: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    // The standard library's enum of that name has variants with the same names.
    if !source.contains("use std::io::ErrorKind;") {
        collect(&parse(source), &mut found);
    }
    found
}

fn parse(source: &str) -> Vec<TokenTree> {
    source
        .parse::<TokenStream>()
        .map(|tokens| tokens.into_iter().collect())
        .unwrap_or_default()
}

/// Finds tests: an attribute whose last word is `test`, and the next body.
fn collect(tokens: &[TokenTree], found: &mut BTreeSet<String>) {
    let mut is_test = false;
    for token in tokens {
        let TokenTree::Group(group) = token else {
            continue;
        };
        let inner: Vec<TokenTree> = group.stream().into_iter().collect();
        match group.delimiter() {
            Delimiter::Bracket => is_test |= is_test_attribute(&inner),
            Delimiter::Brace if std::mem::take(&mut is_test) => {
                let mut body = Body::default();
                body.read(&inner);
                if body.asserts {
                    found.append(&mut body.kinds);
                }
            }
            _ => collect(&inner, found),
        }
    }
}

fn is_test_attribute(tokens: &[TokenTree]) -> bool {
    let path = tokens
        .iter()
        .take_while(|token| !matches!(token, TokenTree::Group(_)));
    path.last()
        .is_some_and(|token| matches!(token, TokenTree::Ident(word) if word == "test"))
}

#[derive(Debug, Default)]
struct Body {
    asserts: bool,
    kinds: BTreeSet<String>,
    /// `use ErrorKind as K;`
    short: Option<String>,
}

impl Body {
    fn read(&mut self, tokens: &[TokenTree]) {
        for (index, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(group) => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    self.read(&inner);
                }
                TokenTree::Ident(word) => {
                    self.asserts |= word.to_string().starts_with("assert");
                    self.word(&word.to_string(), &tokens[..index], &tokens[index + 1..]);
                }
                _ => {}
            }
        }
    }

    fn word(&mut self, word: &str, before: &[TokenTree], after: &[TokenTree]) {
        if word != "ErrorKind" && self.short.as_deref() != Some(word) {
            return;
        }
        match after {
            [TokenTree::Ident(r#as), TokenTree::Ident(short), ..] if r#as == "as" => {
                self.short = Some(short.to_string());
            }
            [
                TokenTree::Punct(_),
                TokenTree::Punct(_),
                TokenTree::Ident(kind),
                ..,
            ] if !is_of_io(before) => {
                self.kinds.insert(kind.to_string());
            }
            _ => {}
        }
    }
}

/// Whether `io::` comes before.
fn is_of_io(before: &[TokenTree]) -> bool {
    matches!(before, [.., TokenTree::Ident(word), _, _] if word == "io")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn variants_are_read_without_their_comments() {
        let source = "enum Other { X } pub enum ErrorKind { /// Not `Y`.\n Config, NotFound, }";
        assert_eq!(variants(source), set(&["Config", "NotFound"]));
    }

    #[test]
    fn kinds_count_in_tests_that_assert_and_nowhere_else() {
        let source = "
            fn made() { assert_eq!(kind, ErrorKind::Guard); }
            mod tests {
                #[test] fn direct() { assert_eq!(error.kind(), ErrorKind::Config); }
                #[tokio::test(flavor = \"x\")]
                async fn table() {
                    use ErrorKind as K;
                    for (code, kind) in [(404, K::NotFound), (429, ErrorKind::RateLimited)] {
                        assert_eq!(of(code), kind, \"{code}\");
                    }
                }
                #[test] fn of_files() { assert_eq!(e.kind(), std::io::ErrorKind::AlreadyExists); }
                #[test] fn silent() { drop(ErrorKind::Timeout); }
                fn helper() { assert!(matches!(kind, ErrorKind::Protocol)); }
            }";
        assert_eq!(
            asserted(source),
            set(&["Config", "NotFound", "RateLimited"])
        );
        let of_library = "use std::io::ErrorKind; #[test] fn a() { assert!(ErrorKind::X); }";
        assert!(asserted(of_library).is_empty());
    }
}
