//! Attributes: whether an item is a test, and whether the suite compiles and runs it.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// What the attributes of one item say about it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attributes {
    /// It runs as a test.
    pub(crate) is_test: bool,
    /// Why the suite does not run it, if it does not.
    pub(crate) barrier: Option<String>,
    /// The file of a module, if the attribute names one.
    pub(crate) path: Option<String>,
}

impl Attributes {
    /// Reads the content of one `#[...]`. `features` are those that the suite enables.
    pub(crate) fn add(&mut self, attribute: &TokenStream, features: &BTreeSet<String>) {
        let tokens: Vec<TokenTree> = attribute.clone().into_iter().collect();
        let Some(name) = name(&tokens) else { return };
        let arguments = tokens.iter().find_map(|token| match token {
            TokenTree::Group(group) => Some(group.stream()),
            _ => None,
        });
        match (name.as_str(), arguments) {
            ("test", _) => self.is_test = true,
            ("ignore", _) => self.block("it is ignored".to_owned()),
            ("cfg", Some(predicate)) if holds(&predicate, features) != Some(true) => {
                self.block(format!("it is compiled only with cfg({predicate})"));
            }
            ("cfg_attr", Some(arguments)) => {
                let parts = split(&arguments);
                let applies = parts
                    .first()
                    .is_some_and(|p| holds(p, features) != Some(false));
                let ignores = |part: &TokenStream| part.to_string().starts_with("ignore");
                if applies && parts.iter().skip(1).any(ignores) {
                    self.block("it is ignored".to_owned());
                }
            }
            ("path", _) => {
                self.path = tokens.last().and_then(text);
            }
            _ => {}
        }
    }

    fn block(&mut self, reason: String) {
        self.barrier.get_or_insert(reason);
    }
}

/// The last word of the attribute's path: `test` for `tokio::test(...)`.
fn name(tokens: &[TokenTree]) -> Option<String> {
    let mut name = None;
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => name = Some(ident.to_string()),
            TokenTree::Punct(punct) if punct.as_char() == ':' => {}
            _ => break,
        }
    }
    name
}

/// Whether a predicate holds where the suite runs; `None` if unknown.
fn holds(predicate: &TokenStream, features: &BTreeSet<String>) -> Option<bool> {
    let tokens: Vec<TokenTree> = predicate.clone().into_iter().collect();
    match tokens.as_slice() {
        [TokenTree::Ident(word)] if word == "test" || word == "unix" => Some(true),
        [TokenTree::Ident(word)] if word == "windows" => Some(false),
        [TokenTree::Ident(word), TokenTree::Group(group)]
            if group.delimiter() == Delimiter::Parenthesis =>
        {
            let parts = split(&group.stream());
            let mut values = parts.iter().map(|part| holds(part, features));
            match word.to_string().as_str() {
                "not" => values.next()?.map(|value| !value),
                "all" => values.try_fold(true, |all, value| Some(all && value?)),
                "any" => {
                    let values: Vec<_> = values.collect();
                    if values.contains(&Some(true)) {
                        return Some(true);
                    }
                    values.iter().all(Option::is_some).then_some(false)
                }
                _ => None,
            }
        }
        [TokenTree::Ident(word), TokenTree::Punct(_), value] => {
            let value = text(value)?;
            match word.to_string().as_str() {
                "feature" => Some(features.contains(&value)),
                "target_os" => Some(value == "linux"),
                "target_family" => Some(value == "unix"),
                _ => None,
            }
        }
        _ => None,
    }
}

fn split(list: &TokenStream) -> Vec<TokenStream> {
    let mut parts = vec![TokenStream::new()];
    for token in list.clone() {
        match &token {
            TokenTree::Punct(punct) if punct.as_char() == ',' => parts.push(TokenStream::new()),
            _ => parts
                .last_mut()
                .expect("it begins with one")
                .extend([token]),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

fn text(token: &TokenTree) -> Option<String> {
    let TokenTree::Literal(literal) = token else {
        return None;
    };
    let text = literal.to_string();
    Some(text.strip_prefix('"')?.strip_suffix('"')?.to_owned())
}
