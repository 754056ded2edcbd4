//! Sets knobs by name, from JSON or from typed text.

use serde::de::Unexpected;
use serde_json::{Map, Value};

use super::Knobs;

/// Why a knob could not be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KnobError {
    /// The knob does not exist.
    #[error("no knob `{name}`{}; the knobs are {}", meant(.nearest.as_deref()), .known.join(", "))]
    Unknown {
        /// The given name.
        name: String,
        /// The most similar knob.
        nearest: Option<String>,
        /// All knobs.
        known: Vec<String>,
    },
    /// The value is invalid for the knob.
    #[error("knob `{name}`: {message}")]
    Value {
        /// The knob.
        name: String,
        /// The problem.
        message: String,
    },
    /// Several were to be set by something other than a JSON object.
    #[error("knobs are a JSON object")]
    Shape,
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!(", perhaps `{nearest}`"))
}

impl Knobs {
    /// The names of all knobs, as in JSON.
    pub fn names() -> Vec<String> {
        let knobs = Self::default().to_map();
        knobs.keys().cloned().collect()
    }

    /// Sets a knob from typed text.
    ///
    /// The name is that in JSON; of a duration it may lack the `_ms`, and `-` may replace `_`. The
    /// value is JSON, or text if it is not valid JSON: durations are integers of milliseconds or
    /// have a unit (`100ms`, `10s`), and lists may be words separated by commas.
    ///
    /// # Errors
    ///
    /// [`KnobError`] for an unknown name or a value of the wrong type; nothing is changed then.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), KnobError> {
        let mut knobs = self.to_map();
        let name = find(&knobs, name)?;
        let is_list = knobs.get(&name).is_some_and(Value::is_array);
        let mut candidates = Vec::new();
        candidates.extend(serde_json::from_str::<Value>(text).ok());
        candidates.push(Value::String(text.to_owned()));
        if is_list {
            let words = text
                .split(',')
                .map(str::trim)
                .filter(|word| !word.is_empty());
            candidates.push(words.map(Value::from).collect());
        }
        let mut refused = String::new();
        for candidate in candidates {
            knobs.insert(name.clone(), candidate);
            match serde_json::from_value(Value::Object(knobs.clone())) {
                Ok(set) => {
                    *self = set;
                    return Ok(());
                }
                Err(error) if refused.is_empty() => refused = error.to_string(),
                Err(_) => {}
            }
        }
        Err(KnobError::Value {
            name,
            message: refused,
        })
    }

    /// Merges a partial JSON object into these knobs.
    ///
    /// # Errors
    ///
    /// [`KnobError`] if `changes` is not an object, names an unknown knob or has a value of the
    /// wrong type; nothing is changed then.
    pub fn merged(&self, changes: &Value) -> Result<Self, KnobError> {
        let Value::Object(changes) = changes else {
            return Err(KnobError::Shape);
        };
        let mut merged = self.clone();
        for (name, value) in changes {
            let mut knobs = merged.to_map();
            let name = find(&knobs, name)?;
            knobs.insert(name.clone(), value.clone());
            merged =
                serde_json::from_value(Value::Object(knobs)).map_err(|error| KnobError::Value {
                    name,
                    message: error.to_string(),
                })?;
        }
        Ok(merged)
    }

    fn to_map(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(knobs)) => knobs,
            // All fields can be represented in JSON.
            _ => Map::new(),
        }
    }
}

/// The name of a knob in JSON.
fn find(knobs: &Map<String, Value>, name: &str) -> Result<String, KnobError> {
    let wanted = name.replace('-', "_");
    let with_unit = format!("{wanted}_ms");
    for candidate in [&wanted, &with_unit] {
        if knobs.contains_key(candidate) {
            return Ok(candidate.clone());
        }
    }
    let bare = |known: &str| known.trim_end_matches("_ms").to_owned();
    let nearest = knobs
        .keys()
        .map(|known| {
            (
                strsim::damerau_levenshtein(&bare(&wanted), &bare(known)),
                known,
            )
        })
        .filter(|(distance, known)| *distance <= (known.len() / 3).max(1))
        .min();
    Err(KnobError::Unknown {
        name: name.to_owned(),
        nearest: nearest.map(|(_, known)| known.clone()),
        known: knobs.keys().cloned().collect(),
    })
}

