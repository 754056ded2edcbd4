//! Settings of the sandbox: delays, limits and quirks.

mod account;
mod set;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::account::{AccountStatus, Team};
pub use self::set::KnobError;
use self::set::milliseconds;

/// Settings of the sandbox, all changeable while it runs.
///
/// The defaults suit trying things on a laptop. In JSON every duration is an integer of
/// milliseconds, or text with a unit such as `10s`; a missing field has its default, and an unknown
/// one is an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a quirk of its own, and any of them may be on"
)]
pub struct Knobs {
    /// How long every request under `/v2` waits before it is handled.
    #[serde(rename = "latency_ms", with = "milliseconds")]
    pub latency: Duration,
    /// The minimum time a droplet stays `new`; booting its host may take longer.
    #[serde(rename = "boot_time_ms", with = "milliseconds")]
    pub boot_time: Duration,
    /// How long after `active` a droplet shows its public address.
    #[serde(rename = "address_delay_ms", with = "milliseconds")]
    pub address_delay: Duration,
    /// How long a new droplet is missing from lists, though readable by id.
    #[serde(rename = "list_lag_ms", with = "milliseconds")]
    pub list_lag: Duration,
    /// How long a new droplet and its action are not found by id either.
    #[serde(rename = "read_lag_ms", with = "milliseconds")]
    pub read_lag: Duration,
    /// How long a deleted droplet stays listed and readable.
    #[serde(rename = "delete_time_ms", with = "milliseconds")]
    pub delete_time: Duration,
    /// How long an action on a droplet takes, such as a reboot or a resize.
    #[serde(rename = "action_time_ms", with = "milliseconds")]
    pub action_time: Duration,
    /// How long an added tag is neither shown nor found.
    #[serde(rename = "tag_lag_ms", with = "milliseconds")]
    pub tag_lag: Duration,
    /// How long a new SSH key cannot be read.
    #[serde(rename = "key_lag_ms", with = "milliseconds")]
    pub key_lag: Duration,
    /// The account's id.
    pub account_uuid: String,
    /// The account's e-mail address.
    pub account_email: String,
    /// The account's status; a locked one may only read and delete.
    pub account_status: AccountStatus,
    /// The vendor's message about the status.
    pub account_status_message: String,
    /// The account's team; `null` if it has none.
    pub team: Option<Team>,
    /// Scopes that the token lacks, for example `tag:read`. Requests that need one are forbidden,
    /// and fields that need one are omitted from answers.
    pub missing_scopes: Vec<String>,
    /// Tags that the account saw before, with the capitalisation that it keeps. It takes effect on
    /// the first use of a tag.
    pub tag_case: BTreeMap<String, String>,
    /// How many droplets the account may have at once.
    pub droplet_limit: u32,
    /// Requests per rolling hour; `null` switches the limit off.
    pub hourly_limit: Option<u32>,
    /// Requests per sliding burst window; `null` switches the limit off.
    pub burst_limit: Option<u32>,
    /// The length of the burst window, 60 s in reality.
    #[serde(rename = "burst_window_ms", with = "milliseconds")]
    pub burst_window: Duration,
    /// Lists of SSH keys per burst window; `null` switches the limit off.
    pub keys_limit: Option<u32>,
    /// Names whose creation is accepted and ends as `errored`.
    pub errored_creates: Vec<String>,
    /// Actions that are accepted and end as `errored`, as `name:type`, or all of a droplet as
    /// `name`.
    pub errored_actions: Vec<String>,
    /// Names that become active but never show a public address.
    pub no_address: Vec<String>,
    /// Regions that accept no new droplets.
    pub closed_regions: Vec<String>,
    /// Sizes that are out of stock, as `size@region`.
    pub sold_out: Vec<String>,
    /// Whether a delete is refused while the droplet's creation, or another action on it, is
    /// running.
    pub refuse_delete_while_new: bool,
    /// Whether `tag_name` finds a tag in another capitalisation than its own.
    ///
    /// The vendor requires the canonical one, so the default is `false`.
    pub tag_filter_ignores_case: bool,
    /// Whether `tag_name` alone lists GPU droplets too. The vendor does not say.
    pub tag_lists_gpus: bool,
    /// Whether an assigned reserved address is listed before the droplet's own.
    pub reserved_first: bool,
    /// Names of droplets whose assignment to a project answers `service_down`.
    pub unassignable: Vec<String>,
    /// Replaces `http://host:port` in `links`, to test whether a client follows a link to another
    /// server.
    pub links_base: Option<String>,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            boot_time: Duration::from_millis(1500),
            address_delay: Duration::from_millis(300),
            list_lag: Duration::from_millis(500),
            read_lag: Duration::ZERO,
            delete_time: Duration::from_millis(500),
            action_time: Duration::from_millis(500),
            tag_lag: Duration::ZERO,
            key_lag: Duration::ZERO,
            account_uuid: "b6fr89dbf6d9156cace5f3c78dc9851d957381ef".to_owned(),
            account_email: "sandbox@example.com".to_owned(),
            account_status: AccountStatus::default(),
            account_status_message: String::new(),
            team: Some(Team::default()),
            missing_scopes: Vec::new(),
            tag_case: BTreeMap::new(),
            droplet_limit: 25,
            hourly_limit: Some(5000),
            burst_limit: Some(250),
            burst_window: Duration::from_mins(1),
            keys_limit: Some(10),
            errored_creates: Vec::new(),
            errored_actions: Vec::new(),
            no_address: Vec::new(),
            closed_regions: Vec::new(),
            sold_out: Vec::new(),
            refuse_delete_while_new: false,
            tag_filter_ignores_case: false,
            tag_lists_gpus: false,
            reserved_first: false,
            unassignable: Vec::new(),
            links_base: None,
        }
    }
}

impl Knobs {
    /// No delays, no rate limits and room for 1000 droplets: for tests that are about something
    /// else.
    pub fn instant() -> Self {
        Self {
            boot_time: Duration::ZERO,
            address_delay: Duration::ZERO,
            list_lag: Duration::ZERO,
            delete_time: Duration::ZERO,
            action_time: Duration::ZERO,
            droplet_limit: 1000,
            hourly_limit: None,
            burst_limit: None,
            keys_limit: None,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_integers_of_milliseconds_in_json() {
        let value = serde_json::to_value(Knobs::default()).unwrap();
        assert_eq!(value["boot_time_ms"], 1500);
        assert_eq!(value["burst_limit"], 250);
        assert_eq!(
            serde_json::from_value::<Knobs>(value).unwrap(),
            Knobs::default()
        );
    }
}
