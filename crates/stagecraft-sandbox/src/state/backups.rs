//! Backup schedules. No backup is ever made: only the plan is kept.

use jiff::civil::{DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::Deserialize;
use serde_json::{Value, json};

/// The length of a window.
const WINDOW_HOURS: i32 = 4;

/// Backup schedule of a droplet, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BackupPolicy {
    /// The day of a weekly plan; `None` is daily.
    weekday: Option<Weekday>,
    hour: i8,
}

#[derive(Deserialize)]
struct Wire {
    plan: Option<String>,
    weekday: Option<String>,
    hour: Option<i8>,
}

impl Default for BackupPolicy {
    /// Weekly, on Sundays from midnight.
    fn default() -> Self {
        Self {
            weekday: Some(Weekday::Sunday),
            hour: 0,
        }
    }
}

impl BackupPolicy {
    /// Parses the API's object. `None` if it is invalid.
    pub(crate) fn parse(value: &Value) -> Option<Self> {
        let wire: Wire = serde_json::from_value(value.clone()).ok()?;
        let hour = wire.hour.unwrap_or(0);
        if !matches!(hour, 0 | 4 | 8 | 12 | 16 | 20) {
            return None;
        }
        let weekday = match wire.plan.as_deref().unwrap_or("weekly") {
            "daily" => None,
            "weekly" => Some(parse_weekday(wire.weekday.as_deref().unwrap_or("SUN"))?),
            _ => return None,
        };
        Some(Self { weekday, hour })
    }

    pub(crate) fn to_json(self) -> Value {
        let weekday = self
            .weekday
            .map(|day| WEEKDAYS[usize::from(day.to_sunday_zero_offset().unsigned_abs())]);
        json!({
            "plan": if weekday.is_some() { "weekly" } else { "daily" },
            "weekday": weekday,
            "hour": self.hour,
            "window_length_hours": WINDOW_HOURS,
            "retention_period_days": if weekday.is_some() { 28 } else { 7 },
        })
    }

    /// The next window that begins after `now`, as the API shows it.
    pub(crate) fn next_window(self, now: Timestamp) -> Value {
        let now = TimeZone::UTC.to_datetime(now);
        let starts = (0..=8).filter_map(|days| {
            let day = now.date().checked_add(days.days()).ok()?;
            let is_right = self.weekday.is_none_or(|weekday| weekday == day.weekday());
            let start = day.at(self.hour, 0, 0, 0);
            (is_right && start > now).then_some(start)
        });
        let Some(start) = starts.min() else {
            return Value::Null;
        };
        let end = start.checked_add(WINDOW_HOURS.hours()).unwrap_or(start);
        let text = |at: DateTime| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        json!({"start": text(start), "end": text(end)})
    }
}

const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

fn parse_weekday(text: &str) -> Option<Weekday> {
    let at = WEEKDAYS.iter().position(|day| *day == text)?;
    Weekday::from_sunday_zero_offset(i8::try_from(at).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(policy: &Value, now: &str) -> Value {
        let policy = BackupPolicy::parse(policy).unwrap();
        policy.next_window(now.parse().unwrap())["start"].clone()
    }

    #[test]
    fn the_next_window_is_the_first_that_has_not_begun() {
        // A Wednesday.
        let now = "2026-11-18T09:30:00Z";
        let daily = |hour: i8| json!({"plan": "daily", "hour": hour});
        assert_eq!(next(&daily(8), now), "2026-11-19T08:00:00Z");
        assert_eq!(next(&daily(12), now), "2026-11-18T12:00:00Z");
        let weekly = |day: &str| json!({"plan": "weekly", "weekday": day, "hour": 4});
        assert_eq!(next(&weekly("WED"), now), "2026-11-25T04:00:00Z");
        assert_eq!(next(&weekly("FRI"), now), "2026-11-20T04:00:00Z");
    }

    #[test]
    fn plans_that_make_no_sense_are_none() {
        for bad in [
            json!({"plan": "hourly"}),
            json!({"plan": "daily", "hour": 3}),
            json!({"plan": "weekly", "weekday": "monday"}),
            json!("daily"),
        ] {
            assert_eq!(BackupPolicy::parse(&bad), None, "{bad}");
        }
        let weekly = json!({"plan": "weekly", "weekday": "SAT", "hour": 20});
        let shown = BackupPolicy::parse(&weekly).unwrap().to_json();
        assert_eq!(
            (&shown["weekday"], &shown["hour"]),
            (&json!("SAT"), &json!(20))
        );
    }
}
