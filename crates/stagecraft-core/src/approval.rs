//! Type-level approval of a plan: nothing is applied without it.

use std::collections::BTreeSet;

use crate::error::{Error, ErrorKind, Result};
use crate::name::{EnvironmentName, HostName};
use crate::plan::{Account, HostRef, InfraPlan, PlanMode, Protection};
use crate::tags;

/// A plan that may be applied. Dry runs never have one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovedPlan {
    plan: InfraPlan,
}

/// Proof that the user named the environment whose hosts are to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    environment: EnvironmentName,
}

impl Confirmation {
    /// Compares the typed text with the environment's name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Guard`] if it is not exactly that name.
    pub fn typed(text: &str, environment: &EnvironmentName) -> Result<Self> {
        if text == environment.as_str() {
            Ok(Self {
                environment: environment.clone(),
            })
        } else {
            let message = if text.is_empty() {
                format!("not confirmed: the name of the environment `{environment}` was not typed")
            } else {
                format!("`{text}` is not the name of the environment `{environment}`")
            };
            Err(Error::new(ErrorKind::Guard, message))
        }
    }

    fn check(&self, plan: &InfraPlan) -> Result<()> {
        if self.environment == plan.environment {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Guard,
            format!(
                "`{}` was confirmed, but the plan is for `{}`",
                self.environment, plan.environment
            ),
        ))
    }
}

impl InfraPlan {
    /// Refuses a plan that would delete hosts that the file or their tag protects.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Guard`] if there are any.
    pub fn check_protection(&self) -> Result<()> {
        let doomed = self.delete.iter().filter(|host| host.is_protected());
        let hosts: Vec<&HostRef> = self.protected.iter().chain(doomed).collect();
        if hosts.is_empty() {
            return Ok(());
        }
        let list: Vec<String> = hosts.iter().map(|host| protected_text(host)).collect();
        let message = format!("hosts are protected: {}", list.join(", "));
        let hint = self.protection_hint(&hosts);
        Err(Error::new(ErrorKind::Guard, message).with_hint(hint))
    }

    /// Returns how to lift the protection of hosts, for each source of it.
    fn protection_hint(&self, hosts: &[&HostRef]) -> String {
        let named = |is_meant: fn(Protection) -> bool| {
            let own = hosts.iter().filter(|host| is_meant(host.protection));
            let names: BTreeSet<&str> = own.map(|host| host.name.as_str()).collect();
            names.into_iter().collect::<Vec<_>>()
        };
        let declared = named(|own| own.by_file);
        let tagged = named(|own| own.by_tag);
        let mut cures = Vec::new();
        if !declared.is_empty() {
            let list = declared.join(", ");
            cures.push(format!("remove `protect: true` of {list} from the file"));
        }
        if !tagged.is_empty() {
            cures.push(format!(
                "remove the tag: stagecraft infra unprotect {} --env {}",
                tagged.join(" "),
                self.environment
            ));
        }
        format!(
            "nothing was deleted; to lift the protection, {}",
            cures.join(", and ")
        )
    }
}

/// Formats a protected host with what protects it.
fn protected_text(host: &HostRef) -> String {
    let source = match host.protection {
        Protection {
            by_file: true,
            by_tag: true,
        } => " (by the file and its tag)",
        Protection { by_file: true, .. } => " (by the file)",
        // A host whose source of protection is unknown is not deleted either.
        _ => " (by its tag)",
    };
    format!("{}{source}", host.name)
}

impl ApprovedPlan {
    /// Approves a plan that creates, for the account and endpoint that it was computed for.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Guard`] if the plan deletes anything or is for another account or endpoint.
    pub fn reconcile(plan: InfraPlan, account: &Account, endpoint: &str) -> Result<Self> {
        if plan.mode != PlanMode::Reconcile || !plan.delete.is_empty() {
            return Err(Error::new(
                ErrorKind::Guard,
                "this plan deletes hosts, which needs a confirmation",
            ));
        }
        check_removals(&plan)?;
        Self::for_account(plan, account, endpoint)
    }

    /// Approves a plan that deletes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Guard`] if another environment was confirmed, hosts are protected, the plan
    /// does anything other than delete, names a host unlike any that Stagecraft names, or is for
    /// another account or endpoint.
    pub fn destroy(
        plan: InfraPlan,
        account: &Account,
        endpoint: &str,
        confirmation: &Confirmation,
    ) -> Result<Self> {
        let only_deletes = InfraPlan {
            delete: Vec::new(),
            ..plan.clone()
        };
        if !plan.mode.deletes() || !only_deletes.is_empty() {
            return Err(Error::new(ErrorKind::Guard, "this plan does not delete"));
        }
        plan.check_protection()?;
        if let Some(host) = plan
            .delete
            .iter()
            .find(|host| HostName::new(host.name.clone()).is_err())
        {
            return Err(Error::new(
                ErrorKind::Guard,
                format!(
                    "`{}` (id {}) does not follow the naming rule",
                    host.name, host.id
                ),
            ));
        }
        confirmation.check(&plan)?;
        Self::for_account(plan, account, endpoint)
    }

    /// Approves a plan that changes the owner of hosts or removes their protection.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Guard`] if another environment was confirmed, the plan does anything other
    /// than change tags, or is for another account or endpoint.
    pub fn retag(
        plan: InfraPlan,
        account: &Account,
        endpoint: &str,
        confirmation: &Confirmation,
    ) -> Result<Self> {
        let only_retags = InfraPlan {
            retag: Vec::new(),
            ..plan.clone()
        };
        let is_meant = matches!(plan.mode, PlanMode::Adopt | PlanMode::Unprotect);
        if !is_meant || !only_retags.is_empty() {
            return Err(Error::new(
                ErrorKind::Guard,
                "this plan does more than giving other tags",
            ));
        }
        check_removals(&plan)?;
        confirmation.check(&plan)?;
        Self::for_account(plan, account, endpoint)
    }

