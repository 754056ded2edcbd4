//! The tests and modules of one source file, read as tokens, so comments and strings do not count.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::cfg::Attributes;
use super::macros::{NameMacro, is_punct};

/// A test of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceTest {
    pub(crate) name: String,
    /// Why the suite does not run it, if it does not.
    pub(crate) barrier: Option<String>,
}

/// A module of a file that has its own file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChildModule {
    /// Its name, after those of the modules around it.
    pub(crate) names: Vec<String>,
    /// The file that it is in, if an attribute names it.
    pub(crate) path: Option<String>,
    pub(crate) barrier: Option<String>,
}

/// What a file contains.
#[derive(Debug, Default)]
pub(crate) struct Source {
    pub(crate) tests: Vec<SourceTest>,
    pub(crate) modules: Vec<ChildModule>,
}

impl Source {
    /// Reads a file's text. `barrier` is the reason why the file as a whole is not compiled.
    pub(crate) fn parse(
        text: &str,
        features: &BTreeSet<String>,
        barrier: Option<&str>,
    ) -> Option<Self> {
        let mut reader = Reader {
            features,
            macros: BTreeMap::new(),
            source: Self::default(),
        };
        let tokens: TokenStream = text.parse().ok()?;
        reader.items(&tokens, &[], barrier.map(ToOwned::to_owned));
        Some(reader.source)
    }
}

struct Reader<'a> {
    features: &'a BTreeSet<String>,
    macros: BTreeMap<String, NameMacro>,
    source: Source,
}

impl Reader<'_> {
    fn items(&mut self, tokens: &TokenStream, modules: &[String], mut barrier: Option<String>) {
        let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
        let mut attributes = Attributes::default();
        let mut rest = tokens.as_slice();
        loop {
            rest = match rest {
                [] => return,
                [hash, TokenTree::Group(group), rest @ ..]
                    if is_punct(hash, '#') && group.delimiter() == Delimiter::Bracket =>
                {
                    attributes.add(&group.stream(), self.features);
                    rest
                }
                [hash, mark, TokenTree::Group(group), rest @ ..]
                    if is_punct(hash, '#') && is_punct(mark, '!') =>
                {
                    let mut inner = Attributes::default();
                    inner.add(&group.stream(), self.features);
                    barrier = barrier.or(inner.barrier);
                    rest
                }
                [
                    TokenTree::Ident(word),
                    TokenTree::Ident(name),
                    next,
                    rest @ ..,
                ] if word == "mod" => {
                    let attributes = std::mem::take(&mut attributes);
                    let mut names = modules.to_vec();
                    names.push(name.to_string());
                    let barrier = barrier.clone().or(attributes.barrier);
                    if let TokenTree::Group(group) = next {
                        self.items(&group.stream(), &names, barrier);
                    } else {
                        self.source.modules.push(ChildModule {
                            names,
                            path: attributes.path,
                            barrier,
                        });
                    }
                    rest
                }
                [
                    TokenTree::Ident(word),
                    mark,
                    TokenTree::Ident(name),
                    TokenTree::Group(rules),
                    rest @ ..,
                ] if word == "macro_rules" && is_punct(mark, '!') => {
                    attributes = Attributes::default();
                    if let Some(known) = NameMacro::of_rules(&rules.stream()) {
                        self.macros.insert(name.to_string(), known);
                    } else {
                        self.macros.remove(&name.to_string());
                    }
                    rest
                }
                [
                    TokenTree::Ident(name),
                    mark,
                    TokenTree::Group(call),
                    rest @ ..,
                ] if is_punct(mark, '!') => {
                    let barrier = barrier.clone().or(std::mem::take(&mut attributes).barrier);
                    self.call(&name.to_string(), &call.stream(), modules, barrier);
                    rest
                }
                [TokenTree::Ident(word), TokenTree::Ident(name), rest @ ..] if word == "fn" => {
                    self.function(name.to_string(), &attributes, barrier.as_ref());
                    attributes = Attributes::default();
                    after_body(rest)
                }
                [
                    TokenTree::Ident(word),
                    dollar,
                    TokenTree::Ident(name),
                    rest @ ..,
                ] if word == "fn" && is_punct(dollar, '$') => {
                    self.function(format!("${name}"), &attributes, barrier.as_ref());
                    attributes = Attributes::default();
                    after_body(rest)
                }
                [dollar, TokenTree::Group(group), rest @ ..] if is_punct(dollar, '$') => {
                    self.items(&group.stream(), modules, barrier.clone());
                    rest
                }
                [token, rest @ ..] => {
                    let ends = is_punct(token, ';')
                        || matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
                    if ends {
                        attributes = Attributes::default();
                    }
                    rest
                }
            };
        }
    }

    fn function(&mut self, name: String, attributes: &Attributes, around: Option<&String>) {
        if attributes.is_test {
            self.source.tests.push(SourceTest {
                name,
                barrier: around.or(attributes.barrier.as_ref()).cloned(),
            });
        }
    }

    /// `proptest!` holds functions as they are; a macro of this file may generate some.
    fn call(
        &mut self,
        name: &str,
        call: &TokenStream,
        modules: &[String],
        barrier: Option<String>,
    ) {
        if name == "proptest" {
            self.items(call, modules, barrier);
            return;
        }
        let Some(known) = self.macros.get(name).cloned() else {
            return;
        };
        let mut inner = Reader {
            features: self.features,
            macros: BTreeMap::new(),
            source: Source::default(),
        };
        inner.items(&known.body, modules, barrier);
        for test in inner.source.tests {
            if test.name == known.variable {
                for name in known.names(call) {
                    let barrier = test.barrier.clone();
                    self.source.tests.push(SourceTest { name, barrier });
                }
            } else {
                self.source.tests.push(test);
            }
        }
    }
}

