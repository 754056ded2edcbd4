//! Tests that a `macro_rules!` of the same file generates.
//!
//! Only one shape is supported; other macros count as generating no tests: one arm whose matcher
//! is a repetition that begins with the name, `$($name:ident: ... ;)*`. The names are then the
//! words at the beginning of each entry of a call.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// A macro whose entries begin with a name.
#[derive(Debug, Clone)]
pub(crate) struct NameMacro {
    /// The variable that holds the name.
    pub(crate) variable: String,
    /// What the macro generates from its entries.
    pub(crate) body: TokenStream,
    /// What follows the name in an entry.
    follower: char,
    /// What ends an entry.
    terminator: char,
}

impl NameMacro {
    /// Parses the rules of a `macro_rules!`, if they have the shape.
    pub(crate) fn of_rules(rules: &TokenStream) -> Option<Self> {
        let rules: Vec<TokenTree> = rules.clone().into_iter().collect();
        let [
            TokenTree::Group(matcher),
            _,
            _,
            TokenTree::Group(body),
            rest @ ..,
        ] = rules.as_slice()
        else {
            return None;
        };
        if !rest.iter().all(|token| is_punct(token, ';')) {
            return None;
        }
        let matcher: Vec<TokenTree> = matcher.stream().into_iter().collect();
        let [dollar, TokenTree::Group(entry), after @ ..] = matcher.as_slice() else {
            return None;
        };
        if !is_punct(dollar, '$') || entry.delimiter() != Delimiter::Parenthesis {
            return None;
        }
        let entry: Vec<TokenTree> = entry.stream().into_iter().collect();
        let [
            d,
            TokenTree::Ident(variable),
            colon,
            TokenTree::Ident(kind),
            TokenTree::Punct(follower),
            ..,
        ] = entry.as_slice()
        else {
            return None;
        };
        if !is_punct(d, '$') || !is_punct(colon, ':') || kind != "ident" {
            return None;
        }
        let separator = match after {
            [TokenTree::Punct(separator), TokenTree::Punct(_)] => Some(separator.as_char()),
            [TokenTree::Punct(_)] => None,
            _ => return None,
        };
        let last = match entry.last() {
            Some(TokenTree::Punct(last)) => Some(last.as_char()),
            _ => None,
        };
        Some(Self {
            variable: format!("${variable}"),
            body: body.stream(),
            follower: follower.as_char(),
            terminator: separator.or(last)?,
        })
    }

    /// The names in a call of the macro.
    pub(crate) fn names(&self, call: &TokenStream) -> Vec<String> {
        let tokens: Vec<TokenTree> = call.clone().into_iter().collect();
        let mut names = Vec::new();
        let mut at_start = true;
        for pair in tokens.windows(2) {
            if let [TokenTree::Ident(name), TokenTree::Punct(next)] = pair
                && at_start
                && next.as_char() == self.follower
                && next.spacing() == Spacing::Alone
            {
                names.push(name.to_string());
            }
            at_start = is_punct(&pair[0], self.terminator);
        }
        names
    }
}

pub(crate) fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}
