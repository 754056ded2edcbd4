//! Files with mistakes of every kind, and their error messages.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;

use super::super::document::Document;
use super::super::map::UniqueMap;
use super::super::unsupported;
use crate::name::HostName;

#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only decoding matters")]
struct Outer {
    name: String,
    count: Option<u32>,
    mode: Option<Mode>,
    #[serde(default)]
    parts: UniqueMap<String, Part>,
    #[serde(default)]
    hosts: UniqueMap<HostName, u8>,
    #[serde(default)]
    fast: bool,
    #[serde(default, deserialize_with = "unsupported")]
    later: Option<()>,
}

#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Part {
    #[serde(alias = "longName")]
    long_name: HostName,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Debug, serde::Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Mode {
    /// With docs.
    Fast,
    Slow,
}

fn parse(text: &str) -> Result<Outer, Vec<String>> {
    let variables = [
        ("COUNT", "7"),
        ("MODE", "slow"),
        ("FAST", "true"),
        ("BAD", "No_Name"),
        ("MY_TOKEN", "S3cret!"),
    ];
    let variables: BTreeMap<String, String> = variables
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    Document::new("f.yml", text)
        .unwrap()
        .with_variables(Arc::new(variables))
        .parse::<Outer>(&[])
        .map(|outer| outer.expect("the root is there"))
        .map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

fn errors(text: &str) -> Vec<String> {
    parse(text).unwrap_err()
}

#[test]
fn all_mistakes_are_told_in_the_order_of_the_file() {
    let text = "\
count: many
mode: fats
parts:
  a: { longName: No_Name, tags: [x, [y]] }
  b: { tag: [] }
  c: 5
later: { x: 1 }
nmae: x
hosts: { App_1: 1, app-2: 300, app-2: 1, -x: 1 }
";
    insta::assert_snapshot!(errors(text).join("\n"));
}

#[test]
fn one_mistake_is_told_once() {
    for text in [
        "name: x\nparts: {}\nparts: {}\n",
        "name: x\ncount: -1\n",
        "name: [x]\n",
        "nmae: x\n",
        "[]\n",
        "name: x\nparts: [",
        "name: x\nhosts: { a: 1, a: 2 }\n",
        "name: x\nparts: { a: { longName: x, long_name: y } }\n",
    ] {
        assert_eq!(errors(text).len(), 1, "{text}: {:?}", errors(text));
    }
}

#[test]
fn all_missing_keys_of_a_mapping_are_told() {
    #[derive(Debug, serde::Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only decoding matters")]
    struct Three {
        a: u8,
        b: u8,
        c: u8,
    }
    let document = Document::new("f.yml", "a: x\n").unwrap();
    let errors = document.parse::<Three>(&[]).unwrap_err();
    let texts: Vec<&str> = errors.iter().map(|error| error.message.as_str()).collect();
    assert_eq!(
        texts,
        [
            "missing field `b`",
            "missing field `c`",
            "invalid type: a string, expected a whole number from 0 to 255",
        ]
    );
}

#[test]
fn variables_take_the_type_that_is_wanted() {
    let outer = parse(
        "name: n-${COUNT}\ncount: ${COUNT}\nmode: ${MODE}\nfast: ${FAST}\n\
         parts: { a: { long_name: \"x${NOPE:-9}\", tags: [\"${COUNT}\"] } }\n",
    )
    .unwrap();
    assert_eq!(outer.name, "n-7");
    assert_eq!(outer.count, Some(7));
    assert_eq!(outer.mode, Some(Mode::Slow));
    assert!(outer.fast);
    let part = &outer.parts["a"];
    assert_eq!(part.long_name.as_str(), "x9");
    assert_eq!(part.tags, ["7"]);
}

#[test]
fn what_is_wrong_with_variables_has_its_place() {
    let text = "\
name: ${NOPE}
count: ${MODE}
mode: ${FAST}
fast: ${COUNT}
parts:
  a: { long_name: \"${BAD}\", tags: [\"${COUNT\"] }
";
    insta::assert_snapshot!(errors(text).join("\n"));
}

#[test]
fn value_that_may_be_a_secret_is_not_repeated() {
    let errors = errors("name: x\nparts: { a: { long_name: \"${MY_TOKEN}\" } }\n");
    assert!(errors[0].contains("***"), "{errors:?}");
    assert!(!errors[0].contains("S3cret"), "{errors:?}");
}

#[test]
fn variable_that_yaml_takes_for_a_mapping_says_how_to_write_it() {
    let errors = errors("name: x\nparts: { a: ${COUNT} }\n");
    assert!(
        errors[0].ends_with("write \"${NAME}\" in quotes"),
        "{errors:?}"
    );
}

#[test]
fn numbers_may_stand_where_texts_are_wanted() {
    assert_eq!(parse("name: 1.80\n").unwrap().name, "1.80");
}

#[test]
fn deep_nesting_is_refused() {
    let text = format!("name: x\nparts: {}x{}\n", "[".repeat(40), "]".repeat(40));
    assert_eq!(errors(&text).len(), 1);
    let deep = format!("{}x{}", "[".repeat(40), "]".repeat(40));
    let document = Document::new("f.yml", deep).unwrap();
    let errors = document.parse::<serde_json::Value>(&[]).unwrap_err();
    assert!(
        errors
            .first()
            .message
            .contains("nested deeper than 32 levels"),
        "{errors}"
    );
}

#[test]
fn at_most_a_hundred_mistakes_are_told() {
    use std::fmt::Write as _;
    let mut text = String::from("name: x\nhosts:\n");
    for number in 0..300 {
        writeln!(text, "  Bad_{number}: 1").unwrap();
    }
    assert_eq!(errors(&text).len(), 100);
}

#[test]
fn merge_key_brings_entries_that_the_mapping_lacks() {
    let text = "\
x-base: &base { tags: [a, b], long_name: base }
name: x
parts:
  own: { <<: *base, long_name: own }
  before: { long_name: own, <<: *base }
  whole: { <<: *base }
  several: { <<: [ { tags: [first] }, *base ] }
  nested: { <<: { <<: *base, tags: [] } }
";
    let parts = parse(text).unwrap().parts;
    let shown = |name: &str| {
        let part = &parts[name];
        format!("{} {}", part.long_name, part.tags.join(","))
    };
    assert_eq!(shown("own"), "own a,b");
    assert_eq!(shown("before"), "own a,b");
    assert_eq!(shown("whole"), "base a,b");
    assert_eq!(shown("several"), "base first");
    assert_eq!(shown("nested"), "base ");
}

#[test]
fn variables_in_what_is_merged_are_put_in_once() {
    let text = "x-base: &base { tags: [\"${COUNT}\", \"$${COUNT}\"] }\nname: x\nparts: { a: { <<: *base, long_name: y } }\n";
    assert_eq!(parse(text).unwrap().parts["a"].tags, ["7", "${COUNT}"]);
}

#[test]
fn mistakes_in_what_is_merged_have_the_place_of_the_mapping() {
    for (text, expected) in [
        (
            "x-b: &b { tag: [] }\nname: x\nparts:\n  a:\n    <<: *b\n    long_name: y\n",
            "f.yml:5:5: parts.a: unknown field `tag`",
        ),
        (
            "name: x\nparts:\n  a: { <<: 7, long_name: y }\n",
            "f.yml:3:6: parts.a: `<<` merges a mapping or a list of mappings",
        ),
        (
            "name: x\nparts:\n  a: { <<: {tags: []}, <<: {}, long_name: y }\n",
            "the key `<<` stands here twice",
        ),
        (
            "x-b: &b { tags: 7 }\nname: x\nparts:\n  a: { <<: *b, long_name: y }\n",
            "(merged into the mapping by `<<`)",
        ),
    ] {
        let errors = errors(text);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].contains(expected), "{errors:?}");
    }
}

