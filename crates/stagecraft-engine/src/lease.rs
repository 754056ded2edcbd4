//! One run per environment, by leases.

mod keeper;
mod process;

use std::sync::Arc;
use std::time::Duration;

use stagecraft_core::{
    EnvironmentName, Error, ErrorKind, Event, LeaseProvider, Marker, Result, Run, Take,
    WriteGuard as _, seconds,
};

use crate::engine::Engine;
use keeper::Keeper;

/// The most attempts to acquire the lease from holders that are gone.
const ROUNDS: u32 = 3;
/// The longest time for releasing the lease. It expires by itself.
const RELEASE: Duration = Duration::from_secs(15);

/// The holder of the lease of an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseState {
    /// The environment.
    pub environment: EnvironmentName,
    /// The marker.
    pub marker: Marker,
    /// How it is known that its holder is gone; `None` if it may be alive.
    pub gone: Option<String>,
}

impl Engine {
    /// Runs `work` while no other run works on the environment.
    ///
    /// The lease is acquired before `work` begins, so its observations stay valid meanwhile, and
    /// released when it ends, however it ends. It is renewed within the returned future, so a
    /// caller that drops the future lets the lease expire. Once another run has taken over the
    /// lease, the run passed to `work` is cancelled, and fails before its writes with
    /// [`ErrorKind::Locked`].
    ///
    /// A holder on this machine that has ended without releasing the lease is taken over at
    /// once, one elsewhere if it has not renewed the lease within its expiry. With a provider
    /// without leases `work` simply runs.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Locked`] if another run holds the lease, [`ErrorKind::Guard`] in another
    /// account than the expected one: nothing was done. Those of `work`.
    pub async fn with_lease<T, E: From<Error>>(
        &self,
        run: &Run,
        environment: &EnvironmentName,
        operation: &str,
        work: impl AsyncFnOnce(Run) -> Result<T, E>,
    ) -> Result<T, E> {
        // The lease itself is a write.
        self.check_account(run, environment).await?;
        let Some(provider) = self.cloud.lease() else {
            return work(run.clone()).await;
        };
        let taken = take(provider, run, environment, operation).await?;
        let stop = run.child();
        let cloud = Arc::clone(&self.cloud);
        let keeper = Keeper::new(cloud, environment, taken, stop.clone());
        let keeper = Arc::new(keeper);
        let held = stop.guarded(Arc::clone(&keeper) as _);
        let result = tokio::select! {
            result = work(held) => result,
            () = keeper.beat_forever(provider.timing().interval) => {
                unreachable!("it beats until it is dropped")
            }
        };
        give_back(provider, run, environment, &keeper).await;
        // Errors after the loss are reported as the loss, not as the interruption that it caused.
        match (result, keeper.lost()) {
            (Err(_), Some(lost)) => Err(lost.into()),
            (result, _) => result,
        }
    }

    /// Reads the holder of the lease of an environment. Changes nothing.
    ///
    /// # Errors
    ///
    /// The provider's own, by kind; [`ErrorKind::Unsupported`] if it has no leases;
    /// [`ErrorKind::Guard`] in another account than the expected one.
    pub async fn lease(
        &self,
        run: &Run,
        environment: &EnvironmentName,
    ) -> Result<Option<LeaseState>> {
        self.check_account(run, environment).await?;
        let marker = self.leases()?.read(run, environment).await?;
        Ok(marker.map(|marker| LeaseState {
            environment: environment.clone(),
            gone: gone(&marker),
            marker,
        }))
    }

