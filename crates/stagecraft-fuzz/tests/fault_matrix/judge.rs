//! Whether a story ended as it must.

use stagecraft_core::tags;
use stagecraft_engine::Planned;

use crate::fleet::wanted;
use crate::lab::Lab;
use crate::schedule::{Operation, Schedule, Trouble};

/// How a run ended.
#[derive(Debug)]
pub(crate) enum End {
    /// It said that everything was done. The plan that it made, if it was to make one.
    Done(Option<Box<Planned>>),
    /// It said that something was not.
    Failed(String),
    /// It was dropped.
    Killed,
}

/// Whether droplets that were accepted before the first run was stopped have ended as errors in
/// the second one.
pub(crate) fn is_aftermath(schedule: &Schedule, second: &End) -> bool {
    let End::Failed(why) = second else {
        return false;
    };
    schedule.weather.trouble == Some(Trouble::ErroredCreates) && why.contains("not found")
}

/// Whether the last run may end so.
pub(crate) fn is_good(schedule: &Schedule, end: &End) -> bool {
    match end {
        End::Done(_) => true,
        // It says which host is of no use.
        End::Failed(why) => {
            schedule.weather.trouble == Some(Trouble::NoAddress) && why.contains("public address")
        }
        End::Killed => false,
    }
}

/// A run that comes to its end by itself leaves no tag behind. One that is stopped may.
pub(crate) fn may_not_leave_tags(schedule: &Schedule) -> bool {
    let trouble = schedule.weather.trouble;
    schedule.strikes.is_empty()
        && !matches!(
            trouble,
            Some(Trouble::ErroredCreates | Trouble::Scope("tag:delete"))
        )
}

pub(crate) fn check_only_reads(lab: &Lab) -> Result<(), String> {
    match lab
        .control()
        .requests()
        .iter()
        .find(|one| one.method != "GET")
    {
        Some(write) => Err(format!("a plan wrote: {} {}", write.method, write.target)),
        None => Ok(()),
    }
}

/// Whether a run that called itself done has done it.
pub(crate) fn judge(
    lab: &Lab,
    schedule: &Schedule,
    end: &End,
    is_again: bool,
) -> Result<(), String> {
    let operation = schedule.operation;
    if operation == Operation::Plan {
        judge_plan(end)?;
    }
    let own = lab.own();
    let wanted = wanted(operation);
    let names: Vec<&str> = own.iter().map(|droplet| droplet.name.as_str()).collect();
    if !names.iter().eq(wanted.iter().map(|piece| &piece.name)) {
        return Err(format!("not the declared hosts: {names:?}"));
    }
    // A run that may not take the tag away, or does not see it yet on a host that runs, leaves
    // it to the next one.
    let is_hidden = operation == Operation::ResizeThenUp && schedule.weather.tag_lag_ms > 0;
    let is_kept = !is_again && schedule.weather.trouble == Some(Trouble::Scope("tag:delete"));
    let may_go = !is_hidden && !is_kept;
    for (droplet, piece) in own.iter().zip(&wanted) {
        let bears = |tag: &str| droplet.tags.iter().any(|own| own.eq_ignore_ascii_case(tag));
        let roles = droplet.tags.iter().filter(|tag| tag.contains("-role-"));
        let problem = if !piece.tags.iter().all(|tag| bears(tag)) {
            "lacks a tag"
        } else if roles.count() != 1 {
            "has another role, too"
        } else if bears(tags::RESIZING_TAG) && may_go {
            "is said to be being resized"
        } else if droplet.powered_off {
            "is off"
        } else if droplet.address.is_none() {
            "has no address"
        } else if droplet.size != piece.size && !(operation == Operation::ResizeThenUp && is_again)
        {
            "has another size"
        } else {
            continue;
        };
        return Err(format!("a host {problem}: {droplet:?}"));
    }
    Ok(())
}

fn judge_plan(end: &End) -> Result<(), String> {
    let End::Done(Some(planned)) = end else {
        return Err("no plan".to_owned());
    };
    let plan = &planned.plan;
    let counts = (
        plan.create.len(),
        plan.unchanged.len(),
        plan.duplicates.len(),
    );
    if counts != (10, 5, 0) {
        return Err(format!("a wrong plan: {counts:?}"));
    }
    let is_told = |host: &str| {
        let findings = planned.findings.iter();
        let mut texts = findings.map(|finding| &finding.message);
        texts.any(|text| text.contains(host) && text.contains("belongs to project `other`"))
    };
    if is_told("'staging-app-3'") {
        Ok(())
    } else {
        Err(format!("no word of a namesake: {:?}", planned.findings))
    }
}