/// Durations as integers of milliseconds; text with a unit is accepted as well.
pub(super) mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::{Unexpected, Value, read};

    pub(in crate::knobs) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(in crate::knobs) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let unexpected = match &value {
            Value::String(text) => Unexpected::Str(text),
            _ => Unexpected::Other("this"),
        };
        read::<D::Error>(&value, unexpected)
    }
}

fn read<E: serde::de::Error>(
    value: &Value,
    unexpected: Unexpected<'_>,
) -> Result<std::time::Duration, E> {
    let with_unit = |text: &str| {
        let duration: jiff::SignedDuration = text.parse().ok()?;
        std::time::Duration::try_from(duration).ok()
    };
    let plain = value.as_u64().map(std::time::Duration::from_millis);
    plain
        .or_else(|| value.as_str().and_then(with_unit))
        .ok_or_else(|| E::invalid_value(unexpected, &"milliseconds, or a duration such as `10s`"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn set(name: &str, text: &str) -> Knobs {
        let mut knobs = Knobs::default();
        knobs.set(name, text).unwrap();
        knobs
    }

    #[test]
    fn durations_have_a_unit_or_are_milliseconds() {
        for text in ["1500", "1500ms", "1.5s", "\"1500ms\""] {
            assert_eq!(
                set("list_lag_ms", text).list_lag,
                Duration::from_millis(1500)
            );
        }
        assert_eq!(set("list-lag", "2m").list_lag, Duration::from_mins(2));
        let refused = Knobs::default().set("list_lag", "soon").unwrap_err();
        let text = refused.to_string();
        assert!(
            text.starts_with("knob `list_lag_ms`: ") && text.contains("`10s`"),
            "{text}"
        );
        assert!(Knobs::default().set("list_lag", "-1").is_err());
    }

    #[test]
    fn lists_text_and_null_are_what_a_person_types() {
        assert_eq!(set("errored_creates", "a, b").errored_creates, ["a", "b"]);
        assert_eq!(set("errored_creates", r#"["a"]"#).errored_creates, ["a"]);
        assert_eq!(set("errored_creates", "7").errored_creates, ["7"]);
        assert_eq!(set("account_uuid", "123").account_uuid, "123");
        assert_eq!(set("hourly_limit", "null").hourly_limit, None);
        assert_eq!(set("team", "null").team, None);
        assert!(set("reserved_first", "true").reserved_first);
        let tags = set("tag_case", r#"{"fleet": "Fleet"}"#).tag_case;
        assert_eq!(tags["fleet"], "Fleet");
    }

    #[test]
    fn an_unknown_knob_names_the_nearest_and_all() {
        let refused = Knobs::default()
            .set("lst_lag", "1")
            .unwrap_err()
            .to_string();
        assert!(refused.starts_with("no knob `lst_lag`, perhaps `list_lag_ms`; the knobs are "));
        assert!(refused.contains("account_status") && refused.contains("unassignable"));
        let far = Knobs::default().set("colour", "1").unwrap_err().to_string();
        assert!(far.starts_with("no knob `colour`; the knobs are "), "{far}");
    }

    #[test]
    fn merging_changes_only_what_is_named() {
        let changes = json!({"list_lag_ms": 7, "boot_time_ms": "2s", "burst_limit": null});
        let merged = Knobs::default().merged(&changes).unwrap();
        let expected = Knobs {
            list_lag: Duration::from_millis(7),
            boot_time: Duration::from_secs(2),
            burst_limit: None,
            ..Knobs::default()
        };
        assert_eq!(merged, expected);
    }

    #[test]
    fn merging_refuses_unknown_knobs_and_other_shapes() {
        let merged = |changes| Knobs::default().merged(&changes);
        let unknown = merged(json!({"burst_limits": 7})).unwrap_err().to_string();
        assert!(unknown.contains("perhaps `burst_limit`"), "{unknown}");
        let wrong = merged(json!({"burst_limit": "many"}))
            .unwrap_err()
            .to_string();
        assert!(wrong.starts_with("knob `burst_limit`: "), "{wrong}");
        assert_eq!(merged(json!([])), Err(KnobError::Shape));
    }
}