#[test]
fn extensions_are_allowed_at_the_top_only() {
    let text = "x-anything: [1, { a: 2 }]\nname: x\nx-more: text\n";
    assert_eq!(parse(text).unwrap().name, "x");
    let errors = errors("name: x\nparts: { a: { long_name: y, x-own: 1 } }\n");
    assert!(errors[0].contains("unknown field `x-own`"), "{errors:?}");
    let twice = self::errors("name: x\nx-a: 1\nx-a: 2\n");
    assert!(
        twice[0].contains("the key `x-a` stands here twice"),
        "{twice:?}"
    );
}

#[test]
fn what_is_merged_is_located_where_it_stands() {
    let text =
        "x-b: &b\n  tags: [a]\nparts:\n  a: { <<: *b, long_name: y }\n  c: { <<: *b, tags: [b] }\n";
    let document = Document::new("f.yml", text).unwrap();
    let line = |path: &[&str]| document.place(path).map(|at| at.line);
    assert_eq!(line(&["parts", "a", "tags"]), Some(2));
    assert_eq!(line(&["parts", "c", "tags"]), Some(5));
    assert_eq!(line(&["parts", "a", "absent"]), None);
}

#[test]
fn tab_is_called_a_tab() {
    for (text, place) in [
        ("name: x\nparts:\n\ta: {}\n", "f.yml:3:1: "),
        ("name: x\nparts:\n  a:\n  \tlong_name: y\n", "f.yml:4:3: "),
        ("name:\n\t- x\n", "f.yml:2:1: "),
    ] {
        let errors = errors(text);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].starts_with(place), "{errors:?}");
        assert!(errors[0].contains("a tab"), "{errors:?}");
    }
}
