//! Durations as people write them.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::text::parse_text;

/// A duration with its unit: `500ms`, `5s`, `10m`, `1h 30m`, `1d`. A day has 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfigDuration(Duration);

impl ConfigDuration {
    /// The duration.
    pub fn get(self) -> Duration {
        self.0
    }
}

impl Serialize for ConfigDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match jiff::SignedDuration::try_from(self.0) {
            Ok(duration) => serializer.collect_str(&format_args!("{duration:#}")),
            Err(error) => Err(serde::ser::Error::custom(error)),
        }
    }
}

impl From<Duration> for ConfigDuration {
    fn from(value: Duration) -> Self {
        Self(value)
    }
}

impl<'de> Deserialize<'de> for ConfigDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parse_text(deserializer)
    }
}

impl FromStr for ConfigDuration {
    type Err = String;

    fn from_str(value: &str) -> Result<Self, String> {
        let refused = || {
            format!(
                "invalid duration {value:?}: write a number and a unit, such as `500ms`, `5s`, `10m` or `1d`"
            )
        };
        let span: jiff::Span = value.parse().map_err(|_| refused())?;
        let duration = span
            .to_duration(jiff::SpanRelativeTo::days_are_24_hours())
            .map_err(|_| refused())?;
        Duration::try_from(duration)
            .map(Self)
            .map_err(|_| refused())
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for ConfigDuration {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "examples": ["500ms", "5s", "10m", "1d"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_understood_and_bare_numbers_refused() {
        for (text, millis) in [
            ("500ms", 500),
            ("5s", 5_000),
            ("10m", 600_000),
            ("1h 30m", 5_400_000),
            ("1d", 86_400_000),
            ("1d 12h", 129_600_000),
            ("1w", 604_800_000),
        ] {
            let duration = text.parse::<ConfigDuration>().unwrap();
            assert_eq!(duration.get().as_millis(), millis, "{text}");
        }
        for text in ["5", "", "-5s", "soon", "1mo", "1y"] {
            assert!(text.parse::<ConfigDuration>().is_err(), "{text}");
        }
    }
}
