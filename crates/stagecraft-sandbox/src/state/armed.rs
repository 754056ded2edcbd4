//! Stand-ins that fail on request.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// How often a stand-in fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailTimes {
    /// This many times, then it works again. Zero disarms.
    Times(u32),
    /// Until it is disarmed.
    Always,
}

impl fmt::Display for FailTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Times(times) => write!(f, "{times}"),
            Self::Always => f.write_str("always"),
        }
    }
}

impl Serialize for FailTimes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Times(times) => serializer.serialize_u32(*times),
            Self::Always => serializer.serialize_str("always"),
        }
    }
}

impl<'de> Deserialize<'de> for FailTimes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let times = value.as_u64().and_then(|times| u32::try_from(times).ok());
        match (times, value.as_str()) {
            (Some(times), _) => Ok(Self::Times(times)),
            (None, Some("always")) => Ok(Self::Always),
            _ => Err(serde::de::Error::custom(
                "`times` is a number or \"always\"",
            )),
        }
    }
}

/// How a stand-in fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ArmedFailure {
    pub(crate) times: FailTimes,
    pub(crate) message: String,
}

impl ArmedFailure {
    /// The script that arms the stand-in of `program`: it writes a file whose first line says how
    /// often to fail and whose rest is the message.
    pub(crate) fn script(&self, program: &str) -> String {
        if self.times == FailTimes::Times(0) {
            return format!("rm -f /run/sandbox/fail/{program}\n");
        }
        let message = self.message.replace('\'', r"'\''");
        let times = &self.times;
        format!(
            "mkdir -p /run/sandbox/fail\n\
             printf '%s\\n%s\\n' '{times}' '{message}' > /run/sandbox/fail/{program}\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_a_number_or_always_in_json() {
        let parse = |text| serde_json::from_str::<FailTimes>(text);
        assert_eq!(parse("3").unwrap(), FailTimes::Times(3));
        assert_eq!(parse("\"always\"").unwrap(), FailTimes::Always);
        assert!(parse("-1").is_err());
        assert_eq!(
            serde_json::to_string(&FailTimes::Always).unwrap(),
            "\"always\""
        );
    }

    #[test]
    fn the_failure_script_quotes_its_message() {
        let failure = ArmedFailure {
            times: FailTimes::Times(2),
            message: "it's $HOME".to_owned(),
        };
        let script = failure.script("apt-get");
        assert!(
            script.contains(r"'2' 'it'\''s $HOME' > /run/sandbox/fail/apt-get"),
            "{script}"
        );
    }
}