fn after_body(mut tokens: &[TokenTree]) -> &[TokenTree] {
    while let [token, rest @ ..] = tokens {
        tokens = rest;
        let is_body =
            matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
        if is_body || is_punct(token, ';') {
            break;
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each test of a text, with the reason if it does not run.
    fn tests_of(text: &str) -> Vec<(String, Option<String>)> {
        let features = BTreeSet::from(["yaml".to_owned()]);
        let source = Source::parse(text, &features, None).unwrap();
        let pairs = source.tests.into_iter();
        pairs.map(|test| (test.name, test.barrier)).collect()
    }

    fn running(text: &str) -> Vec<String> {
        let tests = tests_of(text).into_iter();
        tests
            .filter_map(|(name, barrier)| barrier.is_none().then_some(name))
            .collect()
    }

    #[test]
    fn plain_async_and_property_tests_are_found() {
        let text = r#"
            #[test] fn plain() {}
            /// Says what it does.
            #[tokio::test(flavor = "multi_thread")]
            #[should_panic]
            pub(crate) async fn asynchronous() { let x = S { a: 1 }; }
            proptest! {
                #![proptest_config(Config::default())]
                #[test] fn property(x in 0..9_u8) {}
            }
            #[cfg(test)] mod tests { use super::*; #[test] fn inner() {} }
            fn helper() { fn deep() {} }
        "#;
        assert_eq!(
            running(text),
            ["plain", "asynchronous", "property", "inner"]
        );
    }

    #[test]
    fn comments_texts_and_functions_without_the_attribute_are_no_tests() {
        let text = r##"
            // #[test] fn commented() {}
            /* #[test] fn blocked() {} */
            const TEXT: &str = r#"#[test] fn quoted() {}"#;
            #[inline] fn plain() {}
            #[test] const X: u8 = 1; fn after() {}
        "##;
        assert_eq!(tests_of(text), []);
    }

    #[test]
    fn ignored_and_conditional_tests_do_not_run() {
        for (attribute, reason) in [
            ("#[ignore]", "it is ignored"),
            ("#[ignore = \"slow\"]", "it is ignored"),
            ("#[cfg_attr(unix, ignore)]", "it is ignored"),
            (
                "#[cfg(feature = \"live\")]",
                "it is compiled only with cfg(feature = \"live\")",
            ),
            (
                "#[cfg(all(test, windows))]",
                "it is compiled only with cfg(all (test , windows))",
            ),
            ("#[cfg(miri)]", "it is compiled only with cfg(miri)"),
        ] {
            let expected = [("x".to_owned(), Some(reason.to_owned()))];
            assert_eq!(
                tests_of(&format!("{attribute} #[test] fn x() {{}}")),
                expected
            );
            assert_eq!(
                tests_of(&format!("{attribute} mod m {{ #[test] fn x() {{}} }}")),
                expected,
                "also from the module around it"
            );
        }
        let inner = "#![cfg(feature = \"live\")] #[test] fn x() {}";
        assert_eq!(running(inner), Vec::<String>::new());
    }

    #[test]
    fn conditions_that_hold_where_the_suite_runs_are_no_barrier() {
        for condition in [
            "test",
            "unix",
            "target_os = \"linux\"",
            "feature = \"yaml\"",
            "not(windows)",
            "any(miri, unix)",
            "all(test, not(feature = \"live\"))",
        ] {
            let text = format!("#[cfg({condition})] #[test] fn x() {{}}");
            assert_eq!(running(&text), ["x"], "{condition}");
        }
        assert_eq!(
            running("#[cfg_attr(windows, ignore)] #[test] fn x() {}"),
            ["x"]
        );
    }

    #[test]
    fn names_that_a_macro_of_the_file_makes_tests_of_are_found() {
        let text = r#"
            macro_rules! points {
                ($($test:ident: $event:literal $value:literal;)*) => {
                    $( #[tokio::test(flavor = "multi_thread")] async fn $test() { f($event) } )*
                };
            }
            macro_rules! ignored { ($($test:ident => $x:expr),*) => { $( #[test] #[ignore] fn $test() {} )* }; }
            macro_rules! helpers { ($($name:ident: $x:expr;)*) => { $( fn $name() {} )* }; }
            points! { first: "a" ""; second: "third:" ""; }
            helpers! { helper: 1; }
            elsewhere! { stranger: 1; }
        "#;
        assert_eq!(running(text), ["first", "second"]);
    }

    #[test]
    fn modules_in_files_of_their_own_are_told_with_their_place() {
        let text = r#"
            mod plain;
            #[path = "other.rs"] pub(crate) mod named;
            mod outer { #[cfg(feature = "live")] mod inner; }
        "#;
        let source = Source::parse(text, &BTreeSet::new(), None).unwrap();
        let module = |names: &[&str], path: Option<&str>, barrier: Option<&str>| ChildModule {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            path: path.map(ToOwned::to_owned),
            barrier: barrier.map(ToOwned::to_owned),
        };
        assert_eq!(
            source.modules,
            [
                module(&["plain"], None, None),
                module(&["named"], Some("other.rs"), None),
                module(
                    &["outer", "inner"],
                    None,
                    Some("it is compiled only with cfg(feature = \"live\")")
                ),
            ]
        );
    }
}
