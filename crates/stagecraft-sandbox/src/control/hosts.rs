//! Control over the hosts behind droplets.

use std::sync::Arc;

use super::{Control, ControlError};
use crate::driver::HostDriver;
use crate::state::armed::{ArmedFailure, FailTimes};

impl Control {
    /// Runs a shell script as root in the host of a droplet, given by its name or id, and returns
    /// its standard output.
    ///
    /// Waits for the host if it is booting. If the future is dropped, a started script continues,
    /// as far as the driver allows it.
    ///
    /// # Errors
    ///
    /// [`ControlError::NoHosts`] without a driver, [`ControlError::NotFound`] and
    /// [`ControlError::Ambiguous`] for the name, [`ControlError::Host`] if the script fails.
    pub async fn run(&self, host: &str, script: &str) -> Result<String, ControlError> {
        let driver = self.driver()?;
        let id = match self.hosts(host)[..] {
            [id] => id,
            [] => return Err(ControlError::NotFound(host.to_owned())),
            ref several => {
                let (name, ids) = (host.to_owned(), several.to_vec());
                return Err(ControlError::Ambiguous { name, ids });
            }
        };
        let is_there = match self.presence(id) {
            Some(presence) => *presence.lock().await,
            None => false,
        };
        if !is_there {
            return Err(ControlError::NotFound(host.to_owned()));
        }
        driver.run(id, script).await.map_err(ControlError::Host)
    }

    /// Makes a stand-in program of a host fail, with a message on its standard error.
    ///
    /// Applies to running hosts of that name, and to those that boot later: each fails `times`
    /// times. `host` may be `*` for all. A later call for the same host and program replaces the
    /// former; `FailTimes::Times(0)` disarms.
    ///
    /// # Errors
    ///
    /// [`ControlError::NoHosts`] without a driver, [`ControlError::Invalid`] for an invalid program
    /// name, [`ControlError::Host`] if a running host could not be armed; later hosts are armed all
    /// the same.
    pub async fn fail_program(
        &self,
        host: &str,
        program: &str,
        times: FailTimes,
        message: &str,
    ) -> Result<(), ControlError> {
        let driver = self.driver()?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | '.');
        if program.is_empty() || program.starts_with('.') || !program.chars().all(allowed) {
            return Err(ControlError::Invalid(format!(
                "`{program}` is no program's name"
            )));
        }
        let failure = ArmedFailure {
            times,
            message: message.to_owned(),
        };
        let script = failure.script(program);
        let key = (host.to_owned(), program.to_owned());
        if times == FailTimes::Times(0) {
            self.world.state().armed.remove(&key);
        } else {
            self.world.state().armed.insert(key, failure);
        }
        let mut failed = None;
        for id in self.hosts(host) {
            let Some(presence) = self.presence(id) else {
                continue;
            };
            // Held, so that the host neither boots nor goes meanwhile.
            let is_there = presence.lock().await;
            if *is_there && let Err(error) = driver.run(id, &script).await {
                failed = Some(error);
            }
        }
        failed.map_or(Ok(()), |error| Err(ControlError::Host(error)))
    }

    fn driver(&self) -> Result<&Arc<dyn HostDriver>, ControlError> {
        self.world.driver.as_ref().ok_or(ControlError::NoHosts)
    }

    /// The existing droplets with a name or id, or all for `*`.
    fn hosts(&self, host: &str) -> Vec<u64> {
        let id: Option<u64> = host.parse().ok();
        let state = self.world.state();
        let there = state
            .droplets
            .values()
            .filter(|droplet| droplet.is_readable());
        there
            .filter(|droplet| host == "*" || droplet.name == host || Some(droplet.id) == id)
            .map(|droplet| droplet.id)
            .collect()
    }

    fn presence(&self, id: u64) -> Option<Arc<tokio::sync::Mutex<bool>>> {
        self.world
            .state()
            .droplets
            .get(&id)
            .map(|droplet| Arc::clone(&droplet.host))
    }
}
