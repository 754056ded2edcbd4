//! Limits that the user sets for an environment. Pure.

use std::collections::BTreeSet;

use crate::cloud::Finding;
use crate::host::Host;
use crate::money::MicroUsd;
use crate::plan::{CloudFacts, CreateEntry, HostRef, InfraPlan};

/// The limits of one environment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// The most hosts.
    pub max_hosts: Option<u64>,
    /// The highest monthly cost.
    pub max_monthly: Option<MicroUsd>,
}

impl Limits {
    /// Returns what a plan would exceed.
    ///
    /// `whole` is the plan for the same facts and the whole environment: a plan for some of the
    /// hosts does not include the others. Only increases count, so an environment that is over a
    /// limit can still shrink. `facts` are those of both plans: if they lack the cost of backups,
    /// a price with backups is unknown.
    pub fn check(&self, facts: &CloudFacts, whole: &InfraPlan, plan: &InfraPlan) -> Vec<Finding> {
        let hosts = self.check_hosts(whole, plan);
        let price = self.check_price(facts, whole, plan);
        hosts.into_iter().chain(price).collect()
    }

    fn check_hosts(&self, whole: &InfraPlan, plan: &InfraPlan) -> Option<Finding> {
        let limit = self.max_hosts?;
        let now = whole.hosts_now();
        let more = plan.create.len() + plan.adopted().count();
        let after = (now + more).saturating_sub(plan.delete.len());
        let is_over = after > now && after as u64 > limit;
        is_over.then(|| {
            finding(
                format!(
                    "limits.max_hosts is {limit}; {} would have {after} hosts, and has {now} now",
                    plan.environment
                ),
                "raise limits.max_hosts, or take hosts away first",
            )
        })
    }

    fn check_price(
        &self,
        facts: &CloudFacts,
        whole: &InfraPlan,
        plan: &InfraPlan,
    ) -> Option<Finding> {
        let limit = self.max_monthly?;
        let created = plan.create.iter();
        let created = created.map(|entry| (entry.spec.size.as_str(), entry.monthly));
        let resized = plan.resize.iter().flat_map(|entry| {
            let from = (entry.host.size.as_str(), entry.host.monthly);
            [from, (entry.to.as_str(), entry.to_monthly)]
        });
        let adopted = plan.adopted();
        let adopted = adopted.map(|host| (host.size.as_str(), host.monthly));
        let mut unknown = unknown(created.chain(resized).chain(adopted));
        let delta = plan.cost.monthly_after - plan.cost.monthly_before;
        if delta > MicroUsd(0) {
            let all = whole.existing();
            unknown.extend(self::unknown(
                all.map(|host| (host.size.as_str(), host.monthly)),
            ));
        }
        if !unknown.is_empty() {
            let names: Vec<String> = unknown.iter().map(|size| format!("`{size}`")).collect();
            return Some(finding(
                format!(
                    "limits.max_monthly is {limit}, and the cloud tells no price of size {}",
                    names.join(", ")
                ),
                "take other sizes, or take limits.max_monthly away",
            ));
        }
        let mut backed_up = BTreeSet::new();
        if facts.backup_percent.is_none() {
            backed_up = created_with_backups(facts, plan);
        }
        if delta > MicroUsd(0) && facts.backup_percent.is_none() {
            let all = whole.existing().chain(plan.adopted());
            let all = all.filter(|host| has_backups(facts, host));
            backed_up.extend(all.map(|host| host.name.as_str()));
        }
        if !backed_up.is_empty() {
            let names: Vec<String> = backed_up.iter().map(|name| format!("`{name}`")).collect();
            return Some(finding(
                format!(
                    "limits.max_monthly is {limit}, and backups cost more than the price of a size, by an amount that the cloud does not tell: {}",
                    names.join(", ")
                ),
                "remove `backups: true` of these hosts from the file, or remove limits.max_monthly",
            ));
        }
        let now = whole.cost.monthly_before;
        let after: MicroUsd = [now, delta].into_iter().sum();
        let is_over = delta > MicroUsd(0) && after > limit;
        is_over.then(|| {
            finding(
                format!(
                    "limits.max_monthly is {limit}; {} would cost {after} a month, and costs {now} now",
                    plan.environment
                ),
                "raise limits.max_monthly, or take hosts away first",
            )
        })
    }
}

