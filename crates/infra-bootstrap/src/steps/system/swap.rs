//! The step `swap`: a swap file.

use std::time::Duration;

use async_trait::async_trait;
use stagecraft_core::{
    Change, Decision, FailureCode, HostContext, HostStep, ProbeFacts, ProbeScript, Remote, Result,
    Run, StepFailure,
};

use super::super::script;
use super::size::{ByteSize, shown};
use super::{PRELUDE, check_whole, id, set};

const MIB: u64 = 1 << 20;
/// The space that must stay free on the disk.
const RESERVE: u64 = 512 * MIB;

/// Ensures a swap file of this size, `/var/swap.stagecraft`. Other swap is left alone. The file is
/// removed if the size is 0 or no longer in the configuration.
#[derive(Debug, Clone)]
pub struct SwapStep {
    size: u64,
    is_undeclared: bool,
}

impl SwapStep {
    /// Ensures a swap file of this size, in whole MiB.
    pub fn new(size: &ByteSize) -> Self {
        Self {
            size: size.bytes() / MIB * MIB,
            is_undeclared: false,
        }
    }

    /// Removes a swap file that an earlier run created.
    pub fn undeclared() -> Self {
        Self {
            size: 0,
            is_undeclared: true,
        }
    }

    fn is_recorded(facts: &ProbeFacts) -> bool {
        facts.value("given").is_some()
    }
}

#[async_trait]
impl HostStep for SwapStep {
    fn id(&self) -> &'static str {
        id::SWAP
    }

    fn is_undeclared(&self) -> bool {
        self.is_undeclared
    }

    fn inspect_args(&self) -> Vec<String> {
        let undeclared = self.is_undeclared.then(|| "undeclared".to_owned());
        undeclared.into_iter().collect()
    }

    fn inspect(&self) -> ProbeScript {
        ProbeScript(include_str!("swap.sh"))
    }

    fn decide(&self, facts: &ProbeFacts, _: &HostContext) -> Result<Decision, StepFailure> {
        check_whole(facts, "the swap space")?;
        let number = |key: &str| facts.value(key).and_then(|value| value.trim().parse().ok());
        let has: u64 = number("size").unwrap_or_default();
        let is_active = facts.value("active").is_some();
        let is_kept = facts.value("fstab").is_some();
        if self.is_undeclared {
            let is_ours = Self::is_recorded(facts) && (has > 0 || is_active || is_kept);
            return Ok(if is_ours {
                let what = shown(has);
                set(format!(
                    "take away {what} of swap, which the file no longer declares"
                ))
            } else {
                Decision::Nothing
            });
        }
        if self.size == 0 {
            return Ok(if has == 0 && !is_active && !is_kept {
                Decision::Nothing
            } else {
                set(format!("take away {} of swap", shown(has)))
            });
        }
        if has == self.size && is_active && is_kept {
            return Ok(Decision::Nothing);
        }
        let free = facts.value("free").and_then(|value| {
            let (blocks, size) = value.trim().split_once(' ')?;
            Some(blocks.parse::<u64>().ok()? * size.parse::<u64>().ok()?)
        });
        if let Some(free) = free
            && free + has < self.size + RESERVE
        {
            return Err(StepFailure::new(
                FailureCode::SystemChangeFailed,
                format!("the disk has no room for {} of swap", shown(self.size)),
            )
            .with_evidence([format!(
                "{} are free, and {} must stay free",
                shown(free),
                shown(RESERVE)
            )]));
        }
        Ok(set(if has == 0 {
            format!("add {} of swap", shown(self.size))
        } else {
            format!("change swap from {} to {}", shown(has), shown(self.size))
        }))
    }

    fn warnings(&self, facts: &ProbeFacts, _: &HostContext) -> Vec<String> {
        let is_unknown = facts.value("size").is_some() && !Self::is_recorded(facts);
        let warning = (self.is_undeclared && is_unknown).then(|| {
            "the swap file /var/swap.stagecraft is from a build that kept no record: `swap: 0` takes it away".to_owned()
        });
        warning.into_iter().collect()
    }

    async fn change(
        &self,
        run: &Run,
        remote: &dyn Remote,
        _: &HostContext,
        _: &[Change],
    ) -> Result<(), StepFailure> {
        let text = format!(
            "{PRELUDE}\nsize={}\n{}",
            self.size / MIB,
            include_str!("swap_set.sh")
        );
        let what = "the swap file could not be set up";
        script::change(run, remote, text, Duration::from_mins(10), what).await
    }
}
