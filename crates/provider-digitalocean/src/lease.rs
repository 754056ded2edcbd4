//! The lease: a firewall used as a marker, since firewall names are unique.
//!
//! Creating it is the only atomic operation of the API: the second create gets 409. It has one
//! rule, because the API requires one, for unused addresses, and is attached to no droplet.

pub(crate) mod own;
mod payload;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::Method;
use stagecraft_core::{
    EnvironmentName, Error, ErrorKind, Holder, LeaseProvider, LeaseTiming, Marker, ProjectName,
    Result, Retry, Run, Take,
};

use self::payload::Payload;
use crate::client::{Client, Dated};
use crate::clock::Clock;
use crate::error::{ApiError, CreateEffect, provider_error};
use crate::facts;
use crate::provider::DigitalOcean;
use crate::retry::LONGEST_PAUSE;
use crate::wire::{
    Concern, Firewall, FirewallEnvelope, FirewallRule, FirewallsPage, NewFirewall, Targets,
};

/// Most attempts of a create, counting lost answers and markers that vanish meanwhile.
const ROUNDS: u32 = 5;
/// Largest error of a renewal's time before it is sent again.
const GRAIN: i64 = 2;

/// A locked account refuses writes as if the token lacked a scope. Returns the lock as the error
/// then.
async fn unless_locked(client: &Client, run: &Run, error: Error) -> Error {
    if error.kind() != ErrorKind::Forbidden {
        return error;
    }
    match facts::lock(client, run).await {
        Ok(Some(why)) => {
            provider_error(ErrorKind::Forbidden, format!("the account is locked{why}"))
                .with_operation("take_lease")
                .with_hint("nothing was done; only DigitalOcean's support can unlock it")
                .with_source(error)
        }
        Ok(None) | Err(_) => error,
    }
}

#[async_trait]
impl LeaseProvider for DigitalOcean {
    fn timing(&self) -> LeaseTiming {
        LeaseTiming {
            interval: self.config.lease.interval.get(),
            expiry: self.config.lease.expiry.get(),
            list_lag: self.config.poll.list_lag.get(),
        }
    }

    /// Acquires the lease. Retries after a lost answer: a second create of one name makes nothing,
    /// and the marker names its holder.
    async fn take(
        &self,
        run: &Run,
        environment: &EnvironmentName,
        holder: &Holder,
    ) -> Result<Take> {
        let client = self.lease_client(run).await?;
        // The API stamps the creation, which is the first renewal.
        let wanted = self.wanted(
            environment,
            &Payload::new(holder.clone(), 0, self.expiry_ms()),
        );
        let mut pause = client.first_pause();
        let patience = client.patience();
        let mut round = 1;
        loop {
            run.check()?;
            let turn = client.turn(run).await;
            let turn = turn.map_err(|error| error.into_error("take_lease"))?;
            let sent = client.dated_once::<FirewallEnvelope>(turn, "/v2/firewalls", &wanted);
            let error = match sent.await {
                Ok(answer) => return Ok(Take::Taken(self.own(&answer))),
                Err(error) => error,
            };
            let Err(error) = patience.after(run, "take the lease", error) else {
                continue;
            };
            let is_taken = matches!(error, ApiError::Refused { status: 409, .. });
            if (is_taken || error.create_effect() == CreateEffect::Accepted)
                && let Some(answer) = self.find(&client, run, environment).await?
            {
                let marker = self.marker(&answer);
                let is_own = marker.holder.as_ref() == Some(holder);
                return Ok(if is_own {
                    Take::Taken(self.own(&answer))
                } else {
                    Take::Held(marker)
                });
            }
            let delay = match error.retry() {
                Retry::After(wanted) => wanted.unwrap_or(pause),
                // It is gone again, or not listed yet.
                Retry::Never | Retry::Exhausted
                    if is_taken || error.create_effect() != CreateEffect::None =>
                {
                    pause
                }
                Retry::Never | Retry::Exhausted => {
                    return Err(unless_locked(&client, run, error.into_error("take_lease")).await);
                }
            };
            if round == ROUNDS || delay > LONGEST_PAUSE {
                return Err(if is_taken {
                    provider_error(
                        ErrorKind::Locked,
                        "another run holds the lease, and its marker does not show",
                    )
                    .with_operation("take_lease")
                } else {
                    error.into_error("take_lease")
                });
            }
            client
                .pause(run, "take the lease", &error, delay)
                .await
                .map_err(|error| error.into_error("take_lease"))?;
            pause *= 2;
            round += 1;
        }
    }