    /// Breaks exactly this lease. Its holder, if alive, writes nothing more: it checks before its
    /// next write. Returns once all its writes show in lists; until then no other run gets the
    /// lease.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Guard`] if the holder may be alive and `force` is not set;
    /// [`ErrorKind::Locked`] if yet another run acquired the lease at that moment; the provider's
    /// own, by kind; [`ErrorKind::Unsupported`] if it has no leases.
    pub async fn break_lease(&self, run: &Run, state: &LeaseState, force: bool) -> Result<()> {
        if state.gone.is_none() && !force {
            return Err(Error::new(
                ErrorKind::Guard,
                format!("the holder may be alive: {}", state.marker),
            )
            .with_hint("wait for its end, or break the lease all the same by --force"));
        }
        let provider = self.leases()?;
        let lag = provider.timing().list_lag;
        if state.gone.is_some() {
            let_show(run, lag).await?;
            return provider.remove(run, &state.marker).await;
        }
        // A living holder stops only without its marker. It may write until its next renewal is
        // due, so no other run begins before that.
        provider.remove(run, &state.marker).await?;
        let environment = &state.environment;
        let own = take(provider, run, environment, "unlock").await?;
        let_show(run, state.marker.expiry / 2 + lag).await?;
        provider.remove(run, &own.marker).await
    }

    fn leases(&self) -> Result<&dyn LeaseProvider> {
        self.cloud.lease().ok_or_else(|| {
            Error::new(
                ErrorKind::Unsupported,
                format!("{} provider: it has no leases", self.cloud.id()),
            )
        })
    }
}

/// An acquired lease.
#[derive(Debug)]
struct Taken {
    marker: Marker,
    /// The random id of the run that has it now.
    run: String,
}

async fn take(
    provider: &dyn LeaseProvider,
    run: &Run,
    environment: &EnvironmentName,
    operation: &str,
) -> Result<Taken> {
    let holder = process::this(operation)?;
    for round in 1.. {
        let held = match provider.take(run, environment, &holder).await? {
            Take::Taken(marker) => {
                run.emit(Event::LeaseTaken {
                    environment: environment.clone(),
                    run: holder.run.clone(),
                });
                return Ok(Taken {
                    marker,
                    run: holder.run,
                });
            }
            Take::Held(held) => held,
        };
        let Some(reason) = gone(&held).filter(|_| round < ROUNDS) else {
            return Err(locked(environment, &held));
        };
        run.emit(Event::LeaseTakenOver {
            environment: environment.clone(),
            holder: held.to_string(),
            reason,
        });
        // While its marker exists no other run begins: the next holder trusts what lists
        // show.
        let_show(run, provider.timing().list_lag).await?;
        provider.remove(run, &held).await?;
    }
    unreachable!("the loop ends at the last round")
}

/// Waits until lists show what another run wrote.
async fn let_show(run: &Run, time: Duration) -> Result<()> {
    run.emit(Event::Waiting {
        host: None,
        what: "what the run before has written to show in lists".to_owned(),
        elapsed: Duration::ZERO,
        deadline: time,
    });
    run.sleep(time).await
}

/// Returns how it is known that a marker's holder is gone.
fn gone(marker: &Marker) -> Option<String> {
    if marker.holder.as_ref().is_some_and(process::has_ended) {
        return Some("its process on this machine has ended".to_owned());
    }
    let idle = marker.idle.filter(|_| marker.is_expired())?;
    Some(format!(
        "it has shown no sign of life for {}",
        seconds(idle)
    ))
}

fn locked(environment: &EnvironmentName, marker: &Marker) -> Error {
    let mut error = Error::new(
        ErrorKind::Locked,
        format!("environment '{environment}' is locked by another run: {marker}"),
    )
    .with_operation("take_lease")
    .with_hint(format!(
        "wait for its end; if it is gone for good: stagecraft infra unlock --env {environment}"
    ))
    .with_context("since", marker.since.clone());
    if let Some(holder) = &marker.holder {
        error = error
            .with_context("machine", holder.machine.clone())
            .with_context("pid", holder.pid.to_string())
            .with_context("run", holder.run.clone())
            .with_context("holder_operation", holder.operation.clone());
    }
    error
}

async fn give_back(
    provider: &dyn LeaseProvider,
    run: &Run,
    environment: &EnvironmentName,
    keeper: &Keeper,
) {
    if keeper.is_lost() {
        return keeper.tell_loss(provider).await;
    }
    // An interrupted run releases it too.
    let run = run.shielded();
    let removal = provider.remove(&run, keeper.marker());
    let reason = match tokio::time::timeout(RELEASE, removal).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {}", seconds(RELEASE)),
    };
    run.emit(Event::LeaseLeft {
        environment: environment.clone(),
        reason,
    });
}
