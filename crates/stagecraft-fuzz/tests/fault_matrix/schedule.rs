//! What goes wrong, and when.

use std::collections::BTreeMap;
use std::time::Duration;

use stagecraft_sandbox::{Fault, FaultKind, Knobs};

/// Longer than any client waits. Who meets it is dropped with the request in flight.
const KILL_MS: u64 = 3_600_000;
/// Longer than a request may take.
const HANG_MS: u64 = 45_000;
/// Slow, but not too slow.
const SLOW_MS: u64 = 20_000;
/// How long a request is in flight when the run is interrupted.
const INTERRUPT_MS: u64 = 2_001;

/// What the run does that meets the faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A plan while a third of the fleet exists.
    Plan,
    /// An up in an account without hosts of ours.
    Up,
    /// An up while a third of the fleet exists.
    UpTheRest,
    /// A down of the whole fleet.
    Down,
    /// A prune of three hosts that are not declared any more.
    Prune,
    /// An up that resizes one host.
    Resize,
    /// As `Resize`, but the next run is an up that does not resize.
    ResizeThenUp,
    /// An up that gives hosts the tags of their roles.
    Retag,
    /// Most of the fleet was made by hand.
    Adopt,
}

impl Operation {
    pub(crate) const ALL: [Self; 9] = [
        Self::Plan,
        Self::Up,
        Self::UpTheRest,
        Self::Down,
        Self::Prune,
        Self::Resize,
        Self::ResizeThenUp,
        Self::Retag,
        Self::Adopt,
    ];
}

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// This status, perhaps with `Retry-After` in seconds.
    Status(u16, Option<u16>),
    /// This status with a page of HTML.
    Html(u16),
    Reset,
    Truncated,
    /// The answer takes long, and comes.
    Slow,
    /// The answer takes longer than the client waits.
    Hang,
    /// The run is dropped with the request in flight, as if its process were killed.
    Kill,
    /// The run is interrupted with the request in flight.
    Interrupt,
}

impl Mishap {
    /// One of each kind.
    pub(crate) const ALL: [Self; 15] = [
        Self::Status(500, None),
        Self::Status(500, Some(1)),
        Self::Status(502, None),
        Self::Status(503, None),
        Self::Status(503, Some(1)),
        Self::Status(429, None),
        Self::Status(429, Some(1)),
        Self::Status(429, Some(3600)),
        Self::Html(502),
        Self::Reset,
        Self::Truncated,
        Self::Slow,
        Self::Hang,
        Self::Kill,
        Self::Interrupt,
    ];

    fn kind(self) -> FaultKind {
        let hang = |ms| FaultKind::Hang { ms };
        match self {
            Self::Status(code, retry_after) => FaultKind::Status {
                code,
                body: None,
                headers: retry_after
                    .map(|seconds| ("retry-after".to_owned(), seconds.to_string()))
                    .into_iter()
                    .collect::<BTreeMap<_, _>>(),
            },
            Self::Html(code) => FaultKind::Html { code },
            Self::Reset => FaultKind::Reset,
            Self::Truncated => FaultKind::Truncated,
            Self::Slow => hang(SLOW_MS),
            Self::Hang => hang(HANG_MS),
            Self::Kill => hang(KILL_MS),
            Self::Interrupt => hang(INTERRUPT_MS),
        }
    }
}

/// One mishap: at which request, counted from 0, and whether its effect comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Strike {
    pub(crate) mishap: Mishap,
    pub(crate) at: u32,
    pub(crate) is_after: bool,
}

impl Strike {
    /// To say that a tag was changed which was not is no fault but a lie, which no client sees
    /// through without reading all that it wrote.
    fn is_lie(self, operation: Operation) -> bool {
        let changes_tags = matches!(
            operation,
            Operation::Retag | Operation::Adopt | Operation::Resize | Operation::ResizeThenUp
        );
        changes_tags && self.mishap == Mishap::Truncated
    }

    pub(crate) fn fault(self, operation: Operation) -> Fault {
        Fault {
            method: None,
            path: "/v2/".to_owned(),
            body_contains: None,
            skip: self.at,
            times: 1,
            before: !(self.is_after || self.is_lie(operation)),
            kind: self.mishap.kind(),
        }
    }
}

