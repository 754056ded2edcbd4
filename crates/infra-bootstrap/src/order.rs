//! The order of steps: each after those that it requires, otherwise by id.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use stagecraft_core::{Error, ErrorKind, HostStep, Result};

/// Sorts steps so that each follows those that it requires or runs after; ties are broken by id.
///
/// # Errors
///
/// [`ErrorKind::Config`] for a duplicate or reserved id, a required step that is missing, or steps
/// that require each other.
pub(crate) fn sort(
    steps: impl IntoIterator<Item = Arc<dyn HostStep>>,
    reserved: &[&str],
) -> Result<Vec<Arc<dyn HostStep>>> {
    let mut waiting: BTreeMap<&'static str, Arc<dyn HostStep>> = BTreeMap::new();
    for step in steps {
        let id = step.id();
        if reserved.contains(&id) {
            return Err(refused(format!("step id `{id}` is reserved")));
        }
        if waiting.insert(id, step).is_some() {
            return Err(refused(format!("step `{id}` is given twice")));
        }
    }
    for (id, step) in &waiting {
        if let Some(missing) = step
            .after()
            .iter()
            .find(|need| !waiting.contains_key(**need))
        {
            return Err(refused(format!(
                "step `{id}` comes after `{missing}`, which is not configured"
            )));
        }
    }
    let configured: BTreeSet<&str> = waiting.keys().copied().collect();
    let mut done = BTreeSet::new();
    let mut sorted = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let next = waiting
            .iter()
            .find(|(_, step)| {
                let before = step.after().iter().chain(step.follows());
                let mut missing = before.filter(|id| configured.contains(**id));
                missing.all(|id| done.contains(id))
            })
            .map(|(id, _)| *id);
        let Some(step) = next.and_then(|id| waiting.remove(id)) else {
            let ids: Vec<String> = waiting.keys().map(|id| format!("`{id}`")).collect();
            return Err(refused(format!(
                "steps come after each other in a circle: {}",
                ids.join(", ")
            )));
        };
        done.insert(step.id());
        sorted.push(step);
    }
    Ok(sorted)
}

fn refused(message: String) -> Error {
    Error::new(ErrorKind::Config, message)
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use stagecraft_core::{
        Change, Decision, HostContext, ProbeFacts, ProbeScript, Remote, Run, StepFailure,
    };

    use super::*;

    #[derive(Debug)]
    struct Named(
        &'static str,
        &'static [&'static str],
        &'static [&'static str],
    );

    fn named(id: &'static str, after: &'static [&'static str]) -> Named {
        Named(id, after, &[])
    }

    #[async_trait]
    impl HostStep for Named {
        fn id(&self) -> &'static str {
            self.0
        }

        fn after(&self) -> &'static [&'static str] {
            self.1
        }

        fn follows(&self) -> &'static [&'static str] {
            self.2
        }

        fn inspect(&self) -> ProbeScript {
            ProbeScript(":")
        }

        fn decide(&self, _: &ProbeFacts, _: &HostContext) -> Result<Decision, StepFailure> {
            Ok(Decision::Nothing)
        }

        async fn change(
            &self,
            _: &Run,
            _: &dyn Remote,
            _: &HostContext,
            _: &[Change],
        ) -> Result<(), StepFailure> {
            Ok(())
        }
    }

    fn sorted(steps: Vec<Named>) -> Result<Vec<&'static str>> {
        let steps = steps
            .into_iter()
            .map(|step| Arc::new(step) as Arc<dyn HostStep>);
        Ok(sort(steps, &["readiness"])?
            .iter()
            .map(|step| step.id())
            .collect())
    }

    #[test]
    fn steps_come_after_their_needs_and_otherwise_by_id() {
        let order = sorted(vec![
            named("volumes", &["docker"]),
            named("network", &[]),
            named("docker", &[]),
            named("agent", &["network", "volumes"]),
        ]);
        assert_eq!(order.unwrap(), ["docker", "network", "volumes", "agent"]);
    }

    #[test]
    fn steps_follow_others_only_if_those_are_configured() {
        let order = sorted(vec![
            Named("check", &[], &["network", "users", "docker"]),
            Named("network", &[], &["users"]),
            named("users", &[]),
        ]);
        assert_eq!(order.unwrap(), ["users", "network", "check"]);
    }

    #[test]
    fn circles_gaps_doubles_and_reserved_ids_are_refused_by_name() {
        for (steps, message) in [
            (
                vec![named("a", &["b"]), named("b", &["a"]), named("c", &[])],
                "steps come after each other in a circle: `a`, `b`",
            ),
            (
                vec![named("a", &["x"])],
                "step `a` comes after `x`, which is not configured",
            ),
            (
                vec![named("a", &[]), named("a", &[])],
                "step `a` is given twice",
            ),
            (
                vec![named("readiness", &[])],
                "step id `readiness` is reserved",
            ),
        ] {
            let error = sorted(steps).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert_eq!(error.to_string(), message);
        }
    }
}
