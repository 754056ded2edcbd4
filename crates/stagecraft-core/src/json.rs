//! JSON from other programs, in which `null` means the same as an absent field.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Decodes JSON. A `null` field counts as absent, in maps and lists at every depth.
///
/// Nulls are removed only if the text cannot be decoded with them, so the usual answer costs
/// nothing more. Nullable fields need no attribute of their own: `#[serde(default)]` for absent
/// ones is enough.
///
/// # Errors
///
/// Those of the text without its nulls: a required field that is `null` is reported as missing.
pub fn decode<T: DeserializeOwned>(text: &[u8]) -> serde_json::Result<T> {
    match serde_json::from_slice(text) {
        Err(error) if error.is_data() => from_value(serde_json::from_slice(text)?),
        result => result,
    }
}

/// Like [`decode`], from a tree.
///
/// # Errors
///
/// Those of [`decode`].
pub fn from_value<T: DeserializeOwned>(mut value: Value) -> serde_json::Result<T> {
    remove_nulls(&mut value);
    T::deserialize(value)
}

fn remove_nulls(value: &mut Value) {
    match value {
        Value::Array(list) => {
            list.retain(|item| !item.is_null());
            list.iter_mut().for_each(remove_nulls);
        }
        Value::Object(map) => {
            map.retain(|_, item| !item.is_null());
            map.values_mut().for_each(remove_nulls);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Outer {
        name: String,
        #[serde(default)]
        rules: Vec<Rule>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Rule {
        #[serde(default)]
        ports: String,
    }

    #[test]
    fn null_is_absent_at_every_depth() {
        let rule = |ports: &str| Rule {
            ports: ports.to_owned(),
        };
        for (text, rules) in [
            (r#"{"name": "n"}"#, vec![]),
            (r#"{"name": "n", "rules": null}"#, vec![]),
            (
                r#"{"name": "n", "rules": [{"ports": null}, null, {"ports": "1"}]}"#,
                vec![rule(""), rule("1")],
            ),
        ] {
            let name = "n".to_owned();
            assert_eq!(
                decode::<Outer>(text.as_bytes()).unwrap(),
                Outer { name, rules }
            );
        }
    }

    #[test]
    fn required_field_that_is_null_is_missing() {
        let error = decode::<Outer>(br#"{"name": null}"#).unwrap_err();
        assert_eq!(error.to_string(), "missing field `name`");
        let error = decode::<Outer>(b"{\"name\": ").unwrap_err();
        assert!(error.is_eof(), "{error}");
    }
}