impl InfraPlan {
    /// Returns the number of our hosts before the plan is applied.
    pub fn hosts_now(&self) -> usize {
        self.existing().count()
    }

    /// Returns our hosts that exist, each once.
    pub fn existing(&self) -> impl Iterator<Item = &HostRef> {
        let lists = [
            &self.delete,
            &self.protected,
            &self.undeclared,
            &self.unchanged,
            &self.duplicates,
        ];
        let differing = self.differ.iter().map(|entry| &entry.host);
        let resized = self.resize.iter().map(|entry| &entry.host);
        let held = self.held.iter().map(|entry| &entry.host);
        let lists = lists.into_iter().flatten();
        lists.chain(differing).chain(resized).chain(held)
    }
}

impl InfraPlan {
    /// Whether the plan's costs are incomplete: they lack the backups of a host that it creates
    /// or that exists.
    pub fn leaves_backups_out(&self, facts: &CloudFacts) -> bool {
        if facts.backup_percent.is_some() {
            return false;
        }
        self.create.iter().any(|entry| entry.spec.options.backups)
            || self
                .existing()
                .chain(self.adopted())
                .any(|host| has_backups(facts, host))
    }
}

fn has_backups(facts: &CloudFacts, host: &HostRef) -> bool {
    let own = facts.hosts.iter().find(|own| own.id == host.id);
    own.is_some_and(Host::has_backups)
}

/// Returns the hosts to be created with backups. Those that replace one of the same size with
/// backups are left out: their cost stays the same.
fn created_with_backups<'p>(facts: &CloudFacts, plan: &'p InfraPlan) -> BTreeSet<&'p str> {
    let is_replaced = |entry: &CreateEntry| {
        plan.delete.iter().any(|old| {
            old.name == entry.spec.name.as_str()
                && old.size == entry.spec.size
                && has_backups(facts, old)
        })
    };
    let created = plan.create.iter();
    let created = created.filter(|entry| entry.spec.options.backups && !is_replaced(entry));
    created.map(|entry| entry.spec.name.as_str()).collect()
}

/// Returns the sizes without a price.
fn unknown<'a>(sizes: impl Iterator<Item = (&'a str, Option<MicroUsd>)>) -> BTreeSet<String> {
    sizes
        .filter(|(_, price)| price.is_none())
        .map(|(size, _)| size.to_owned())
        .collect()
}