pub(crate) fn is_kill(fault: &Fault) -> bool {
    fault.kind == Mishap::Kill.kind()
}

pub(crate) fn is_interrupt(fault: &Fault) -> bool {
    fault.kind == Mishap::Interrupt.kind()
}

/// How the cloud behaves during the whole schedule, and what ends before the second run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a quirk of its own, and any of them may be on"
)]
pub(crate) struct Weather {
    pub(crate) latency_ms: u16,
    pub(crate) list_lag_ms: u16,
    pub(crate) read_lag_ms: u16,
    pub(crate) address_delay_ms: u16,
    pub(crate) tag_lag_ms: u16,
    pub(crate) delete_ms: u16,
    /// The account has spelled our tags in capitals before.
    pub(crate) capitals: bool,
    pub(crate) filter_ignores_case: bool,
    pub(crate) refuse_delete_while_new: bool,
    /// The account has more droplets than a page, and they come and go.
    pub(crate) crowd: bool,
    /// Ends before the second run.
    pub(crate) trouble: Option<Trouble>,
}

/// What is wrong with the account until the second run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Two hosts' creates are accepted and end as errors.
    ErroredCreates,
    /// The account has room for five more.
    DropletLimit,
    /// The size of one group is out of stock.
    SoldOut,
    /// Few requests in a minute are let through.
    BurstLimit,
    /// A host becomes active, but never shows an address. It stays so.
    NoAddress,
    /// The token lacks a scope.
    Scope(&'static str),
}

/// The scopes of all requests that are sent.
pub(crate) const SCOPES: [&str; 18] = [
    "account:read",
    "actions:read",
    "droplet:create",
    "droplet:delete",
    "droplet:read",
    "droplet:update",
    "firewall:create",
    "firewall:delete",
    "firewall:read",
    "firewall:update",
    "image:read",
    "project:read",
    "regions:read",
    "sizes:read",
    "ssh_key:read",
    "tag:create",
    "tag:delete",
    "tag:read",
];

impl Weather {
    /// What is usual: lists lag, addresses come late, deletes take their time.
    pub(crate) fn usual() -> Self {
        Self {
            list_lag_ms: 2000,
            address_delay_ms: 300,
            delete_ms: 2000,
            ..Self::default()
        }
    }

    pub(crate) fn knobs(self, droplets: usize) -> Knobs {
        let ms = |ms: u16| Duration::from_millis(u64::from(ms));
        let mut knobs = Knobs {
            latency: ms(self.latency_ms),
            boot_time: Duration::from_secs(10),
            list_lag: ms(self.list_lag_ms),
            read_lag: ms(self.read_lag_ms),
            address_delay: ms(self.address_delay_ms),
            tag_lag: ms(self.tag_lag_ms),
            delete_time: ms(self.delete_ms),
            refuse_delete_while_new: self.refuse_delete_while_new,
            tag_filter_ignores_case: self.filter_ignores_case,
            ..Knobs::instant()
        };
        match self.trouble {
            None => {}
            Some(Trouble::ErroredCreates) => {
                knobs.errored_creates = vec!["staging-app-4".to_owned(), "staging-db-1".to_owned()];
            }
            Some(Trouble::DropletLimit) => {
                knobs.droplet_limit = u32::try_from(droplets + 5).expect("few droplets");
            }
            Some(Trouble::SoldOut) => knobs.sold_out = vec!["s-4vcpu-8gb@nyc3".to_owned()],
            Some(Trouble::NoAddress) => knobs.no_address = vec!["staging-app-5".to_owned()],
            Some(Trouble::Scope(scope)) => knobs.missing_scopes = vec![scope.to_owned()],
            Some(Trouble::BurstLimit) => knobs.burst_limit = Some(12),
        }
        knobs
    }
}

/// A whole story: a run that meets mishaps, and the run after it.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    pub(crate) operation: Operation,
    pub(crate) weather: Weather,
    pub(crate) strikes: Vec<Strike>,
}