    async fn beat(&self, run: &Run, environment: &EnvironmentName, marker: &Marker) -> Result<()> {
        let client = self.lease_client(run).await?;
        let holder = marker.holder.clone().ok_or_else(|| gone(environment))?;
        let path = format!("/v2/firewalls/{}", marker.id);
        // Twice if this machine's clock was set meanwhile: other runs rely on the stored time.
        for _ in 0..2 {
            let clock = self.own.lock().get(&marker.id).copied();
            let now = clock.unwrap_or_else(Clock::own).now();
            let payload = Payload::new(holder.clone(), now, self.expiry_ms());
            let wanted = self.wanted(environment, &payload);
            let sent = client.dated::<FirewallEnvelope>(run, Method::PUT, &path, Some(&wanted));
            match sent.await {
                Ok(Dated {
                    date: Some(date), ..
                }) => {
                    self.own.lock().insert(marker.id.clone(), Clock::new(date));
                    if (date - now).abs() <= GRAIN {
                        break;
                    }
                }
                Ok(Dated { date: None, .. }) => break,
                Err(ApiError::Refused { status: 404, .. }) => return Err(gone(environment)),
                Err(error) => return Err(error.into_error("beat_lease")),
            }
        }
        Ok(())
    }

    async fn remove(&self, run: &Run, marker: &Marker) -> Result<()> {
        let client = self.lease_client(run).await?;
        let path = format!("/v2/firewalls/{}", marker.id);
        client
            .delete(run, &path)
            .await
            .map_err(|error| error.into_error("remove_lease"))?;
        self.own.lock().remove(&marker.id);
        Ok(())
    }

    async fn read(&self, run: &Run, environment: &EnvironmentName) -> Result<Option<Marker>> {
        let client = self.lease_client(run).await?;
        let found = self.find(&client, run, environment).await?;
        Ok(found.map(|answer| self.marker(&answer)))
    }
}

impl DigitalOcean {
    fn expiry_ms(&self) -> u64 {
        u64::try_from(self.config.lease.expiry.get().as_millis()).unwrap_or(u64::MAX)
    }

    fn wanted(&self, environment: &EnvironmentName, payload: &Payload) -> NewFirewall {
        NewFirewall {
            name: marker_name(self.naming.project(), environment),
            inbound_rules: vec![FirewallRule {
                protocol: "tcp".to_owned(),
                ports: "1".to_owned(),
                sources: Targets {
                    addresses: payload.to_addresses(),
                },
            }],
        }
    }

    /// Reads the marker by its id, so that its age is known.
    async fn find(
        &self,
        client: &Client,
        run: &Run,
        environment: &EnvironmentName,
    ) -> Result<Option<Dated<FirewallEnvelope>>> {
        let name = marker_name(self.naming.project(), environment);
        let all = client
            .list::<FirewallsPage>(
                run,
                "/v2/firewalls",
                &[],
                Concern::Named(&|own| own == name),
            )
            .await
            .map_err(|error| error.into_error("read_lease"))?;
        let Some(listed) = all.into_iter().find(|firewall| firewall.name == name) else {
            return Ok(None);
        };
        let path = format!("/v2/firewalls/{}", listed.id);
        let read = client.dated::<FirewallEnvelope>(run, Method::GET, &path, None::<&()>);
        match read.await {
            Ok(answer) => Ok(Some(answer)),
            Err(ApiError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error.into_error("read_lease")),
        }
    }

    fn own(&self, answer: &Dated<FirewallEnvelope>) -> Marker {
        let made = seconds(&answer.body.firewall.created_at);
        if let Some(api) = answer.date.or(made) {
            let id = answer.body.firewall.id.clone();
            self.own.lock().insert(id, Clock::new(api));
        }
        self.marker(answer)
    }

    fn marker(&self, answer: &Dated<FirewallEnvelope>) -> Marker {
        let firewall = &answer.body.firewall;
        let payload = payload_of(firewall);
        let made = seconds(&firewall.created_at);
        let beat = payload.as_ref().map(|payload| payload.beat);
        let idle = answer.date.zip(made.max(beat)).map(|(date, beat)| {
            Duration::from_secs(u64::try_from(date - beat).unwrap_or_default())
        });
        let expiry = payload
            .as_ref()
            .map_or(self.config.lease.expiry.get(), |payload| {
                Duration::from_millis(payload.expiry_ms)
            });
        Marker {
            id: firewall.id.clone(),
            since: firewall.created_at.clone(),
            idle,
            expiry,
            holder: payload.map(|payload| payload.holder),
        }
    }
}

/// The marker's name. Environments and projects contain no dots, so no two of them share a name.
fn marker_name(project: Option<&ProjectName>, environment: &EnvironmentName) -> String {
    match project {
        Some(project) => format!("stagecraft-lease.{project}.{environment}"),
        None => format!("stagecraft-lease.{environment}"),
    }
}

fn payload_of(firewall: &Firewall) -> Option<Payload> {
    let rules = firewall.inbound_rules.iter();
    let addresses = rules.flat_map(|rule| rule.sources.addresses.iter().map(String::as_str));
    Payload::of_addresses(addresses)
}

fn seconds(time: &str) -> Option<i64> {
    Some(time.parse::<Timestamp>().ok()?.as_second())
}

fn gone(environment: &EnvironmentName) -> Error {
    provider_error(
        ErrorKind::Locked,
        format!("the lease of environment '{environment}' is gone"),
    )
    .with_operation("beat_lease")
}
