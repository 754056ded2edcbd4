//! Prices, in whole millionths of a US dollar, so that sums are exact.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An amount in millionths of a US dollar. Sums and differences saturate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MicroUsd(pub i64);

impl MicroUsd {
    /// Rounds a price in dollars to the nearest millionth. Absurd prices become zero.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the range is checked before the cast"
    )]
    pub fn from_dollars(dollars: f64) -> Self {
        let micro = (dollars * 1_000_000.0).round();
        if micro.is_finite() && micro.abs() < 9e15 {
            Self(micro as i64)
        } else {
            Self(0)
        }
    }
}

impl MicroUsd {
    /// Returns this percentage of the amount, rounded down.
    #[must_use]
    pub fn percent(self, percent: u32) -> Self {
        let part = i128::from(self.0) * i128::from(percent) / 100;
        Self(i64::try_from(part).unwrap_or(i64::MAX))
    }

    /// Formats dollars with five decimals, for hourly prices: `$0.03571`.
    pub fn with_fractions(self) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        let units = (self.0.unsigned_abs() + 5) / 10;
        format!("{sign}${}.{:05}", units / 100_000, units % 100_000)
    }
}

impl std::iter::Sum for MicroUsd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        Self(amounts.fold(0, |sum, amount| sum.saturating_add(amount.0)))
    }
}

impl std::ops::Sub for MicroUsd {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for MicroUsd {
    /// Formats dollars and cents: `$24.00`, `-$6.00`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let cents = (self.0.unsigned_abs() + 5_000) / 10_000;
        write!(f, "{sign}${}.{:02}", cents / 100, cents % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_print_as_dollars_and_cents() {
        assert_eq!(MicroUsd::from_dollars(24.0).to_string(), "$24.00");
        assert_eq!(MicroUsd::from_dollars(-6.005).to_string(), "-$6.01");
        assert_eq!(MicroUsd::from_dollars(f64::NAN), MicroUsd(0));
        assert_eq!(
            MicroUsd::from_dollars(0.035_71).with_fractions(),
            "$0.03571"
        );
    }

    #[test]
    fn sums_of_absurd_amounts_stop_at_the_largest() {
        let absurd = MicroUsd::from_dollars(8.9e9);
        let sum: MicroUsd = std::iter::repeat_n(absurd, 2000).sum();
        assert_eq!(sum, MicroUsd(i64::MAX));
        assert_eq!(MicroUsd(i64::MIN) - sum, MicroUsd(i64::MIN));
    }
}