    fn for_account(plan: InfraPlan, account: &Account, endpoint: &str) -> Result<Self> {
        // Several people may have tokens of one account.
        if plan.account.id != account.id || plan.endpoint != endpoint {
            return Err(Error::new(
                ErrorKind::Guard,
                format!(
                    "the plan is for account {} at {}, not for {} at {endpoint}",
                    plan.account.name, plan.endpoint, account.name
                ),
            ));
        }
        Ok(Self { plan })
    }

    /// The plan.
    pub fn plan(&self) -> &InfraPlan {
        &self.plan
    }
}

/// Refuses a plan that removes any tags but those that are false. The others identify and
/// protect hosts.
fn check_removals(plan: &InfraPlan) -> Result<()> {
    let may_go = |tag: &&String| match plan.mode {
        PlanMode::Unprotect => tag.eq_ignore_ascii_case(tags::PROTECT_TAG),
        _ => {
            tags::is_role(tag)
                || tags::Expiry::is_tag(tag)
                || tags::is_name_pattern(tag)
                || tag.eq_ignore_ascii_case(tags::RESIZING_TAG)
        }
    };
    let mut removed = plan.retag.iter().flat_map(|entry| &entry.remove);
    match removed.find(|tag| !may_go(tag)) {
        None => Ok(()),
        Some(tag) => Err(Error::new(
            ErrorKind::Guard,
            format!("this plan takes the tag `{tag}` away, by which hosts are known or protected"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::RetagEntry;
    use crate::plan::fixtures::{self, account, host};

    fn plan(mode: PlanMode) -> InfraPlan {
        fixtures::plan("prod", mode)
    }

    #[test]
    fn reconcile_refuses_deletes_whatever_the_mode_says() {
        let mut deleting = plan(PlanMode::Reconcile);
        deleting.delete.push(host("db-1"));
        for plan in [deleting, plan(PlanMode::Destroy), plan(PlanMode::Prune)] {
            let error = ApprovedPlan::reconcile(plan, &account("a"), "https://x").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Guard);
        }
    }

    #[test]
    fn no_plan_takes_away_by_what_hosts_are_known_or_protected() {
        let prod = EnvironmentName::new("prod").unwrap();
        let confirmation = Confirmation::typed("prod", &prod).unwrap();
        let approve = |mode, tag: &str| {
            let mut plan = plan(mode);
            plan.retag.push(RetagEntry {
                host: host("db-1"),
                add: Vec::new(),
                remove: vec![tag.to_owned()],
                ttl_seconds: None,
                expiry: None,
                project: None,
            });
            match mode {
                PlanMode::Reconcile => ApprovedPlan::reconcile(plan, &account("a"), "https://x"),
                _ => ApprovedPlan::retag(plan, &account("a"), "https://x", &confirmation),
            }
        };
        for tag in [
            "Stagecraft",
            "stagecraft-env-prod",
            "stagecraft-project-shop",
            "stagecraft-protect",
        ] {
            for mode in [PlanMode::Reconcile, PlanMode::Adopt] {
                assert!(approve(mode, tag).is_err(), "{mode:?} {tag}");
            }
        }
        assert!(approve(PlanMode::Reconcile, "stagecraft-Role-db").is_ok());
        assert!(approve(PlanMode::Reconcile, "stagecraft-resizing").is_ok());
        assert!(approve(PlanMode::Unprotect, "Stagecraft-Protect").is_ok());
        assert!(approve(PlanMode::Unprotect, "stagecraft-role-db").is_err());
    }

    #[test]
    fn protected_host_among_those_to_be_deleted_stops_the_plan_and_each_source_is_named() {
        let unprotect = "stagecraft infra unprotect db-1 --env prod";
        for (by_file, by_tag, source) in [
            (true, false, "(by the file)"),
            (false, true, "(by its tag)"),
            (true, true, "(by the file and its tag)"),
        ] {
            let mut plan = plan(PlanMode::Destroy);
            plan.delete.push(HostRef {
                protection: Protection { by_file, by_tag },
                ..host("db-1")
            });
            let error = plan.check_protection().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Guard);
            let message = format!("hosts are protected: db-1 {source}");
            assert_eq!(error.to_string(), message);
            let hint = error.hint().unwrap();
            assert_eq!(hint.contains("`protect: true` of db-1"), by_file, "{hint}");
            assert_eq!(hint.contains(unprotect), by_tag, "{hint}");
        }
    }

    #[test]
    fn another_account_or_endpoint_is_refused() {
        for (name, endpoint) in [("b", "https://x"), ("a", "https://y")] {
            let plan = plan(PlanMode::Reconcile);
            assert!(ApprovedPlan::reconcile(plan, &account(name), endpoint).is_err());
        }
    }

    #[test]
    fn destroy_needs_the_name_of_the_same_environment() {
        let prod = EnvironmentName::new("prod").unwrap();
        let staging = EnvironmentName::new("staging").unwrap();
        assert!(Confirmation::typed("Prod", &prod).is_err());
        let wrong = Confirmation::typed("staging", &staging).unwrap();
        let right = Confirmation::typed("prod", &prod).unwrap();
        let approve = |confirmation| {
            ApprovedPlan::destroy(
                plan(PlanMode::Destroy),
                &account("a"),
                "https://x",
                confirmation,
            )
        };
        assert!(approve(&wrong).is_err());
        assert!(approve(&right).is_ok());
    }
}