fn finding(message: String, hint: &str) -> Finding {
    Finding {
        host: None,
        message,
        hint: Some(hint.to_owned()),
        is_guard: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{HostOptions, HostSpec};
    use crate::name::{HostName, RoleName};
    use crate::naming::Naming;
    use crate::plan::{PlanMode, ResizeEntry, fixtures};

    const TWO: Limits = Limits {
        max_hosts: Some(2),
        max_monthly: None,
    };
    const TEN_DOLLARS: Limits = Limits {
        max_hosts: None,
        max_monthly: Some(MicroUsd(10)),
    };

    /// Builds a plan with existing hosts of these prices, and others to be created.
    fn plan(existing: &[Option<i64>], created: &[Option<i64>]) -> InfraPlan {
        let mut plan = fixtures::plan("staging", PlanMode::Reconcile);
        let environment = plan.environment.clone();
        let old = existing.iter().enumerate().map(|(at, price)| HostRef {
            monthly: price.map(MicroUsd),
            ..fixtures::host(&format!("old-{at}"))
        });
        plan.unchanged = old.collect();
        let entry = |(at, price): (usize, &Option<i64>)| {
            let name = HostName::new(format!("new-{at}")).unwrap();
            CreateEntry {
                node: Naming::default().node(&environment, &name).unwrap(),
                spec: HostSpec {
                    name,
                    role: RoleName::new("app").unwrap(),
                    size: "large".into(),
                    region: "nyc1".into(),
                    image: "debian".into(),
                    options: HostOptions::default(),
                },
                tags: Vec::new(),
                ssh_key_fingerprint: None,
                monthly: price.map(MicroUsd),
                hourly: None,
                backups_monthly: None,
            }
        };
        plan.create = created.iter().enumerate().map(entry).collect();
        let sum = |prices: &[Option<i64>]| prices.iter().flatten().sum::<i64>();
        plan.cost.monthly_before = MicroUsd(sum(existing));
        plan.cost.monthly_after = MicroUsd(sum(existing) + sum(created));
        plan
    }

    fn told(limits: Limits, whole: &InfraPlan, plan: &InfraPlan) -> Vec<String> {
        let findings = limits.check(&fixtures::facts(), whole, plan);
        assert!(findings.iter().all(|finding| finding.is_guard));
        findings
            .into_iter()
            .map(|finding| finding.message)
            .collect()
    }

    #[test]
    fn hosts_beyond_the_limit_are_told_also_when_only_some_were_selected() {
        let whole = plan(&[Some(1); 2], &[Some(1); 2]);
        let part = plan(&[], &[Some(1)]);
        let expected = "limits.max_hosts is 2; staging would have 3 hosts, and has 2 now";
        assert_eq!(told(TWO, &whole, &part), [expected]);
        assert_eq!(told(TWO, &plan(&[Some(1)], &[]), &part), [""; 0]);
    }

    #[test]
    fn environment_that_is_over_a_limit_may_shrink_and_stay() {
        let mut smaller = plan(&[Some(5); 3], &[]);
        let limits = Limits {
            max_monthly: TEN_DOLLARS.max_monthly,
            ..TWO
        };
        assert_eq!(told(limits, &smaller, &smaller), [""; 0]);
        let resized = smaller.unchanged.remove(0);
        smaller.resize.push(ResizeEntry {
            host: resized,
            to: "tiny".into(),
            grow_disk: false,
            to_monthly: Some(MicroUsd(1)),
            to_hourly: None,
        });
        smaller.cost.monthly_after = MicroUsd(11);
        assert_eq!(told(limits, &smaller, &smaller), [""; 0]);
        // A replacement: one host goes and one comes, for the same price.
        let mut replaced = plan(&[Some(5); 3], &[Some(5)]);
        replaced.delete.push(replaced.unchanged.remove(0));
        replaced.cost.monthly_after = MicroUsd(15);
        assert_eq!(told(limits, &smaller, &replaced), [""; 0]);
    }

    #[test]
    fn price_beyond_the_limit_is_told() {
        let exact = plan(&[Some(5)], &[Some(5)]);
        assert_eq!(told(TEN_DOLLARS, &exact, &exact), [""; 0]);
        let over = plan(&[Some(5)], &[Some(6)]);
        let told = told(TEN_DOLLARS, &over, &over);
        assert!(told[0].contains("staging would cost"), "{told:?}");
    }

    #[test]
    fn unknown_price_is_refused_only_where_it_matters() {
        let unknown = plan(&[Some(1)], &[None]);
        let message = "limits.max_monthly is $0.00, and the cloud tells no price of size `large`";
        assert_eq!(told(TEN_DOLLARS, &unknown, &unknown), [message]);
        let old = plan(&[None], &[Some(1)]);
        assert!(told(TEN_DOLLARS, &old, &old)[0].contains("`small`"));
        let nothing = plan(&[None], &[]);
        assert_eq!(told(TEN_DOLLARS, &nothing, &nothing), [""; 0]);
    }
}
